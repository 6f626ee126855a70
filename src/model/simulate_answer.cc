#include "model/simulate_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/bytes.h"
#include "model/price.h"
#include "model/schema_instance.h"

namespace sb::model {
namespace {

constexpr std::string_view kToolCallId = "call_simulated_1";

// "get_current_weather" in "what is the current weather?": every word of the name that says something is in the text.
bool mentions(std::string_view lower_text, std::string_view tool_name) {
  const std::string name = to_lower(tool_name);
  if (lower_text.contains(name)) return true;
  std::string words = name;
  std::ranges::replace(words, '-', '_');
  bool any = false;
  for (const std::string_view word : split(words, '_')) {
    if (word.size() < 4) continue;
    if (!lower_text.contains(word)) return false;
    any = true;
  }
  return any;
}

const json::value* function_of(const json::value& tool) {
  return find_member(tool, "function");
}

// The tool to call, or null.
const json::value* chosen_tool(const SimulatedRequest& request, const json::value& tools, const json::value& choice) {
  if (!tools.is_array() || tools.get_array().empty() || choice == "none") return nullptr;
  const auto& list = tools.get_array();
  if (const auto* named = find_member(choice, "function")) {
    const auto found = std::ranges::find_if(list, [&](const json::value& tool) {
      const auto* function = function_of(tool);
      return function && string_member(*function, "name") == string_member(*named, "name");
    });
    return found == list.end() ? nullptr : function_of(*found);
  }
  if (choice == "required") return function_of(list.front());
  if (!request.last_is_user) return nullptr;
  const std::string text = to_lower(request.last_user_text);
  for (const auto& tool : list) {
    const auto* function = function_of(tool);
    if (function && mentions(text, string_member(*function, "name"))) return function;
  }
  return text.contains("tool") ? function_of(list.front()) : nullptr;
}

bool answer_with_tool(const SimulatedRequest& request, SimulatedAnswer& answer) {
  if (request.tools.empty()) return false;
  const auto tools = parse_json(request.tools);
  const auto choice =
      request.tool_choice.empty() ? Result<json::value>(json::value()) : parse_json(request.tool_choice);
  if (!tools || !choice) return false;
  const auto* function = chosen_tool(request, *tools, *choice);
  if (!function) return false;
  answer.tool_name = string_member(*function, "name");
  const auto* schema = find_member(*function, "parameters");
  answer.tool_arguments = schema ? to_text(minimal_instance(*schema)) : "{}";
  return true;
}

bool answer_with_json(const SimulatedRequest& request, SimulatedAnswer& answer) {
  if (request.response_format.empty()) return false;
  const auto format = parse_json(request.response_format);
  if (!format) return false;
  const std::string_view type = string_member(*format, "type");
  if (type == "json_object") {
    answer.text = R"({"simulated":true})";
    return true;
  }
  const auto* outer = find_member(*format, "json_schema");
  const auto* schema = outer ? find_member(*outer, "schema") : nullptr;
  if (type != "json_schema" || !schema) return false;
  answer.text = to_text(minimal_instance(*schema));
  return true;
}

void answer_with_text(const SimulatedRequest& request, const std::vector<ScriptedAnswer>& script,
                      SimulatedAnswer& answer) {
  if (request.model == "sim-echo") {
    answer.text = request.last_user_text;
    return;
  }
  if (!script.empty()) {
    const std::string text = to_lower(request.last_user_text);
    const auto found = std::ranges::find_if(script, [&](const ScriptedAnswer& line) {
      return text.contains(line.match) && (line.model.empty() || line.model == request.model);
    });
    if (found != script.end()) {
      answer.text = found->answer;
      answer.finish_reason = found->finish_reason;
      return;
    }
  }
  answer.text = fmt::format(
      "This is a simulated answer: no model was asked. The request named \"{}\" and its last user message has {} "
      "bytes.",
      request.model, request.last_user_text.size());
}

// A word and the blanks before it; long words in pieces of at most 12 bytes, cut at character borders.
void cut_tokens(std::string_view text, std::vector<std::string_view>& tokens) {
  constexpr std::size_t kPieceMax = 12;
  const auto is_blank = [](char c) { return c == ' ' || c == '\n' || c == '\t'; };
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin;
    while (end < text.size() && is_blank(text[end])) ++end;
    while (end < text.size() && !is_blank(text[end]) && end - begin < kPieceMax) ++end;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
    tokens.push_back(text.substr(begin, end - begin));
    begin = end;
  }
}

std::string head_of(const SimulatedFrame& frame, std::string_view object) {
  std::string head = R"({"id":")";
  head += frame.id;
  head += R"(","object":")";
  head += object;
  head += fmt::format(R"(","created":{},"model":)", frame.created);
  append_json_string(head, frame.model);
  head += R"(,"system_fingerprint":"signalbox-simulated","choices":[)";
  return head;
}

