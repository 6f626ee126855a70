#include "policy/json_walk.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/detect/bytes_class.h"
#include "policy/json_stream_guard.h"

namespace sb::policy {
namespace {

namespace od = simdjson::ondemand;

constexpr std::size_t kKeptSlotBytes = 1 << 20;

std::unexpected<Error> invalid(simdjson::error_code code) {
  return fail(Errc::invalid_argument, fmt::format("invalid JSON: {}", simdjson::error_message(code)));
}

// Members of chat documents that name things. A person's words in them are text all the same: they have a blank or an
// "@" in them, or what else no identifier has.
bool is_identifier(std::string_view key, std::string_view text) {
  static constexpr std::string_view kKeys[] = {"model",        "role",         "type",          "id",
                                               "object",       "tool_call_id", "finish_reason", "system_fingerprint",
                                               "service_tier", "detail",       "format",        "call_id"};
  constexpr std::size_t kLongest = 256;
  return std::ranges::find(kKeys, key) != std::end(kKeys) && text.size() <= kLongest &&
         std::ranges::all_of(text, [](char c) {
           return is_alnum(static_cast<unsigned char>(c)) || std::string_view("._:/+-=~").contains(c);
         });
}

bool is_base64(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return is_alnum(byte) || c == '+' || c == '/' || c == '=' || c == '-' || c == '_';
  });
}

// Images and sound: nothing to read in them. Only what truly is base64 is passed over.
bool is_payload(std::string_view key, std::string_view text) {
  static constexpr std::string_view kKeys[] = {"url",       "image_url",        "data", "file_data", "b64_json",
                                               "embedding", "encrypted_content"};
  if (text.size() < kWindowBytes || std::ranges::find(kKeys, key) == std::end(kKeys)) return false;
  if (text.starts_with("data:")) {
    const auto comma = text.substr(0, 128).find(";base64,");
    return comma != std::string_view::npos && is_base64(text.substr(comma + 8));
  }
  return key != "url" && is_base64(text);
}

bool is_media_type(std::string_view type) {
  return type == "image_url" || type == "input_image" || type == "input_audio" || type == "file" ||
         type == "input_file";
}

char first_byte(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? '\0' : text[first];
}

}  // namespace

bool is_passed_over(std::string_view key, std::string_view text) {
  return is_identifier(key, text) || is_payload(key, text);
}

simdjson::simdjson_result<od::document> JsonSlot::iterate(std::string_view json) {
  input.resize(json.size() + simdjson::SIMDJSON_PADDING);
  std::ranges::copy(json, input.begin());
  std::fill(input.begin() + static_cast<std::ptrdiff_t>(json.size()), input.end(), '\0');
  return parser.iterate(input.data(), json.size(), input.size());
}

void JsonSlot::shrink() {
  if (input.size() <= kKeptSlotBytes) return;
  std::string().swap(input);
  parser = od::parser();
}

JsonSlot& json_slot() {
  thread_local JsonSlot slot;
  return slot;
}

Result<> JsonWalk::run(std::string_view json) {
  auto& slot = json_slot();
  auto iterated = slot.iterate(json);
  od::document document;
  if (const auto error = std::move(iterated).get(document)) return invalid(error);
  base_ = slot.input.data();
  od::value root;
  if (const auto error = document.get_value().get(root); error == simdjson::SCALAR_DOCUMENT_AS_VALUE) {
    return fail(Errc::invalid_argument, "a JSON document here is an object or an array");
  } else if (error) {
    return invalid(error);
  }
  SB_CHECK(value(root, {}, profile_ == JsonProfile::chat_request ? Place::top : Place::other, 1));
  // The parser stands behind the root value; there is a location only where something follows.
  if (const char* more = nullptr; !document.current_location().get(more))
    return fail(Errc::invalid_argument, "invalid JSON: more text behind the document");
  if (!edits_.empty() || result_.verdict != Verdict::allow) {
    for (const auto& [offset, size] : logprobs_) edits_.replace(offset, size, "null");
  }
  return {};
}

