/// A small value that a JSON Schema accepts, for simulated tool calls and structured answers. Pure; any thread.
#pragma once

#include "base/json.h"

namespace sb::model {

/// Fills `required` properties only; understands type, enum, const, default, properties, items, bounds and lengths,
/// anyOf/oneOf/allOf (first branch; allOf merged), common formats and local `$ref`. A `pattern` is not looked at.
/// Nesting beyond 16 levels yields null, as does a schema that is none.
json::value minimal_instance(const json::value& schema);

}  // namespace sb::model
