/// `--set a.b[0].c=value`: one value of the configuration from the command line.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/errors.h"
#include "base/json.h"

namespace sb::config {

using PathStep = std::variant<std::string, std::size_t>;  ///< a member, or an element of a list

struct Override {
  std::vector<PathStep> path;
  std::string pointer;  ///< the path as JSON pointer
  json::value value;    ///< read as YAML: `8`, `true`, `text`, `[a, b]`; nothing behind "=" is an empty text
};

/// Names with dots are quoted: `providers.local.models."qwen2.5".context_tokens=8192`.
/// Errors: invalid_argument.
Result<Override> parse_override(std::string_view text);

/// Puts the value into `document`, making sections on the way; an element index may be one past the end.
/// Errors: invalid_argument (the path goes through something that is no section or list).
Result<> apply_override(json::value& document, const Override& setting);

}  // namespace sb::config
