/// RFC 9457 problem details, as the DSL's errors are.
#pragma once

#include <string>
#include <string_view>

#include "base/errors.h"
#include "base/json.h"

namespace sb::flow {

struct Problem {
  std::string type;  ///< URI, e.g. "https://open-workflow-specification.org/spec/1.0.0/errors/runtime"
  int status = 500;
  std::string title;
  std::string detail;
  std::string instance;   ///< JSON pointer of the task at fault
  bool is_answer = true;  ///< false: of a call that may have been done, nobody knows; not told to anybody

  json::value to_json() const;
  static Problem from_json(const json::value& value);
};

/// The standard error types of the DSL ("validation", "expression", "communication", "timeout", "runtime" ...).
std::string error_type(std::string_view name);
Problem standard_problem(std::string_view type, int status, std::string title, std::string detail = {},
                         std::string instance = {});

/// Whether a type is one of the DSL's own.
bool is_standard_error(std::string_view type);

/// Whether two error types are the same one. The specification has had two hosts and two paths for its types
/// (serverlessworkflow.io and open-workflow-specification.org; /spec/1.0.0/errors/X and /dsl/errors/types/X): all four
/// spellings mean the same.
bool same_error_type(std::string_view a, std::string_view b);

/// `errors.with` of a catch clause: every property named there is equal.
bool matches_error_filter(const json::object& filter, const Problem& problem);

}  // namespace sb::flow
