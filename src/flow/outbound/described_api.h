/// What OpenAPI and AsyncAPI documents have in common. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/errors.h"
#include "base/json.h"

namespace sb::flow {

/// A document in JSON or YAML. Errors: as parse_yaml.
Result<json::value> read_description(std::string_view text);
/// What a node stands for: itself, or what its `$ref` inside the document leads to; null where that leads nowhere.
const json::value* follow_ref(const json::value& document, const json::value* node);
/// `text` with each `{name}` that `server.variables` declares: as `given` says, else by its default. `given`: object or
/// null. Errors: invalid_argument (a value that the variable's `enum` does not have; none where there is no default).
Result<std::string> with_server_variables(std::string text, const json::value& server, const json::value& given);
/// A parameter's value as text; of a list its elements, with commas between.
std::string parameter_text(const json::value& value);

}  // namespace sb::flow
