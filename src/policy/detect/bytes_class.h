/// Byte classes that the hand-written classifiers share.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "policy/detect/byte_set.h"
#include "policy/detector.h"

namespace sb::policy {

/// Longest part of an e-mail address before its '@' that is looked at (RFC 5321 section 4.5.3.1.1), and so the longest
/// trailing word held back.
inline constexpr std::size_t kMaxWordBytes = 64;
static_assert(kMaxWordBytes <= kWindowBytes);

enum ByteClass : std::uint8_t {
  kDigit = 1,
  kUpper = 2,
  kLower = 4,
  kHigh = 8,        ///< part of a multi-byte UTF-8 sequence
  kLocalMark = 16,  ///< "._%+-'": inside the local part of an address
  kTokenMark = 32,  ///< "-_": inside keys
  kBlank = 64,
};

// The upper half is for kEnd: no branch asks whether a byte is one.
constexpr std::array<std::uint8_t, 512> make_byte_classes() {
  std::array<std::uint8_t, 512> classes{};
  for (int c = '0'; c <= '9'; ++c) classes[c] = kDigit;
  for (int c = 'A'; c <= 'Z'; ++c) classes[c] = kUpper;
  for (int c = 'a'; c <= 'z'; ++c) classes[c] = kLower;
  for (int c = 0x80; c <= 0xff; ++c) classes[c] = kHigh;
  for (const char c : std::string_view("._%+-'")) classes[static_cast<unsigned char>(c)] |= kLocalMark;
  for (const char c : std::string_view("-_")) classes[static_cast<unsigned char>(c)] |= kTokenMark;
  for (const char c : std::string_view(" \t\n\r")) classes[static_cast<unsigned char>(c)] |= kBlank;
  return classes;
}

inline constexpr auto kByteClasses = make_byte_classes();

/// `byte` may be ScanWindow::kEnd, which belongs to no class.
constexpr bool is_a(int byte, unsigned classes) {
  return (kByteClasses[byte & 0x1ff] & classes) != 0;
}
constexpr bool is_digit(int byte) {
  return byte >= '0' && byte <= '9';
}
constexpr bool is_letter(int byte) {
  return is_a(byte, kUpper | kLower);
}
constexpr bool is_alnum(int byte) {
  return is_a(byte, kDigit | kUpper | kLower);
}
constexpr bool is_token(int byte) {
  return is_a(byte, kDigit | kUpper | kLower | kTokenMark);
}
constexpr bool is_word_byte(int byte) {
  return is_a(byte, kDigit | kUpper | kLower | kHigh | kLocalMark);
}
constexpr int to_upper(int byte) {
  return byte >= 'a' && byte <= 'z' ? byte - 32 : byte;
}
constexpr int to_lower(int byte) {
  return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte;
}

inline int byte_of(std::string_view text, std::size_t index) {
  return index < text.size() ? static_cast<unsigned char>(text[index]) : ScanWindow::kEnd;
}

/// Whether a candidate may begin at `start`: no letter or digit stands before it.
/// REQUIRES index < text.size().
inline int byte_at(std::string_view text, std::size_t index) {
  return static_cast<unsigned char>(text[index]);
}

/// 1 or 0: conditions of which one holds or another as good as at random are asked together, by `|` and `&`. Where a
/// branch follows, __builtin_unpredictable keeps the compiler from making one of each.
constexpr unsigned bit(bool holds) {
  return holds ? 1 : 0;
}

inline bool begins_word(std::string_view text, std::size_t start) {
  return start == 0 || !is_alnum(byte_of(text, start - 1));
}

/// `index`, moved forward to the first byte of a UTF-8 sequence.
inline std::size_t to_sequence_start(std::string_view text, std::size_t index) {
  while (index < text.size() && (static_cast<unsigned char>(text[index]) & 0xc0) == 0x80) ++index;
  return index;
}

}  // namespace sb::policy
