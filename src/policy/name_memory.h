/// The names that a document has surely held so far: who was named once is named again with less ado ("Marta wrote").
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sb::policy {

/// The first names of a text, as hashes of their words.
class NameMemory {
 public:
  /// 192 bytes where there are as many: a stream carries them. Names beyond these are not remembered.
  static constexpr std::size_t kMaxWords = 48;

  void remember(std::uint32_t word) {
    if (words_.size() == kMaxWords || knows(word)) return;
    constexpr std::size_t kStep = 8;  // doubling would take more than there is to hold
    if (words_.size() == words_.capacity()) words_.reserve(words_.size() + kStep);
    words_.push_back(word);
  }
  bool knows(std::uint32_t word) const { return std::ranges::find(words_, word) != words_.end(); }
  std::size_t size() const { return words_.size(); }
  void clear() { words_.clear(); }

 private:
  std::vector<std::uint32_t> words_;
};

/// The same while a text is looked at. A name speaks only for what stands behind it, and only where it is decided is it
/// remembered: so a text says the same however it is cut.
class NamesInText {
 public:
  /// `word`: a hash. REQUIRES: `position`, in the text at hand, does not fall from call to call.
  void remember(std::uint32_t word, std::size_t position) {
    if (known.size() + now_.size() < NameMemory::kMaxWords && !known.knows(word) && !find(word))
      now_.push_back({word, position});
  }
  /// Whether it stood before `position`.
  bool knows(std::uint32_t word, std::size_t position) const {
    const Word* const now = find(word);
    return known.knows(word) || (now && now->position < position);
  }
  bool empty() const { return known.size() == 0 && now_.empty(); }
  /// The text is decided up to `end`: what was named behind it will be found again.
  void settle(std::size_t end) {
    for (const auto& [word, position] : now_) {
      if (position < end) known.remember(word);
    }
    now_.clear();
  }

  NameMemory known;  ///< before this text, or in what of it was decided earlier

 private:
  struct Word {
    std::uint32_t hash;
    std::size_t position;
  };
  const Word* find(std::uint32_t hash) const {
    const auto found = std::ranges::find(now_, hash, &Word::hash);
    return found == now_.end() ? nullptr : &*found;
  }

  std::vector<Word> now_;
};

}  // namespace sb::policy
