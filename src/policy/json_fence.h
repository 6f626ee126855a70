/// Blocks of JSON in a text, fenced as models fence them in Markdown:
///
///     ```json
///     {"a": 1}
///     ```
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sb::policy {

/// Looks for a block's beginning in a text that arrives in pieces.
class OpeningFence {
 public:
  /// Reads on. The place in `piece` behind the line that opens a block; npos: none ends here. What is behind that place
  /// was not read.
  std::size_t read(std::string_view piece);

 private:
  // What the line that is being read has come to: blanks, marks, blanks, "json", letters and digits; or it opens none.
  enum class Part : std::uint8_t { indent, marks, gap, word, behind, other };

  static Part next_part(Part part, std::uint8_t count, char c);
  void read(char c);

  Part part_ = Part::indent;
  std::uint8_t count_ = 0;  // of the part
  std::uint8_t size_ = 0;   // of the line
};

/// Whether a line (without its end) closes a block.
bool is_closing_fence(std::string_view line);
/// Whether a line that begins with `line`, which may close a block, may do so with `next` behind it.
bool may_close_fence(std::string_view line, char next);

/// Whether a block may begin in a whole text.
bool may_have_json_fence(std::string_view text);

}  // namespace sb::policy
