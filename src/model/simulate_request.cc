#include "model/simulate_request.h"

#include <cstring>

#include "base/json.h"
#include "model/price.h"

namespace sb::model {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr std::int64_t kChoicesMax = 128;

std::unexpected<Error> bad(std::string detail, std::string param = {}) {
  return fail(Errc::invalid_argument, std::move(detail), std::move(param));
}

struct Reader {
  SimulatedRequest request;
  TokenEstimate input;
  std::string wrong;  // the first member of a wrong type
  bool has_messages = false;

  // A text without escapes stands in the body as it is: no need to unescape it byte by byte.
  static bool plain_string(ondemand::value value, std::string_view& out) {
    ondemand::json_type type;
    if (value.type().get(type) || type != ondemand::json_type::string) return false;
    const std::string_view token = value.raw_json_token();
    const auto last = token.rfind('"');
    if (last == 0 || token.find('\\') != std::string_view::npos) return false;
    out = token.substr(1, last - 1);
    return true;
  }

  void content(ondemand::value value, std::string& text) {
    std::string_view part;
    ondemand::array parts;
    if (plain_string(value, part)) {
      text = part;
    } else if (!value.get_string().get(part)) {
      text = part;
    } else if (!value.get_array().get(parts)) {
      for (auto entry : parts) {
        ondemand::object object;
        if (entry.get_object().get(object)) continue;
        if (!object.find_field_unordered("text").get_string().get(part)) text += part;
      }
    }
    input.add(text);
  }

  simdjson::error_code message(ondemand::object object) {
    std::string text;
    bool is_user = false;
    for (auto item : object) {
      ondemand::field field;
      std::string_view key;
      if (auto error = std::move(item).get(field)) return error;
      if (auto error = field.unescaped_key().get(key)) return error;
      std::string_view word;
      if (key == "role")
        is_user = !field.value().get_string().get(word) && word == "user";
      else if (key == "content")
        content(field.value(), text);
    }
    input.add_message();
    request.last_is_user = is_user;
    if (is_user) request.last_user_text = std::move(text);
    return simdjson::SUCCESS;
  }

  simdjson::error_code messages(ondemand::value value) {
    ondemand::array array;
    if (value.get_array().get(array)) {
      wrong = "messages";
      return simdjson::SUCCESS;
    }
    for (auto entry : array) {
      ondemand::object object;
      if (auto error = entry.get_object().get(object)) return error;
      has_messages = true;
      if (auto error = message(object)) return error;
    }
    return simdjson::SUCCESS;
  }

  static std::string raw(ondemand::value value) {
    ondemand::json_type type;
    ondemand::object object;
    ondemand::array array;
    std::string_view text;
    if (value.type().get(type)) return {};
    if (type == ondemand::json_type::object) {
      if (value.get_object().get(object) || object.raw_json().get(text)) return {};
    } else if (type == ondemand::json_type::array) {
      if (value.get_array().get(array) || array.raw_json().get(text)) return {};
    } else {
      text = value.raw_json_token();
    }
    return std::string(text);
  }

  void boolean(ondemand::value value, std::string_view key, bool& out) {
    if (!value.is_null() && value.get_bool().get(out)) wrong = key;
  }

  simdjson::error_code member(std::string_view key, ondemand::value value) {
    if (key == "messages") return messages(value);
    std::string_view text;
    if (key == "model") {
      if (value.get_string().get(text))
        wrong = key;
      else
        request.model = text;
    } else if (key == "stream") {
      boolean(value, key, request.stream);
    } else if (key == "logprobs") {
      boolean(value, key, request.logprobs);
    } else if (key == "n") {
      std::int64_t n = 1;
      if (!value.is_null() && (value.get_int64().get(n) || n < 1 || n > kChoicesMax))
        wrong = key;
      else
        request.n = static_cast<int>(n);
    } else if (key == "stream_options") {
      ondemand::object options;
      if (!value.get_object().get(options)) {
        bool wanted = false;
        if (!options.find_field_unordered("include_usage").get_bool().get(wanted)) request.include_usage = wanted;
      }
    } else if (key == "tools") {
      request.tools = raw(value);
    } else if (key == "tool_choice") {
      request.tool_choice = raw(value);
    } else if (key == "response_format") {
      request.response_format = raw(value);
    }
    return simdjson::SUCCESS;
  }
};

}  // namespace

Result<SimulatedRequest> read_simulated_request(std::string_view body) {
  thread_local ondemand::parser parser;
  thread_local std::string buffer;
  const std::size_t size = body.size() + simdjson::SIMDJSON_PADDING;
  if (buffer.size() < size) buffer.resize(size);
  std::memcpy(buffer.data(), body.data(), body.size());
  std::memset(buffer.data() + body.size(), ' ', simdjson::SIMDJSON_PADDING);

  ondemand::document document;
  ondemand::object object;
  const simdjson::padded_string_view text(buffer.data(), body.size(), buffer.size());
  if (parser.iterate(text).get(document) || document.get_object().get(object)) {
    return bad("the request body is not a JSON object");
  }
  Reader reader;
  for (auto item : object) {
    ondemand::field field;
    std::string_view key;
    if (std::move(item).get(field) || field.unescaped_key().get(key)) return bad("the request body is not valid JSON");
    if (reader.member(key, field.value())) return bad("the request body is not valid JSON");
  }
  if (!reader.wrong.empty()) return bad("\"" + reader.wrong + "\" has the wrong type or range", reader.wrong);
  if (reader.request.model.empty()) return bad("you must provide a model parameter", "model");
  if (!reader.has_messages) return bad("\"messages\" must be a non-empty array", "messages");
  reader.request.input_tokens = reader.input.tokens();
  return std::move(reader.request);
}

}  // namespace sb::model
