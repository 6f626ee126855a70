/// Texts in UTF-16, as files of Windows programs are written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sb::policy {

enum class ByteOrder : std::uint8_t { little, big };

/// UTF-8 of such a text. Half of a surrogate pair that stands alone becomes three bytes that utf16_of makes the same
/// half of again, so that what nobody changes comes back byte for byte. A last byte that is no whole unit is left out.
std::string utf8_of(std::string_view utf16, ByteOrder order);

/// The way back. What is no UTF-8 becomes U+FFFD.
std::string utf16_of(std::string_view utf8, ByteOrder order);

/// REQUIRES: `code` is at most 0x10ffff.
void append_utf8(std::string& out, std::uint32_t code);

}  // namespace sb::policy
