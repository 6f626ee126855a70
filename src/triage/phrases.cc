#include "triage/phrases.h"

#include <algorithm>

#include "base/errors.h"

namespace sb::triage {

void PhraseIndex::add(std::string_view phrase, std::size_t group) {
  SB_ASSERT(phrase.size() > 2 && phrase.front() == ' ' && phrase.back() == ' ');
  const std::size_t word_end = phrase.find(' ', 1);
  by_first_word_[std::string(phrase.substr(1, word_end - 1))].push_back({std::string(phrase.substr(word_end)), group});
  groups_ = std::max(groups_, group + 1);
}

std::vector<bool> PhraseIndex::find(std::string_view normalised) const {
  std::vector<bool> found(groups_);
  if (groups_ == 0) return found;
  for (std::size_t at = 1; at < normalised.size();) {
    const std::size_t end = std::min(normalised.find(' ', at), normalised.size());
    if (const auto entries = by_first_word_.find(normalised.substr(at, end - at)); entries != by_first_word_.end()) {
      for (const auto& [rest, group] : entries->second) {
        if (normalised.substr(end).starts_with(rest)) found[group] = true;
      }
    }
    at = end + 1;
  }
  return found;
}

}  // namespace sb::triage
