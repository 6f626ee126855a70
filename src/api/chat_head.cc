#include "api/chat_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/bytes.h"
#include "base/json.h"

namespace sb::api {
namespace {

namespace od = simdjson::ondemand;

std::unexpected<Error> wrong_type(std::string_view name, std::string_view want) {
  return fail(Errc::invalid_argument, fmt::format("`{}` must be {}", name, want), std::string(name));
}

Result<> read_stream_options(od::value value, ChatHead& head) {
  od::object options;
  if (value.is_null()) return {};
  if (value.get_object().get(options)) return wrong_type("stream_options", "an object");
  for (auto field : options) {
    std::string_view key;
    if (field.unescaped_key().get(key)) break;
    if (key == "include_usage" && field.value().get_bool().get(head.include_usage)) {
      return wrong_type("stream_options.include_usage", "a boolean");
    }
  }
  return {};
}

}  // namespace

Result<ChatHead> read_head(std::string& body, std::string_view wants) {
  if (trim(body).empty()) return fail(Errc::invalid_argument, "the body is empty; send a JSON object");
  if (!is_valid_utf8(body)) return fail(Errc::invalid_argument, "the body is not valid UTF-8");
  if (body.capacity() < body.size() + simdjson::SIMDJSON_PADDING)
    body.reserve(body.size() + simdjson::SIMDJSON_PADDING);
  thread_local od::parser parser;
  od::document document;
  od::object object;
  if (parser.iterate(body.data(), body.size(), body.capacity()).get(document) || document.get_object().get(object)) {
    return fail(Errc::invalid_argument, "the body is not a JSON object");
  }
  ChatHead head;
  bool found = false, has_model = false;
  for (auto field : object) {
    std::string_view key;
    od::value value;
    if (field.unescaped_key().get(key) || field.value().get(value))
      return fail(Errc::invalid_argument, "the body is not valid JSON");
    if (key == "model") {
      std::string_view model;
      if (value.get_string().get(model)) return wrong_type("model", "a string");
      head.model = model;
      has_model = true;
    } else if (key == "stream") {
      if (!value.is_null() && value.get_bool().get(head.stream)) return wrong_type("stream", "a boolean");
    } else if (key == "stream_options") {
      SB_CHECK(read_stream_options(value, head));
    } else if (key == wants) {
      found = true;
      if (wants != "messages") continue;
      od::array messages;
      bool empty = true;
      if (value.get_array().get(messages) || messages.is_empty().get(empty))
        return wrong_type("messages", "an array of messages");
      if (empty) return wrong_type("messages", "an array with at least one message");
    }
  }
  if (!has_model || head.model.empty()) return fail(Errc::invalid_argument, "you must provide a `model`", "model");
  if (!found) return fail(Errc::invalid_argument, fmt::format("you must provide `{}`", wants), std::string(wants));
  return head;
}

flow::CacheWishes read_cache_control(const http::Headers& headers) {
  flow::CacheWishes wishes;
  for (const auto& [name, value] : headers) {
    if (!iequals(name, "cache-control")) continue;
    for (const auto part : split(value, ',')) {
      const auto directive = trim(part);
      const auto equals = directive.find('=');
      const auto word = trim(directive.substr(0, equals));
      if (iequals(word, "no-cache")) wishes.no_cache = true;
      if (iequals(word, "no-store")) wishes.no_store = true;
      if (!iequals(word, "max-age") || equals == directive.npos) continue;
      constexpr std::int64_t kMostSeconds = 1LL << 31;  // RFC 9111, section 1.2.2: what is beyond may be taken for it
      const auto text = trim(directive.substr(equals + 1));
      std::int64_t seconds = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
      if (error == std::errc::result_out_of_range) seconds = kMostSeconds;
      if (error == std::errc::invalid_argument || end != text.data() + text.size()) seconds = 0;
      wishes.max_age_us = std::min(wishes.max_age_us, std::clamp<Micros>(seconds, 0, kMostSeconds) * 1'000'000);
    }
  }
  return wishes;
}

}  // namespace sb::api
