#include "model/anthropic_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/json.h"
#include "model/anthropic_content.h"

namespace sb::model {
namespace {

constexpr std::string_view kAnswerTool = "json_answer";

std::unexpected<Error> unsupported_member(std::string_view member, std::string_view why) {
  return fail(Errc::unsupported, fmt::format("{}: {}", member, why), std::string(member));
}

std::unexpected<Error> malformed_member(std::string_view member, std::string_view why) {
  return fail(Errc::invalid_argument, fmt::format("{}: {}", member, why), std::string(member));
}

const json::value* given(const json::value& request, std::string_view key) {
  const auto* member = find_member(request, key);
  return member && !member->is_null() ? member : nullptr;
}

bool is_number(const json::value* value, double wanted) {
  return value->is_number() && value->to_number<double>() == wanted;
}

bool is_empty(const json::value& value) {
  return (value.is_object() && value.get_object().empty()) || (value.is_array() && value.get_array().empty());
}

// What would be lost on the way, and the caller would not see that it is.
Result<> refuse_untranslatable(const json::value& request) {
  if (const auto* n = given(request, "n"); n && !is_number(n, 1)) {
    return unsupported_member("n", "an Anthropic model gives one choice a call");
  }
  if (bool_member(request, "logprobs"))
    return unsupported_member("logprobs", "Anthropic models tell no log probabilities");
  if (const auto* top = given(request, "top_logprobs"); top && !is_number(top, 0)) {
    return unsupported_member("top_logprobs", "Anthropic models tell no log probabilities");
  }
  for (const char* penalty : {"presence_penalty", "frequency_penalty"}) {
    if (const auto* value = given(request, penalty); value && !is_number(value, 0)) {
      return unsupported_member(penalty, "Anthropic models know no penalties");
    }
  }
  if (const auto* bias = given(request, "logit_bias"); bias && !is_empty(*bias)) {
    return unsupported_member("logit_bias", "Anthropic models take no token biases");
  }
  if (given(request, "audio")) return unsupported_member("audio", "Anthropic models speak no audio");
  if (const auto* kinds = given(request, "modalities"); kinds && kinds->is_array()) {
    for (const auto& kind : kinds->get_array()) {
      if (kind != "text") return unsupported_member("modalities", "Anthropic models answer in text only");
    }
  }
  if (given(request, "web_search_options"))
    return unsupported_member("web_search_options", "this tool exists at OpenAI only");
  for (const char* old : {"functions", "function_call"}) {
    if (given(request, old)) return unsupported_member(old, "use \"tools\" and \"tool_choice\"");
  }
  return {};
}

Result<> add_limits(const json::value& request, std::int64_t default_max_tokens, json::object& out) {
  const auto* limit = given(request, "max_completion_tokens");
  if (!limit) limit = given(request, "max_tokens");
  if (limit && !limit->is_int64()) return malformed_member("max_tokens", "expected a whole number");
  out["max_tokens"] = limit ? limit->get_int64() : default_max_tokens;
  for (const char* key : {"temperature", "top_p"}) {
    const auto* value = given(request, key);
    if (!value) continue;
    if (!value->is_number()) return malformed_member(key, "expected a number");
    if (value->to_number<double>() > 1)
      out[key] = 1.0;
    else
      out[key] = *value;
  }
  for (const char* key : {"top_k", "thinking"}) {
    if (const auto* value = given(request, key)) out[key] = *value;
  }
  const auto* stop = given(request, "stop");
  if (!stop) return {};
  json::array sequences;
  if (stop->is_array())
    sequences = stop->get_array();
  else
    sequences.push_back(*stop);
  for (const auto& sequence : sequences) {
    if (!sequence.is_string()) return malformed_member("stop", "expected a text or a list of texts");
    if (trim(sequence.get_string()).empty()) {
      return unsupported_member("stop", "Anthropic models take no stop sequence of blanks alone");
    }
  }
  if (!sequences.empty()) out["stop_sequences"] = std::move(sequences);
  return {};
}

Result<json::array> tools_of(const json::value& request) {
  json::array tools;
  const auto* list = given(request, "tools");
  if (!list) return tools;
  if (!list->is_array()) return malformed_member("tools", "expected a list");
  for (std::size_t i = 0; i < list->get_array().size(); ++i) {
    const auto& tool = list->get_array()[i];
    const std::string at = fmt::format("tools[{}]", i);
    const auto* function = find_member(tool, "function");
    if (string_member(tool, "type") != "function" || !function)
      return unsupported_member(at, "only function tools exist here");
    json::object out{{"name", string_member(*function, "name")}};
    if (const auto text = string_member(*function, "description"); !text.empty()) out["description"] = text;
    const auto* schema = given(*function, "parameters");
    if (schema)
      out["input_schema"] = *schema;
    else
      out["input_schema"] = {{"type", "object"}, {"properties", json::object()}};
    if (const auto* control = find_member(tool, "cache_control")) out["cache_control"] = *control;
    tools.push_back(std::move(out));
  }
  return tools;
}

Result<> add_tools(const json::value& request, json::object& out) {
  SB_TRY(json::array tools, tools_of(request));
  if (tools.empty()) return {};
  json::object choice{{"type", "auto"}};
  bool is_given = false;
  if (const auto* wanted = given(request, "tool_choice")) {
    is_given = true;
    if (const auto* named = find_member(*wanted, "function")) {
      choice = {{"type", "tool"}, {"name", string_member(*named, "name")}};
    } else if (*wanted == "required") {
      choice["type"] = "any";
    } else if (*wanted == "none") {
      choice["type"] = "none";
    } else if (*wanted != "auto") {
      return unsupported_member("tool_choice", "expected \"auto\", \"none\", \"required\" or a function");
    }
  }
  if (!bool_member(request, "parallel_tool_calls", true) && choice.at("type") != "none") {
    choice["disable_parallel_tool_use"] = true;
    is_given = true;
  }
  out["tools"] = std::move(tools);
  if (is_given) out["tool_choice"] = std::move(choice);
  return {};
}

void instruct(json::array& system, std::string text) {
  system.push_back({{"type", "text"}, {"text", std::move(text)}});
}

// A json_schema answer is got by forcing a tool whose input it is; beside other tools, or for a schema that is no
// object's, by telling the model.
Result<std::string> add_response_format(const json::value& request, json::array& system, json::object& out) {
  const auto* format = given(request, "response_format");
  if (!format) return std::string();
  const std::string_view type = string_member(*format, "type");
  if (type == "text") return std::string();
  if (type == "json_object") {
    instruct(system, "Answer with one valid JSON object and nothing else: no code fence, no words around it.");
    return std::string();
  }
  const auto* outer = find_member(*format, "json_schema");
  const auto* schema = outer ? find_member(*outer, "schema") : nullptr;
  if (type != "json_schema" || !schema || !schema->is_object()) {
    return malformed_member("response_format", "expected text, json_object or json_schema with a schema");
  }
  if (out.contains("tools") || out.contains("thinking") || string_member(*schema, "type") != "object") {
    instruct(system, "Answer with JSON that this JSON Schema accepts and nothing else, without a code fence: " +
                         to_text(*schema));
    return std::string();
  }
  json::object tool{{"name", kAnswerTool}, {"input_schema", *schema}};
  const std::string_view told = string_member(*outer, "description");
  tool["description"] = told.empty() ? std::string_view("Gives the answer to the user's request.") : told;
  json::array tools;
  tools.push_back(std::move(tool));
  out["tools"] = std::move(tools);
  out["tool_choice"] = {{"type", "tool"}, {"name", kAnswerTool}, {"disable_parallel_tool_use", true}};
  return std::string(kAnswerTool);
}

}  // namespace

Result<AnthropicRequest> to_anthropic(std::string_view openai_request, std::string_view upstream_model, bool stream,
                                      std::int64_t default_max_tokens) {
  SB_TRY(const json::value request, parse_json(openai_request));
  if (!request.is_object()) return fail(Errc::invalid_argument, "the request body is not a JSON object");
  SB_CHECK(refuse_untranslatable(request));
  const auto* messages = given(request, "messages");
  if (!messages) return malformed_member("messages", "is missing");
  SB_TRY(AnthropicTurns turns, to_anthropic_turns(*messages));

  AnthropicRequest translated;
  json::object out{{"model", upstream_model}};
  SB_CHECK(add_limits(request, default_max_tokens, out));
  SB_CHECK(add_tools(request, out));
  SB_TRY(translated.answer_tool, add_response_format(request, turns.system, out));
  if (!turns.system.empty()) out["system"] = std::move(turns.system);
  out["messages"] = std::move(turns.messages);
  std::string_view user = string_member(request, "safety_identifier");
  if (user.empty()) user = string_member(request, "user");
  if (!user.empty()) out["metadata"] = {{"user_id", user}};
  if (stream) out["stream"] = true;
  translated.body = to_text(out);
  return translated;
}

}  // namespace sb::model
