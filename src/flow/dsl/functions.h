/// Our functions: what `call: NAME` may be beside the DSL's own, and what each takes in `with`.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace sb::policy {
class JsonSchema;
}

namespace sb::flow {

struct FunctionArgument {
  std::string name;
  std::shared_ptr<const policy::JsonSchema> schema;
};

/// One function. Immutable, as is the list of them.
struct Function {
  std::string name;
  std::string summary;
  json::value schema;  ///< of `with`, JSON Schema 2020-12: for people and tools
  std::vector<FunctionArgument> arguments;
  std::vector<std::string> required;
  /// Where the argument `extended_by` is given, others than those listed are passed on, and `then_required` has to be
  /// there too; empty: nothing but what is listed.
  std::string extended_by;
  std::vector<std::string> then_required;
};

std::span<const Function> our_functions();
/// Null: not one of ours.
const Function* our_function(std::string_view name);
/// Their names.
const std::vector<std::string>& builtin_functions();

}  // namespace sb::flow
