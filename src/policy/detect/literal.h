/// Detectors for words that a policy names itself, and for our own placeholders.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "policy/detector.h"

namespace sb::policy {

/// Words looked for at a place: whole words, in any letter case, with accents or without (Latin, Greek, Cyrillic),
/// Latin letters also as Greek and Cyrillic ones that look like them; what sets their parts apart may be any run of
/// blanks, line ends, '-' and '_'. Of several the longest.
class WordSet {
 public:
  static constexpr std::size_t kMaxWordBytes = 48;

  explicit WordSet(std::vector<std::string> words);

  /// Every byte a word can begin with. (A word that is listed without an accent on its first letter has none there.)
  const std::string& first_bytes() const { return first_bytes_; }
  /// Behind the word that begins at `at`; 0 where none does. REQUIRES: a word may begin there.
  std::size_t match(ScanWindow& window, std::size_t at) const;

 private:
  // Of those that begin with `first`.
  std::size_t match_words(ScanWindow& window, std::size_t at, char32_t first) const;

  std::vector<std::u32string> words_;          // plain letters and kGap; by first_of, then the longest first
  std::array<std::uint16_t, 257> by_first_{};  // where the words of each first_of begin
  std::string first_bytes_;
};

/// Finds `words` (each 2 to 48 bytes) as a WordSet does, as type DENIED; `rule` becomes the
/// finding's rule.
std::unique_ptr<Detector> make_deny_detector(std::string rule, std::vector<std::string> words);

/// Finds what looks like a placeholder of TokenVault. `numbered`: the types whose names hold digits, in capitals;
/// without: any.
std::unique_ptr<Detector> make_placeholder_detector(std::optional<std::vector<std::string>> numbered);

}  // namespace sb::policy
