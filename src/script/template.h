/// Text with holes: `Hello {{ .name }}, you owe {{ .amount }} EUR`. What stands in {{ }} is a jq program.
///
/// Only the template's own text is ever read as a program: values are inserted as they are, so data that looks like
/// a hole stays data. A literal "{{" is written {{ "{{" }}.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/errors.h"
#include "base/json.h"
#include "jq/program.h"

namespace sb::script {

inline constexpr std::size_t kMaxRenderedBytes = 1024 * 1024;

/// Immutable once compiled; any number of threads may render it.
class Template {
 public:
  /// Errors: invalid_argument (a hole that is not closed or not a program; names its line), unsupported, too_large.
  static Result<Template> compile(std::string_view text);

  /// Strings are inserted as text, everything else as JSON. A hole without a value, or with null, is an error: half a
  /// sentence must not reach a customer. Errors: invalid_argument, deadline_exceeded, too_large.
  Result<std::string> render(const json::value& input, jq::Budget budget) const;

 private:
  struct Hole {
    jq::Program program;
    int line;
  };
  std::vector<std::variant<std::string, Hole>> parts_;
};

}  // namespace sb::script