Result<> JsonWalk::value(od::value v, std::string_view key, Place place, int depth) {
  od::json_type type;
  if (const auto error = v.type().get(type)) return invalid(error);
  switch (type) {
    case od::json_type::object: {
      if (depth > kMaxJsonDepth)
        return fail(Errc::invalid_argument, fmt::format("JSON nested deeper than {}", kMaxJsonDepth));
      od::object inner;
      if (const auto error = v.get_object().get(inner)) return invalid(error);
      return object(inner, place, depth);
    }
    case od::json_type::array: {
      if (depth > kMaxJsonDepth)
        return fail(Errc::invalid_argument, fmt::format("JSON nested deeper than {}", kMaxJsonDepth));
      od::array inner;
      if (const auto error = v.get_array().get(inner)) return invalid(error);
      return array(inner, key, place, depth);
    }
    case od::json_type::string:
      return string_leaf(v, key, place);
    case od::json_type::number:
      return number_leaf(v, key);
    case od::json_type::boolean: {
      bool unused;
      if (const auto error = v.get_bool().get(unused)) return invalid(error);
      return {};
    }
    case od::json_type::null: {
      bool null = false;
      if (const auto error = v.is_null().get(null)) return invalid(error);
      if (!null) return invalid(simdjson::N_ATOM_ERROR);
      return {};
    }
  }
  return invalid(simdjson::TAPE_ERROR);
}

Result<> JsonWalk::object(od::object o, Place place, int depth) {
  for (auto result : o) {
    od::field field;
    if (const auto error = std::move(result).get(field)) return invalid(error);
    std::string_view key;
    const char* const raw_key = field.key().raw();
    if (const auto error = field.unescaped_key().get(key)) return invalid(error);
    if (place == Place::other) SB_CHECK(name(raw_key, key));
    SB_CHECK(member(field.value(), key, place, depth));
  }
  if (place == Place::message) end_message();
  return {};
}

Result<> JsonWalk::array(od::array a, std::string_view key, Place place, int depth) {
  const Place inner = place == Place::messages ? Place::message : place == Place::content ? Place::part : Place::other;
  for (auto result : a) {
    od::value item;
    if (const auto error = std::move(result).get(item)) return invalid(error);
    if (inner == Place::message) {
      ++result_.features.message_count;
      message_text_.clear();
      message_is_user_ = message_is_from_outside_ = false;
    }
    if (place == Place::parameters) result_.features.has_tools = true;
    SB_CHECK(value(item, key, inner, depth + 1));
  }
  return {};
}

Result<> JsonWalk::member(od::value v, std::string_view key, Place place, int depth) {
  if (profile_ == JsonProfile::chat_response && key == "logprobs") return note_logprobs(v, key, place, depth);
  Place inner = Place::other;
  if (place == Place::top) {
    if (key == "messages")
      inner = Place::messages;
    else if (key == "tools" || key == "functions")
      inner = Place::parameters;
    else if (key == "response_format")
      inner = Place::response_format;
  } else if (place == Place::message && key == "content") {
    inner = Place::content;
  }
  od::json_type type;
  if (const auto error = v.type().get(type)) return invalid(error);
  // A string stands where its member stands: the message's content, the part's text.
  const bool scalar = type != od::json_type::object && type != od::json_type::array;
  return value(v, key, scalar ? place : inner, depth + 1);
}

// Log probabilities repeat the answer token by token, cut where no detector sees a value whole: they do not outlive a
// text that changed.
Result<> JsonWalk::note_logprobs(od::value v, std::string_view key, Place place, int depth) {
  od::json_type type;
  if (const auto error = v.type().get(type)) return invalid(error);
  if (type != od::json_type::object) return value(v, key, place, depth + 1);
  od::object repeated;
  if (const auto error = v.get_object().get(repeated)) return invalid(error);
  std::string_view raw;
  if (const auto error = repeated.raw_json().get(raw)) return invalid(error);
  logprobs_.push_back({static_cast<std::size_t>(raw.data() - base_), raw.rfind('}') + 1});
  return {};
}

Result<> JsonWalk::string_leaf(od::value v, std::string_view key, Place place) {
  const std::string_view token = v.raw_json_token();
  std::string_view text;
  if (const auto error = v.get_string().get(text)) return invalid(error);
  const std::size_t offset = static_cast<std::size_t>(token.data() - base_) + 1;
  const std::size_t size = token.rfind('"') - 1;
  if (profile_ != JsonProfile::any && is_identifier(key, text)) {
    note_string(text, key, place);
    return {};
  }
  if (is_payload(key, text)) return {};
  SB_TRY(const Verdict verdict, text_leaf(text, key));
  result_.verdict = std::max(result_.verdict, verdict);
  note_string(verdict == Verdict::allow ? text : std::string_view(scratch_.text), key, place);
  if (verdict == Verdict::allow) return {};
  std::string escaped;
  append_json_escaped(escaped, scratch_.text);
  edits_.replace(offset, size, std::move(escaped));
  return {};
}

