/// Text forms of bytes, and the small string helpers that the standard library lacks.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sb {

std::string to_hex(std::span<const std::uint8_t> bytes);
std::optional<std::string> from_hex(std::string_view text);

/// RFC 4648 section 4, with padding.
std::string to_base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);

inline std::span<const std::uint8_t> as_u8(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string_view trim(std::string_view text);          ///< ASCII blanks off both ends
bool iequals(std::string_view a, std::string_view b);  ///< ASCII case-insensitive
std::string to_lower(std::string_view text);           ///< ASCII only
std::vector<std::string_view> split(std::string_view text, char separator);
bool is_valid_utf8(std::string_view text);

/// The nearest of `candidates` to `word` by edit distance, if near enough to be a typo, else the first that it begins;
/// for "did you mean".
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace sb