std::string usage_json(std::int64_t input_tokens, std::int64_t output_tokens) {
  return fmt::format(
      R"("usage":{{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},"prompt_tokens_details":{{"cached_tokens":0}}}})",
      input_tokens, output_tokens, input_tokens + output_tokens);
}

std::string logprob_entry(std::string_view token) {
  std::string out = R"({"token":)";
  append_json_string(out, token);
  out += R"(,"logprob":-0.1,"bytes":null,"top_logprobs":[]})";
  return out;
}

std::string_view finish_of(const SimulatedAnswer& answer) {
  return answer.tool_name.empty() ? std::string_view(answer.finish_reason) : "tool_calls";
}

void append_message(std::string& out, const SimulatedAnswer& answer) {
  out += R"("message":{"role":"assistant","content":)";
  if (answer.tool_name.empty()) {
    append_json_string(out, answer.text);
  } else {
    out += fmt::format(R"(null,"tool_calls":[{{"id":"{}","type":"function","function":{{"name":)", kToolCallId);
    append_json_string(out, answer.tool_name);
    out += R"(,"arguments":)";
    append_json_string(out, answer.tool_arguments);
    out += "}}]";
  }
  out += R"(,"refusal":null})";
}

// Hashed words with signs: texts that share words share directions.
std::vector<float> vector_of(std::string_view text, std::size_t dimensions) {
  std::vector<float> vector(dimensions, 0.0F);
  std::vector<std::string_view> tokens;
  const std::string lower = to_lower(text);
  cut_tokens(lower, tokens);
  for (const std::string_view token : tokens) {
    std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a, 64 bits
    for (const char c : trim(token)) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    for (int i = 0; i < 4; ++i) {
      hash = hash * 6364136223846793005ULL + 1442695040888963407ULL;
      vector[(hash >> 33) % dimensions] += (hash & (1ULL << 32)) != 0 ? 1.0F : -1.0F;
    }
  }
  float norm = 0;
  for (const float x : vector) norm += x * x;
  if (norm == 0) vector[0] = norm = 1;
  for (float& x : vector) x /= std::sqrt(norm);
  return vector;
}

void append_vector(std::string& out, const std::vector<float>& vector, bool base64) {
  if (base64) {  // little-endian, as the clients decode it
    std::string bytes(vector.size() * sizeof(float), '\0');
    std::memcpy(bytes.data(), vector.data(), bytes.size());
    out += '"' + to_base64(bytes) + '"';
    return;
  }
  out += '[';
  for (std::size_t i = 0; i < vector.size(); ++i) out += fmt::format("{}{:.7g}", i ? "," : "", vector[i]);
  out += ']';
}

}  // namespace

void answer_request(const SimulatedRequest& request, const std::vector<ScriptedAnswer>& script,
                    SimulatedAnswer& answer) {
  if (answer_with_tool(request, answer)) {
    cut_tokens(answer.tool_arguments, answer.tokens);
    return;
  }
  if (!answer_with_json(request, answer)) answer_with_text(request, script, answer);
  cut_tokens(answer.text, answer.tokens);
}

std::string completion_body(const SimulatedFrame& frame, const SimulatedRequest& request, const SimulatedAnswer& answer,
                            bool with_usage) {
  std::string out = head_of(frame, "chat.completion");
  for (int choice = 0; choice < request.n; ++choice) {
    out += fmt::format(R"({}{{"index":{},)", choice ? "," : "", choice);
    append_message(out, answer);
    out += R"(,"logprobs":)";
    if (request.logprobs && answer.tool_name.empty()) {
      out += R"({"content":[)";
      for (std::size_t i = 0; i < answer.tokens.size(); ++i) out += (i ? "," : "") + logprob_entry(answer.tokens[i]);
      out += "]}";
    } else {
      out += "null";
    }
    out += fmt::format(R"(,"finish_reason":"{}"}})", finish_of(answer));
  }
  out += ']';
  if (with_usage) {
    out += ',' + usage_json(request.input_tokens, static_cast<std::int64_t>(answer.tokens.size()) * request.n);
  }
  out += '}';
  return out;
}

ChunkWriter::ChunkWriter(const SimulatedFrame& frame, bool include_usage)
    : head_(head_of(frame, "chat.completion.chunk")), tail_(include_usage ? R"(],"usage":null})" : "]}") {}

