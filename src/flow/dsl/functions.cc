#include "flow/dsl/functions.h"

#include <algorithm>

#include "base/errors.h"
#include "policy/guards/json_schema.h"

namespace sb::flow {
namespace {

// `x-extended-by` and `x-then-required` are read by `function_of` alone; other readers of the schema see `description`.
constexpr std::string_view kFunctions = R"json({
  "triage": {
    "description": "Chooses who answers: {route, target, script, intent, confidence, reason}. Of the caller's request, or of a text.",
    "properties": {
      "text": {"type": "string", "description": "instead of the last user message of the request that the run was given"}
    }
  },
  "chat": {
    "description": "Asks a model; gives the whole chat completion. With `messages` in the flow's own words, and every other member goes into the request as it is; without, the request that the run was given.",
    "x-extended-by": "messages",
    "x-then-required": ["model"],
    "properties": {
      "model": {"type": "string", "minLength": 1, "description": "a tier, `provider/model`, or a model's name"},
      "messages": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["role"]}},
      "temperature": {"type": "number", "minimum": 0},
      "top_p": {"type": "number", "minimum": 0, "maximum": 1},
      "max_tokens": {"type": "integer", "minimum": 1},
      "max_completion_tokens": {"type": "integer", "minimum": 1},
      "n": {"type": "integer", "minimum": 1},
      "seed": {"type": "integer"},
      "tools": {"type": "array", "items": {"type": "object", "required": ["type"]}},
      "response_format": {"type": "object", "required": ["type"]},
      "stream": {"const": false, "description": "whether an answer is streamed is the engine's to say"},
      "stream_options": {"not": {}}
    }
  },
  "verify": {
    "description": "Looks at the answer that a chat just before it gave, as triage.yaml's `cascade` says; gives it where it will do, else \"doubtful\" or \"vetoed\".",
    "properties": {
      "instead": {"type": "string", "description": "tier or model that would be asked instead; large if not told"}
    }
  },
  "embed": {
    "description": "Embeds texts; gives the whole answer. With `input` the flow's own; without, the request that the run was given.",
    "x-extended-by": "input",
    "x-then-required": ["model"],
    "properties": {
      "model": {"type": "string", "minLength": 1},
      "input": {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]}
    }
  },
  "script": {
    "description": "Runs a registered script; gives a chat completion, or null where the script has no answer.",
    "required": ["name"],
    "properties": {
      "name": {"type": "string"},
      "input": {"description": "what the script gets as `input`"}
    }
  },
  "review": {
    "description": "Asks a person, and rests until they have decided; gives a chat completion of theirs. A rejection is an `authorization` error.",
    "properties": {
      "reason": {"type": "string", "description": "why; in clear on the record where the flow's author wrote it out"},
      "proposal": {"type": "string", "description": "what may be approved as it is"},
      "holding": {"type": "string", "description": "what the caller hears meanwhile"},
      "priority": {"type": "integer", "description": "higher first"}
    }
  },
  "guard": {
    "description": "Holds a value against the policy in force: {value, verdict, types}. `value` is what may pass, null where nothing may; the run goes on.",
    "required": ["value"],
    "properties": {
      "value": {},
      "direction": {"enum": ["inbound", "outbound"], "description": "by which rules; outbound if not told"}
    }
  },
  "validate": {
    "description": "Gives `value` where it has the shape; otherwise a `validation` error that names the place.",
    "required": ["value", "schema"],
    "properties": {
      "value": {},
      "schema": {"type": ["object", "boolean"], "description": "JSON Schema 2020-12"}
    }
  },
  "tag": {
    "description": "Notes a name and a value on the run, by which runs are found and costs are told apart; gives its input. Another value under the name takes the place of the one before.",
    "required": ["name", "value"],
    "properties": {
      "name": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
      "value": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[^\\x00-\\x1f\\x7f]*$", "description": "no personal data: what the policy takes out of texts is refused here"}
    }
  },
  "annotate": {
    "description": "Notes a text on the run; gives its input. Sealed as the run's contents are.",
    "required": ["text"],
    "properties": {
      "text": {"type": "string", "minLength": 1, "maxLength": 4096}
    }
  },
  "score": {
    "description": "Notes on the run how good it is, in Langfuse's words; gives its input.",
    "required": ["name", "value"],
    "properties": {
      "name": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
      "value": {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"type": "string", "minLength": 1, "maxLength": 200}]},
      "dataType": {"enum": ["NUMERIC", "CATEGORICAL", "BOOLEAN"], "description": "what `value` is; without it, what it looks like"},
      "comment": {"type": "string", "minLength": 1, "maxLength": 4096}
    }
  }
})json";

std::vector<std::string> names_in(const json::value& schema, std::string_view member) {
  std::vector<std::string> names;
  const auto* list = find_member(schema, member);
  if (!list) return names;
  for (const auto& name : list->as_array()) names.emplace_back(std::string_view(name.as_string()));
  return names;
}

Function function_of(std::string_view name, json::value schema) {
  Function made;
  made.name = name;
  made.summary = string_member(schema, "description");
  made.required = names_in(schema, "required");
  made.extended_by = string_member(schema, "x-extended-by");
  made.then_required = names_in(schema, "x-then-required");
  for (const auto& [argument, shape] : find_member(schema, "properties")->as_object()) {
    auto compiled = policy::JsonSchema::compile(shape);
    SB_ASSERT(compiled.has_value());
    made.arguments.push_back({std::string(argument), *std::move(compiled)});
  }
  auto& object = schema.as_object();
  object.erase("x-extended-by");
  object.erase("x-then-required");
  object["type"] = "object";
  if (made.extended_by.empty()) {
    object["additionalProperties"] = false;
  } else {
    json::array needed;
    for (const auto& one : made.then_required) needed.push_back(json::string(one));
    object["dependentRequired"] = json::object{{made.extended_by, std::move(needed)}};
  }
  made.schema = std::move(schema);
  return made;
}

}  // namespace

std::span<const Function> our_functions() {
  static const std::vector<Function> functions = [] {
    std::vector<Function> made;
    const auto described = parse_json(kFunctions);
    SB_ASSERT(described.has_value());
    for (const auto& [name, schema] : described->as_object()) made.push_back(function_of(name, schema));
    return made;
  }();
  return functions;
}

const Function* our_function(std::string_view name) {
  const auto found = std::ranges::find(our_functions(), name, &Function::name);
  return found == our_functions().end() ? nullptr : &*found;
}

const std::vector<std::string>& builtin_functions() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> made;
    for (const auto& function : our_functions()) made.push_back(function.name);
    return made;
  }();
  return names;
}

}  // namespace sb::flow
