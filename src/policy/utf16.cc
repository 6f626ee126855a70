#include "policy/utf16.h"

#include <cstddef>

namespace sb::policy {
namespace {

constexpr std::uint32_t kHighSurrogate = 0xd800, kLowSurrogate = 0xdc00, kBehindSurrogates = 0xe000;
constexpr std::uint32_t kFirstPair = 0x10000;  // characters from here on are two units
constexpr std::uint32_t kInstead = 0xfffd;

std::uint32_t byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

std::uint32_t unit_at(std::string_view utf16, std::size_t at, ByteOrder order) {
  const std::uint32_t first = byte_at(utf16, at), second = byte_at(utf16, at + 1);
  return order == ByteOrder::little ? second << 8 | first : first << 8 | second;
}

void append_unit(std::string& out, std::uint32_t unit, ByteOrder order) {
  const auto low = static_cast<char>(unit & 0xff), high = static_cast<char>(unit >> 8);
  out += order == ByteOrder::little ? low : high;
  out += order == ByteOrder::little ? high : low;
}

struct WideCharacter {
  std::uint32_t code = kInstead;
  std::size_t size = 1;
};

// Surrogates, which UTF-8 has not, are read as utf8_of writes them.
WideCharacter wide_at(std::string_view utf8, std::size_t at) {
  const std::uint32_t lead = byte_at(utf8, at);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || at + size > utf8.size()) return {};
  std::uint32_t code = lead & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    const std::uint32_t byte = byte_at(utf8, at + i);
    if ((byte & 0xc0) != 0x80) return {};
    code = code << 6 | (byte & 0x3f);
  }
  static constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, kFirstPair};
  return code < kLeast[size] || code > 0x10ffff ? WideCharacter{} : WideCharacter{code, size};
}

}  // namespace

std::string utf8_of(std::string_view utf16, ByteOrder order) {
  std::string out;
  out.reserve(utf16.size());
  for (std::size_t at = 0; at + 1 < utf16.size(); at += 2) {
    std::uint32_t code = unit_at(utf16, at, order);
    if (code >= kHighSurrogate && code < kLowSurrogate && at + 3 < utf16.size()) {
      const std::uint32_t low = unit_at(utf16, at + 2, order);
      if (low >= kLowSurrogate && low < kBehindSurrogates) {
        code = kFirstPair + (code - kHighSurrogate) * 0x400 + (low - kLowSurrogate);
        at += 2;
      }
    }
    append_utf8(out, code);
  }
  return out;
}

std::string utf16_of(std::string_view utf8, ByteOrder order) {
  std::string out;
  out.reserve(2 * utf8.size());
  for (std::size_t at = 0; at < utf8.size();) {
    const WideCharacter one = wide_at(utf8, at);
    at += one.size;
    if (one.code < kFirstPair) {
      append_unit(out, one.code, order);
      continue;
    }
    append_unit(out, kHighSurrogate + ((one.code - kFirstPair) >> 10), order);
    append_unit(out, kLowSurrogate + ((one.code - kFirstPair) & 0x3ff), order);
  }
  return out;
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto byte = [&](std::uint32_t bits) { out += static_cast<char>(bits); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xc0 | code >> 6), byte(0x80 | (code & 0x3f));
  } else if (code < kFirstPair) {
    byte(0xe0 | code >> 12), byte(0x80 | (code >> 6 & 0x3f)), byte(0x80 | (code & 0x3f));
  } else {
    byte(0xf0 | code >> 18), byte(0x80 | (code >> 12 & 0x3f)), byte(0x80 | (code >> 6 & 0x3f));
    byte(0x80 | (code & 0x3f));
  }
}

}  // namespace sb::policy