std::string ChunkWriter::chunk(int choice, std::string_view delta, std::string_view logprobs,
                               std::string_view finish) const {
  std::string out;
  out.reserve(head_.size() + delta.size() + logprobs.size() + 96);
  out += head_;
  fmt::format_to(std::back_inserter(out), R"({{"index":{},"delta":{},"logprobs":{},"finish_reason":{}}})", choice,
                 delta, logprobs, finish);
  out += tail_;
  return out;
}

std::string ChunkWriter::first(int choice, const SimulatedAnswer& answer) const {
  if (answer.tool_name.empty()) return chunk(choice, R"({"role":"assistant","content":""})", "null", "null");
  std::string delta = fmt::format(
      R"({{"role":"assistant","content":null,"tool_calls":[{{"index":0,"id":"{}","type":"function","function":{{"name":)",
      kToolCallId);
  append_json_string(delta, answer.tool_name);
  delta += R"(,"arguments":""}}]})";
  return chunk(choice, delta, "null", "null");
}

std::string ChunkWriter::token(int choice, const SimulatedAnswer& answer, std::size_t index, bool logprobs) const {
  const std::string_view token = answer.tokens[index];
  if (!answer.tool_name.empty()) {
    std::string delta = R"({"tool_calls":[{"index":0,"function":{"arguments":)";
    append_json_string(delta, token);
    delta += "}}]}";
    return chunk(choice, delta, "null", "null");
  }
  std::string delta = R"({"content":)";
  append_json_string(delta, token);
  delta += '}';
  return chunk(choice, delta, logprobs ? R"({"content":[)" + logprob_entry(token) + "]}" : "null", "null");
}

std::string ChunkWriter::last(int choice, const SimulatedAnswer& answer) const {
  return chunk(choice, "{}", "null", fmt::format("\"{}\"", finish_of(answer)));
}

std::string ChunkWriter::usage(const SimulatedRequest& request, const SimulatedAnswer& answer) const {
  return head_ + "]," + usage_json(request.input_tokens, static_cast<std::int64_t>(answer.tokens.size()) * request.n) +
         "}";
}

Result<std::string> embeddings_body(std::string_view request_body) {
  constexpr std::size_t kInputsMax = 2048;
  SB_TRY(const json::value request, parse_json(request_body));
  const std::string_view model = string_member(request, "model");
  if (model.empty()) return fail(Errc::invalid_argument, "you must provide a model parameter", "model");
  const auto dimensions = int_member(request, "dimensions", 64);
  if (dimensions < 1 || dimensions > 4096) {
    return fail(Errc::invalid_argument, "\"dimensions\" must be in 1..4096", "dimensions");
  }
  std::vector<std::string> inputs;
  const auto* input = find_member(request, "input");
  if (input && input->is_string()) {
    inputs.emplace_back(input->get_string());
  } else if (input && input->is_array() && !input->get_array().empty() && input->get_array().size() <= kInputsMax) {
    const auto& list = input->get_array();
    if (list.front().is_number())
      inputs.push_back(to_text(*input));  // one text, as token numbers
    else
      for (const auto& item : list) inputs.push_back(item.is_string() ? std::string(item.get_string()) : to_text(item));
  } else {
    return fail(Errc::invalid_argument, fmt::format("\"input\" must be a text or 1 to {} of them", kInputsMax),
                "input");
  }
  const bool base64 = string_member(request, "encoding_format") == "base64";
  std::string out = R"({"object":"list","data":[)";
  TokenEstimate tokens;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    tokens.add(inputs[i]);
    out += fmt::format(R"({}{{"object":"embedding","index":{},"embedding":)", i ? "," : "", i);
    append_vector(out, vector_of(inputs[i], static_cast<std::size_t>(dimensions)), base64);
    out += '}';
  }
  out += R"(],"model":)";
  append_json_string(out, model);
  out += fmt::format(R"(,"system_fingerprint":"{}","usage":{{"prompt_tokens":{},"total_tokens":{}}}}})",
                     kSimulatedFingerprint, tokens.tokens(), tokens.tokens());
  return out;
}

std::string models_body(const std::vector<std::string>& models) {
  std::string out = R"({"object":"list","data":[)";
  for (std::size_t i = 0; i < models.size(); ++i) {
    out += i ? R"(,{"id":)" : R"({"id":)";
    append_json_string(out, models[i]);
    out += R"(,"object":"model","created":0,"owned_by":"signalbox-simulated"})";
  }
  out += "]}";
  return out;
}

}  // namespace sb::model
