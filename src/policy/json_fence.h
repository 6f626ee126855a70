/// Blocks of JSON in a text, fenced as models fence them in Markdown:
///
///     ```json
///     {"a": 1}
///     ```
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sb::policy {

/// Looks for a block's beginning in a text that arrives in pieces.
class OpeningFence {
 public:
  /// Reads on. The place in `piece` behind the line that opens a block; npos: none ends here. What is behind that place
  /// was not read.
  std::size_t read(std::string_view piece);

 private:
  std::string line_;  // the beginning of the line that is being read
};

/// Whether a line (without its end) closes a block.
bool is_closing_fence(std::string_view line);
/// Whether a line that begins with `line`, which may close a block, may do so with `next` behind it.
bool may_close_fence(std::string_view line, char next);

/// Whether a block may begin in a whole text.
bool may_have_json_fence(std::string_view text);

}  // namespace sb::policy
