/// Keys that are made of a data directory's own: the same in the server and in the commands beside it.
#pragma once

#include <string>
#include <string_view>

#include "base/errors.h"

namespace sb {

/// The key that wraps the tenants' keys: of `ref` (env:NAME or file:PATH), or, where it is empty, made of the data
/// directory's vault key. Errors: invalid_argument (no reference, no key), not_found.
Result<std::string> master_key_of(std::string_view ref, std::string_view vault_key);

/// What pseudonyms are made with: of the data directory's pepper.
std::string pseudonym_secret(std::string_view pepper);

/// What keyed hashes and sealed values in texts are made with, of which each tenant's key is made.
std::string value_secret(std::string_view vault_key);
/// 32 bytes.
std::string value_key(std::string_view value_secret, std::string_view tenant);

}  // namespace sb
