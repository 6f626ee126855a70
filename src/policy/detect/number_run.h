/// A run of digit groups with separators, read once and judged as card, social security and telephone number.
#pragma once

#include <array>
#include <cstdint>

#include "policy/detector.h"

namespace sb::policy {

struct NumberRun {
  static constexpr std::size_t kMaxGroups = 10;
  static constexpr std::size_t kMaxDigits = 24;

  struct Group {
    std::size_t begin;       ///< byte index of the first digit
    std::size_t end;         ///< byte index behind the last one
    std::uint8_t first;      ///< index of the first digit in `digits`
    std::uint8_t count;      ///< digits in the group
    char separator;          ///< before the group: '\0' for the first, else ' ', '-', '.', '/', '(', ')' or '\n'
    bool after_parenthesis;  ///< a ')' stands between the previous group and this one
  };

  std::array<char, kMaxDigits> digits;
  std::array<Group, kMaxGroups> groups;
  std::size_t group_count = 0;
  std::size_t digit_count = 0;
  bool overflow = false;  ///< a group of more digits than any number has, or cut by the window

  std::string_view digits_of(std::size_t groups_used) const {
    const auto& last = groups[groups_used - 1];
    return {digits.data(), static_cast<std::size_t>(last.first) + last.count};
  }
};

/// Reads from the digit at `at`; stops at the first thing that cannot stand inside a number.
NumberRun read_number_run(ScanWindow& window, std::size_t at);

/// Each appends at most one finding for the number whose first digit is `at`.
void classify_card(ScanWindow& window, const NumberRun& run, Findings& out);
void classify_ssn(ScanWindow& window, const NumberRun& run, Findings& out);
/// `start`: where an opening "+", "(" before the first digit stands; `at` itself where there is none.
void classify_phone(ScanWindow& window, const NumberRun& run, std::size_t start, Findings& out);

bool luhn_valid(std::string_view digits);
/// Whether an issuer's range (ISO/IEC 7812) holds numbers that begin so and are this long.
bool is_card_range(std::string_view digits);

}  // namespace sb::policy