// What stands for a text is then in `scratch_.text`.
Result<Verdict> JsonWalk::text_leaf(std::string_view text, std::string_view key) {
  const auto pieces = context_.json_pieces;
  const bool piece = pieces == JsonPieces::all || (pieces == JsonPieces::arguments && key == "arguments");
  const auto first = first_byte(text);
  if (first == '{' || (first == '[' && !piece)) {
    JsonStreamGuard guard(policy_, context_, key);
    TextSink out;
    SB_CHECK(guard.feed(text, true, out));
    result_.findings.insert(result_.findings.end(), guard.findings().begin(), guard.findings().end());
    scratch_.text = std::move(out.text);
    return guard.verdict();
  }
  context_.escape_restored = piece;
  auto verdict = guard_into(policy_, context_, text, key, scratch_, result_.findings);
  context_.escape_restored = false;
  return verdict;
}

// A member's name may say as much as its value.
Result<> JsonWalk::name(const char* raw, std::string_view key) {
  SB_TRY(const Verdict verdict, guard_into(policy_, context_, key, {}, scratch_, result_.findings));
  result_.verdict = std::max(result_.verdict, verdict);
  if (verdict == Verdict::allow) return {};
  std::size_t size = 0;
  while (raw[size] != '"') size += raw[size] == '\\' ? 2 : 1;
  std::string escaped;
  append_json_escaped(escaped, scratch_.text);
  edits_.replace(static_cast<std::size_t>(raw - base_), size, std::move(escaped));
  return {};
}

// A card number need not be quoted. What replaces it is a string.
Result<> JsonWalk::number_leaf(od::value v, std::string_view key) {
  std::string_view token = v.raw_json_token();
  while (!token.empty() && is_a(static_cast<unsigned char>(token.back()), kBlank)) token.remove_suffix(1);
  const bool whole = std::ranges::all_of(token, [](char c) { return is_digit(static_cast<unsigned char>(c)); });
  double number;
  if (const auto error = v.get_double().get(number)) return invalid(error);
  if (profile_ != JsonProfile::any || !whole || token.size() < kLeastNumberDigits) return {};
  SB_TRY(const Verdict verdict, guard_into(policy_, context_, token, key, scratch_, result_.findings));
  result_.verdict = std::max(result_.verdict, verdict);
  if (verdict == Verdict::allow) return {};
  std::string quoted;
  append_json_string(quoted, scratch_.text);
  edits_.replace(static_cast<std::size_t>(token.data() - base_), token.size(), std::move(quoted));
  return {};
}

void JsonWalk::note_string(std::string_view text, std::string_view key, Place place) {
  if (profile_ != JsonProfile::chat_request) {
    const bool told = profile_ == JsonProfile::any || key == "content" || key == "refusal";
    if (context_.texts && told) context_.texts->emplace_back(text);
    return;
  }
  if (place == Place::other) return;
  if ((place == Place::message && key == "content") || (place == Place::part && key == "text")) {
    if (!message_text_.empty()) message_text_ += '\n';
    message_text_ += text;
    result_.features.text_bytes += static_cast<std::uint32_t>(text.size());
  } else if (place == Place::message && key == "role") {
    message_is_user_ = text == "user";
    message_is_from_outside_ = message_is_user_ || text == "tool" || text == "function";
  } else if (place == Place::part && key == "type") {
    result_.features.has_images = result_.features.has_images || is_media_type(text);
  } else if (place == Place::response_format && key == "type") {
    result_.features.has_json_schema = text == "json_schema";
    result_.features.wants_json = text == "json_schema" || text == "json_object";
  }
}

void JsonWalk::end_message() {
  if (context_.texts && message_is_from_outside_ && !message_text_.empty()) context_.texts->push_back(message_text_);
  if (message_is_user_) std::swap(result_.last_user_text, message_text_);
}

}  // namespace sb::policy
