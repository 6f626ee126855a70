/// What the classifier sees of a text: hashed word and character n-grams.
///
/// Pure and allocation-free: a caller owns the buffer. Hashes depend on the bytes alone, never on the machine, so a
/// model trained in one place reads the same everywhere.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sb::triage {

/// Bytes of a text that are looked at; the rest only sets `FeatureList::truncated`.
inline constexpr std::size_t kMaxTextBytes = 2048;
inline constexpr std::size_t kMaxFeatures = 4096;

/// Which n-grams are taken; stored in the model file, because weights mean nothing without it.
struct FeatureConfig {
  int word_max = 2;           ///< word n-grams of 1..word_max words; 1..3
  int char_min = 3;           ///< character n-grams inside a word, its borders included; bytes; 1..char_max
  int char_max = 5;           ///< at most 8
  bool skip_pairs = false;    ///< also pairs of words with one word between
  bool across_words = false;  ///< character n-grams also reach over word borders

  bool operator==(const FeatureConfig&) const = default;
};

/// The features of one text, in order of appearance, repeats included. Word n-grams come first.
struct FeatureList {
  std::array<std::uint32_t, kMaxFeatures> hashes;
  std::size_t count = 0;
  std::size_t word_count = 0;  ///< of `count`, how many are word n-grams
  bool truncated = false;      ///< the text or its features went over a limit: nobody read the rest
  bool readable = false;       ///< false: no word in it, not UTF-8, or control characters (binary)
};

/// Fills `out` from the first kMaxTextBytes of `text`. Letters are folded (ASCII and Latin-1 case), digits become '0'.
/// Time and memory are bounded by the two limits above, whatever the bytes are.
void extract_features(std::string_view text, const FeatureConfig& config, FeatureList& out);

/// What each of these features is, in the same order: a word, words in a row, "a _ b" with a word between, and for
/// n-grams of characters the word they begin in. Normalised as the features are. For people; allocates.
std::vector<std::string> feature_names(std::string_view text, const FeatureConfig& config);

}  // namespace sb::triage
