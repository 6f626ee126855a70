/// Groups of letters and digits with separators between them, as identifiers, cards and telephone numbers are written.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "policy/detector.h"

namespace sb::policy {

struct TokenRun {
  static constexpr std::size_t kMaxGroups = 20;
  static constexpr std::size_t kMaxChars = 44;
  static constexpr std::size_t kCopied = 16;  ///< groups are copied in pieces of this size

  struct Group {
    std::size_t begin;    ///< byte index of its first character
    std::size_t end;      ///< byte index behind its last one
    std::uint8_t first;   ///< index of its first character in `chars`
    std::uint8_t count;   ///< characters
    std::uint8_t digits;  ///< digits it begins with
    char separator;       ///< before it: '\0' for the first, else ' ', '\n', '-', '.', '/', ':', '(', '+', '_' or '"'
    std::uint8_t gap;     ///< bytes between the group before and this one
    bool closes;          ///< a ')' stands in that gap
    bool plain;           ///< digits alone
  };

  std::array<char, kMaxChars + kCopied> chars;  ///< compact, letters as they are written
  std::uint64_t digits = 0;                     ///< bit n: chars[n] is one
  std::array<Group, kMaxGroups> groups;
  std::uint64_t leading = 0;  ///< Group::digits of the first eight groups, a byte each, the first the lowest
  std::size_t group_count = 0;
  std::size_t plain_count = 0;  ///< groups at the beginning that are plain
  bool cut = false;             ///< a group of more characters than any identifier has, or cut by the window: left out

  std::string_view compact(std::size_t groups_used) const {
    const auto& last = groups[groups_used - 1];
    return {chars.data(), static_cast<std::size_t>(last.first) + last.count};
  }
};

/// Reads from `at`, where a letter or digit stands, to the first thing that cannot stand inside an identifier. Groups
/// of letters alone end the run where they are longer than 3: they are words.
void read_token_run(ScanWindow& window, std::size_t at, TokenRun& run);

}  // namespace sb::policy
