/// The words before a candidate: what decides between a telephone number and an order number.
#pragma once

#include <cstdint>

#include "policy/detector.h"

namespace sb::policy {

/// What a word says about the number that follows it.
enum class Hint : std::uint8_t { none, phone, card, ssn, bank, address, other };

/// The kind of the nearest telling word in the kWindowBytes before `start` (then in the label), in any of the shipped
/// languages; `other` stands for words that name some other number: order, invoice, version, passport.
Hint hint_before(ScanWindow& window, std::size_t start);

/// Whether any word before `start` has this kind.
bool has_hint_before(const ScanWindow& window, std::size_t start, Hint hint);

}  // namespace sb::policy
