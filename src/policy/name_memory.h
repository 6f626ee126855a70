/// The names that a document has surely held so far: who was named once is named again with less ado ("Marta wrote").
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace sb::policy {

/// The first names of a text, as hashes of their words.
class NameMemory {
 public:
  /// 192 bytes where there are as many: a stream carries them. Names beyond these are not remembered.
  static constexpr std::size_t kMaxWords = 48;

  void remember(std::uint32_t word) {
    if (size() == kMaxWords || knows(word)) return;
    if (size() % kStep == 0) {  // there is no more room
      auto more = std::make_unique_for_overwrite<std::uint32_t[]>(1 + size() + kStep);
      std::ranges::copy(words(), &more[1]);
      more[0] = static_cast<std::uint32_t>(size());
      words_ = std::move(more);
    }
    words_[++words_[0]] = word;
  }
  bool knows(std::uint32_t word) const { return std::ranges::find(words(), word) != words().end(); }
  std::size_t size() const { return words_ ? words_[0] : 0; }
  void clear() { words_.reset(); }

 private:
  static constexpr std::size_t kStep = 8;  // doubling would take more than there is to hold

  std::span<const std::uint32_t> words() const {
    return words_ ? std::span(&words_[1], words_[0]) : std::span<std::uint32_t>();
  }

  std::unique_ptr<std::uint32_t[]> words_;  // how many there are, then they
};

/// The same while a text is looked at. A name speaks only for what begins behind where it begins, and only where that
/// is decided is it remembered: so a text says the same however it is cut.
class NamesInText {
 public:
  /// `word` (a hash) of a name that begins at `position`, which, in the text at hand, never falls from call to call.
  void remember(std::uint32_t word, std::size_t position) {
    if (known.size() + now_.size() < NameMemory::kMaxWords && !known.knows(word) && !find(word))
      now_.push_back({word, position});
  }
  /// Whether it is of a name that began before `position`.
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
