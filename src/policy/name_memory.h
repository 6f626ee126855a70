/// The names that a document has surely held so far: who was named once is named again with less ado ("Marta wrote").
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace sb::policy {

/// The first names of a text, as hashes of their words, with where each stood. A name speaks only for what stands
/// behind it, so a text says the same however it is cut: remembering what a later call sees again changes nothing.
class NameMemory {
 public:
  /// 400 bytes where there are names: a stream carries one. Names beyond these are not remembered.
  static constexpr std::size_t kMaxWords = 48;

  /// `word`: a hash. REQUIRES: positions (bytes from the document's beginning) do not fall between calls, but for words
  /// remembered already.
  void remember(std::uint32_t word, std::size_t position) {
    if (size_ == kMaxWords || find(word) != nullptr) return;
    if (!words_) words_ = std::make_unique<std::array<Word, kMaxWords>>();
    (*words_)[size_++] = {word, static_cast<std::uint32_t>(position)};
  }

  /// Whether it stood before `position`.
  bool knows(std::uint32_t word, std::size_t position) const {
    const Word* found = find(word);
    return found != nullptr && found->position < position;
  }

  bool empty() const { return size_ == 0; }
  void clear() { size_ = 0; }

 private:
  struct Word {
    std::uint32_t hash = 0;
    std::uint32_t position = 0;
  };

  const Word* find(std::uint32_t hash) const {
    for (std::size_t i = 0; i < size_; ++i) {
      if ((*words_)[i].hash == hash) return &(*words_)[i];
    }
    return nullptr;
  }

  std::unique_ptr<std::array<Word, kMaxWords>> words_;  // none while there is no name
  std::size_t size_ = 0;
};

}  // namespace sb::policy
