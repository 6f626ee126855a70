/// Short words as numbers: a list of them is searched without a branch a letter, or a word.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sb::policy {

/// The bytes of a word of eight at most as one number; 0: none, or longer.
constexpr std::uint64_t packed(std::string_view word) {
  const std::size_t size = word.size();
  if (size > 8) return 0;
  if consteval {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < size; ++i) number |= std::uint64_t{static_cast<unsigned char>(word[i])} << (8 * i);
    return number;
  }
  if (size >= 4) {  // two pieces that may overlap
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::memcpy(&first, word.data(), 4);
    std::memcpy(&last, word.data() + size - 4, 4);
    return std::uint64_t{last} << (8 * (size - 4)) | first;
  }
  if (size == 0) return 0;
  const auto byte = [&](std::size_t i) { return std::uint64_t{static_cast<unsigned char>(word[i])} << (8 * i); };
  return byte(0) | byte(size / 2) | byte(size - 1);
}

/// A list of words of one to eight bytes.
template <std::size_t kCount>
class PackedWords {
 public:
  consteval explicit PackedWords(const std::string_view (&words)[kCount]) {
    for (std::size_t i = 0; i < kCount; ++i) {
      words_[i] = packed(words[i]);
      if (words_[i] == 0) throw "a word has one to eight bytes";
    }
  }

  bool has(std::string_view word) const { return has_number(packed(word)); }
  /// The same in any letter case. REQUIRES: lower case in the list; letters, digits, '-' and bytes from 0x80 on in
  /// `word`.
  bool has_label(std::string_view word) const {
    constexpr std::uint64_t kSmallLetters = 0x2020202020202020ULL;
    return !word.empty() && word.size() <= 8 && has_number(packed(word) | kSmallLetters >> (64 - 8 * word.size()));
  }

 private:
  bool has_number(std::uint64_t number) const {
    unsigned found = 0;
    for (const std::uint64_t one : words_) found |= static_cast<unsigned>(one == number);
    return found != 0;
  }

  std::array<std::uint64_t, kCount> words_{};
};

}  // namespace sb::policy
