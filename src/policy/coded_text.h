/// Texts in base64: files that a request brings.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sb::policy {

enum class TextCode : std::uint8_t { utf8, utf16_little, utf16_big };

struct CodedText {
  std::string_view head;  ///< what stands before the base64: "data:text/csv;base64,"
  std::string text;       ///< what it says; of UTF-8 whatever its bytes are, of UTF-16 in UTF-8
  TextCode code = TextCode::utf8;
  std::string mark{};  ///< the byte order mark before it, of UTF-16
  std::string rest{};  ///< a last byte of UTF-16 that is no whole unit
};

/// What `value` says, where it is a data URL of a type that is text: text/*, JSON, XML, YAML, a program. With
/// `is_file`, also where it is base64 alone that says nothing but text without control characters. It is UTF-16 where a
/// byte order mark or the URL's character set says so or every other byte is zero, else UTF-8. Nothing: it is no such
/// text, or not whole.
std::optional<CodedText> read_coded_text(std::string_view value, bool is_file);

/// The file's bytes with that text, in its code; and a file of such bytes.
std::string bytes_of(const CodedText& file, std::string_view text);
std::string code_bytes(const CodedText& file, std::string_view bytes);
/// The same file with another text, in the same code.
std::string code_text(const CodedText& file, std::string_view text);

}  // namespace sb::policy
