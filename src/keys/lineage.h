/// Who may be behind two keys, as far as it is known which key made which.
#pragma once

#include <span>

#include "keys/key.h"

namespace sb {

/// Whether one person may hold both keys: one of them made the other, itself or through keys that it made, or some key
/// below the first of all made both. Whoever has a key that no key made could have made any; if that alone made two
/// keys one person's, nobody would be a second one where one admin gives keys to all. Pure.
bool may_be_one_person(std::span<const KeyRecord> keys, KeyId one, KeyId other);

}  // namespace sb
