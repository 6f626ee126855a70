/// Texts in base64: files that a request brings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sb::policy {

enum class TextCode : std::uint8_t { utf8, utf16_little, utf16_big };

/// How the base64 of a file is broken into lines, as `base64 FILE` and mail programs do.
struct Base64Lines {
  std::size_t width = 0;  ///< characters a line; 0: all in one
  std::string_view end = {};
  std::string_view tail = {};  ///< blanks behind the last one
};

struct CodedText {
  std::string head;             ///< what stands before the base64: "data:text/csv;base64,", and blanks
  std::string_view named = {};  ///< what of the head is more than a type and a character set: anybody's words
  std::string text = {};        ///< what it says; of UTF-8 whatever its bytes are, of UTF-16 in UTF-8
  TextCode code = TextCode::utf8;
  std::string mark = {};  ///< the byte order mark before it, of UTF-16
  std::string rest = {};  ///< a last byte of UTF-16 that is no whole unit
  Base64Lines lines = {};
};

/// What `value` says, where it is base64 behind the head of a data URL, or with `is_file` base64 alone, and says
/// nothing but text without control characters, whatever type the head names: a reader may not believe it. Behind the
/// head of a type that is text (text/*, JSON, XML, YAML, a program, none at all) whatever it says. Blanks and line ends
/// in the base64 do not count. It is UTF-16 where a byte order mark or the URL's character set says so or every other
/// byte is zero, else UTF-8. Nothing: it is no such text, or not whole. The views are of `value`.
std::optional<CodedText> read_coded_text(std::string_view value, bool is_file);

/// The file's bytes with that text, in its code; and a file of such bytes, with its lines.
std::string bytes_of(const CodedText& file, std::string_view text);
std::string code_bytes(const CodedText& file, std::string_view bytes);

}  // namespace sb::policy
