/// Which of many phrases stand in a text, in one pass over its words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sb::triage {

/// Looks each word of a text up once, by hash, and compares only phrases that begin with it: the cost does not grow
/// with the number of phrases. Immutable once built; thread-safe.
class PhraseIndex {
 public:
  /// `phrase`: as normalise_phrase() makes it (" going to sue "). `group`: what to report; groups are few and dense.
  void add(std::string_view phrase, std::size_t group);

  /// For each group, whether one of its phrases is in `normalised` (made by normalise_phrase()) as whole words.
  std::vector<bool> find(std::string_view normalised) const;

 private:
  struct Entry {
    std::string rest;  ///< behind the first word: " to sue ", or " "
    std::size_t group;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view word) const { return std::hash<std::string_view>()(word); }
  };
  std::unordered_map<std::string, std::vector<Entry>, Hash, std::equal_to<>> by_first_word_;
  std::size_t groups_ = 0;
};

}  // namespace sb::triage
