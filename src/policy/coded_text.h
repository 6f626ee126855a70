/// Texts in base64: files that a request brings.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sb::policy {

struct CodedText {
  std::string_view head;  ///< what stands before the base64: "data:text/csv;base64,"
  std::string text;       ///< what it says, whatever its bytes are
};

/// What `value` says, where it is a data URL of a type that is text: text/*, JSON, XML, YAML, a program. With
/// `is_file`, also where it is base64 alone that says nothing but UTF-8 without control characters. Nothing: it is no
/// such text, or not whole.
std::optional<CodedText> read_coded_text(std::string_view value, bool is_file);

/// The same file with another text.
std::string code_text(std::string_view head, std::string_view text);

}  // namespace sb::policy
