/// What 64 bytes are, as bits: the classifiers walk words and groups of digits by counting bits instead of bytes.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sb::policy {

/// Bit n of the result: `bytes`[n] - `first` is below `count`, both unsigned.
inline std::uint32_t bits_in_range(__m256i bytes, char first, char count) {
  const __m256i offset = _mm256_sub_epi8(bytes, _mm256_set1_epi8(first));
  const __m256i least = _mm256_min_epu8(offset, _mm256_set1_epi8(static_cast<char>(count - 1)));
  return static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(least, offset)));
}
inline std::uint32_t digit_bits(__m256i bytes) {
  return bits_in_range(bytes, '0', 10);
}
/// ASCII letters.
inline std::uint32_t letter_bits(__m256i bytes) {
  return bits_in_range(_mm256_or_si256(bytes, _mm256_set1_epi8(0x20)), 'a', 26);
}

/// The 64 bytes of a text behind a place; zeros behind its end.
class Bytes64 {
 public:
  /// REQUIRES at <= text.size().
  Bytes64(std::string_view text, std::size_t at) {
    const char* data = text.data() + at;
    alignas(32) char padded[64];
    if (text.size() - at < sizeof padded) {
      std::memset(padded, 0, sizeof padded);
      std::memcpy(padded, data, text.size() - at);
      data = padded;
    }
    low_ = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data));
    high_ = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data + 32));
  }

  /// Bit n: what `classify` (32 bytes to 32 bits) says of byte n.
  template <class Classify>
  std::uint64_t bits(Classify classify) const {
    return classify(low_) | std::uint64_t{classify(high_)} << 32;
  }

 private:
  __m256i low_, high_;
};

/// Bit n: what the byte n behind a place is.
struct ByteMasks {
  std::uint64_t digits;
  std::uint64_t letters;   ///< ASCII
  std::uint64_t capitals;  ///< ASCII
  std::uint64_t high;      ///< parts of multi-byte UTF-8 sequences

  /// REQUIRES at <= text.size().
  ByteMasks(std::string_view text, std::size_t at) {
    const Bytes64 bytes(text, at);
    digits = bytes.bits(digit_bits);
    letters = bytes.bits(letter_bits);
    capitals = bytes.bits([](__m256i b) { return bits_in_range(b, 'A', 26); });
    high = bytes.bits([](__m256i b) { return static_cast<std::uint32_t>(_mm256_movemask_epi8(b)); });
  }
};

/// The first byte from `at` on that is not ASCII; `end` where there is none before it. REQUIRES end <= text.size().
inline std::size_t next_wide(std::string_view text, std::size_t at, std::size_t end) {
  for (; at < end && at + 32 <= text.size(); at += 32) {
    const auto bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text.data() + at));
    const auto wide = static_cast<std::uint32_t>(_mm256_movemask_epi8(bytes));
    if (wide != 0) return std::min(end, at + static_cast<std::size_t>(_tzcnt_u32(wide)));
  }
  while (at < end && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return std::min(at, end);
}

/// The bytes that go on with a UTF-8 sequence.
inline std::uint64_t continuation_bytes(std::string_view text, std::size_t at) {
  return Bytes64(text, at).bits([](__m256i b) { return bits_in_range(b, static_cast<char>(0x80), 0x40); });
}

/// The lowest `count` bits; all of them from 64 on.
constexpr std::uint64_t low_bits(std::size_t count) {
  return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

/// The position of the set bit of `bits` that `n` others stand below; REQUIRES: there is one.
inline std::size_t nth_bit(std::uint64_t bits, std::size_t n) {
  return static_cast<std::size_t>(_tzcnt_u64(_pdep_u64(std::uint64_t{1} << n, bits)));
}

}  // namespace sb::policy
