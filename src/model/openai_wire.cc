#include "model/openai_wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/json.h"

namespace sb::model {
namespace {

namespace ondemand = simdjson::ondemand;

// simdjson reads up to SIMDJSON_PADDING bytes past the end: one padded buffer and one parser a thread, grown to the
// largest text seen up to kKeptBytes, so that the hot path allocates nothing.
constexpr std::size_t kKeptBytes = 1 << 20;

struct Scratch {
  ondemand::parser parser;
  std::string buffer;

  simdjson::padded_string_view pad(std::string_view text) {
    const std::size_t size = text.size() + simdjson::SIMDJSON_PADDING;
    if (buffer.size() < size || buffer.size() > kKeptBytes)
      buffer = std::string(std::max<std::size_t>(size, 16384), ' ');
    std::memcpy(buffer.data(), text.data(), text.size());
    std::memset(buffer.data() + text.size(), ' ', simdjson::SIMDJSON_PADDING);
    return simdjson::padded_string_view(buffer.data(), text.size(), buffer.size());
  }
  std::size_t offset_of(std::string_view part) const { return static_cast<std::size_t>(part.data() - buffer.data()); }
};

Scratch& scratch() {
  thread_local Scratch instance;
  return instance;
}

struct Range {
  std::size_t offset = 0;
  std::size_t size = 0;
};

std::string_view without_trailing_blanks(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n' || text.back() == '\r' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

// Where a value stands; its text is consumed.
simdjson::error_code range_of(ondemand::value value, Range& range) {
  std::string_view raw;
  ondemand::json_type type;
  if (auto error = value.type().get(type)) return error;
  if (type == ondemand::json_type::object || type == ondemand::json_type::array) {
    if (type == ondemand::json_type::object) {
      ondemand::object object;
      if (auto error = value.get_object().get(object)) return error;
      if (auto error = object.raw_json().get(raw)) return error;
    } else {
      ondemand::array array;
      if (auto error = value.get_array().get(array)) return error;
      if (auto error = array.raw_json().get(raw)) return error;
    }
  } else {
    raw = value.raw_json_token();
  }
  raw = without_trailing_blanks(raw);
  range = {scratch().offset_of(raw), raw.size()};
  return simdjson::SUCCESS;
}

// Nothing but blanks after the root value.
bool at_end(ondemand::document& document) {
  return document.current_location().error() == simdjson::OUT_OF_BOUNDS;
}

std::string json_string(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_json_string(out, text);
  return out;
}

std::unexpected<Error> bad_request(simdjson::error_code error) {
  return fail(Errc::invalid_argument,
              fmt::format("the request body is not a JSON object: {}", simdjson::error_message(error)));
}

// What stands in a chat request that we may have to change.
struct RequestMembers {
  std::vector<Range> model;
  std::vector<Range> stream;
  std::vector<Range> stream_options;
};

simdjson::error_code collect(ondemand::object object, RequestMembers& members) {
  for (auto item : object) {
    ondemand::field field;
    if (auto error = std::move(item).get(field)) return error;
    std::string_view key;
    if (auto error = field.unescaped_key().get(key)) return error;
    std::vector<Range>* list = key == "model"            ? &members.model
                               : key == "stream"         ? &members.stream
                               : key == "stream_options" ? &members.stream_options
                                                         : nullptr;
    if (!list) continue;
    Range range;
    if (auto error = range_of(field.value(), range)) return error;
    list->push_back(range);
  }
  return simdjson::SUCCESS;
}

Result<RequestMembers> request_members(std::string_view body) {
  auto& work = scratch();
  ondemand::document document;
  if (auto error = work.parser.iterate(work.pad(body)).get(document)) return bad_request(error);
  ondemand::object object;
  if (auto error = document.get_object().get(object)) return bad_request(error);
  RequestMembers members;
  if (auto error = collect(object, members)) return bad_request(error);
  if (!at_end(document)) return bad_request(simdjson::TAPE_ERROR);
  if (members.model.empty()) return fail(Errc::invalid_argument, "you must provide a model parameter", "model");
  return members;
}

// `{"include_usage":true}` put into the object that the caller wrote, its other members untouched.
Result<std::string> with_include_usage(std::string_view options) {
  const auto parsed = parse_json(options);
  if (!parsed) return std::unexpected(parsed.error());
  if (parsed->is_null()) return std::string(R"({"include_usage":true})");
  if (!parsed->is_object()) return fail(Errc::invalid_argument, "stream_options must be an object", "stream_options");
  if (bool_member(*parsed, "include_usage")) return std::string(options);
  if (parsed->get_object().empty()) return std::string(R"({"include_usage":true})");
  if (find_member(*parsed, "include_usage")) {
    json::value changed = *parsed;
    changed.get_object()["include_usage"] = true;
    return to_text(changed);
  }
  return R"({"include_usage":true,)" + std::string(options.substr(1));
}

Result<> edit_stream(std::string_view body, const RequestMembers& members, bool stream, TextEdits& edits) {
  const auto text = [&](const Range& range) { return body.substr(range.offset, range.size); };
  std::string inserted;
  const std::string_view wanted = stream ? "true" : "false";
  for (const auto& range : members.stream) {
    if (text(range) != wanted) edits.replace(range.offset, range.size, std::string(wanted));
  }
  if (stream && members.stream.empty()) inserted += R"(,"stream":true)";
  for (const auto& range : members.stream_options) {
    // Without a stream the API refuses options for one; null says "not given".
    if (!stream) {
      if (text(range) != "null") edits.replace(range.offset, range.size, "null");
      continue;
    }
    SB_TRY(std::string options, with_include_usage(text(range)));
    if (options != text(range)) edits.replace(range.offset, range.size, std::move(options));
  }
  if (stream && members.stream_options.empty()) inserted += R"(,"stream_options":{"include_usage":true})";
  if (!inserted.empty()) {
    const auto& last = members.model.back();
    edits.replace(last.offset + last.size, 0, std::move(inserted));
  }
  return {};
}

// Calls see(key, value) for every member, up to the first fault: simdjson's objects must not be asked anything after
// one.
template <class See>
void each_member(ondemand::object object, See see) {
  for (auto item : object) {
    ondemand::field field;
    std::string_view key;
    if (std::move(item).get(field) || field.unescaped_key().get(key)) return;
    see(key, field.value());
  }
}

// Some providers leave a number out or send null.
std::int64_t count_of(ondemand::value value) {
  std::int64_t number = 0;
  if (value.get_int64().get(number)) return 0;
  return std::max<std::int64_t>(number, 0);
}

std::optional<Usage> read_usage(ondemand::value value) {
  ondemand::object object;
  if (value.get_object().get(object)) return std::nullopt;
  Usage usage;
  each_member(object, [&](std::string_view key, ondemand::value member) {
    ondemand::object details;
    if (key == "prompt_tokens") {
      usage.input_tokens = count_of(member);
    } else if (key == "completion_tokens") {
      usage.output_tokens = count_of(member);
    } else if (key == "prompt_tokens_details" && !member.get_object().get(details)) {
      each_member(details, [&](std::string_view detail, ondemand::value number) {
        if (detail == "cached_tokens") usage.cached_input_tokens = count_of(number);
      });
    }
  });
  usage.cached_input_tokens = std::min(usage.cached_input_tokens, usage.input_tokens);
  return usage;
}

void count_text(ondemand::value value, TokenEstimate& output) {
  std::string_view text;
  if (!value.get_string().get(text)) output.add(text);
}

void count_tool_calls(ondemand::array calls, TokenEstimate& output) {
  for (auto entry : calls) {
    ondemand::object call;
    ondemand::object function;
    if (entry.get_object().get(call) || call.find_field_unordered("function").get_object().get(function)) continue;
    each_member(function, [&](std::string_view part, ondemand::value value) {
      if (part == "name" || part == "arguments") count_text(value, output);
    });
  }
}

// delta or message: content, refusal, reasoning, and the arguments of tool calls.
void count_message(ondemand::object message, TokenEstimate& output) {
  each_member(message, [&](std::string_view key, ondemand::value value) {
    ondemand::array calls;
    if (key == "content" || key == "refusal" || key == "reasoning_content" || key == "reasoning")
      count_text(value, output);
    else if (key == "tool_calls" && !value.get_array().get(calls))
      count_tool_calls(calls, output);
  });
}

simdjson::error_code read_choices(ondemand::value value, ChunkFacts& facts, TokenEstimate& output) {
  ondemand::array choices;
  if (auto error = value.get_array().get(choices)) return error;
  for (auto entry : choices) {
    facts.has_choices = true;
    ondemand::object choice;
    if (auto error = entry.get_object().get(choice)) return error;
    for (auto item : choice) {
      ondemand::field field;
      if (auto error = std::move(item).get(field)) return error;
      std::string_view key;
      if (auto error = field.unescaped_key().get(key)) return error;
      if (key == "delta" || key == "message") {
        ondemand::object message;
        if (!field.value().get_object().get(message)) count_message(message, output);
      } else if (key == "finish_reason") {
        facts.finished = facts.finished || !field.value().is_null().value_unsafe();
      }
    }
  }
  return simdjson::SUCCESS;
}

struct TopLevel {
  bool has_list = false;
  bool is_error = false;
  std::optional<Usage> usage;
  std::optional<Range> model;
};

simdjson::error_code read_top_level(std::string_view text, std::string_view list, ChunkFacts& facts,
                                    TokenEstimate* output, TopLevel& top) {
  auto& work = scratch();
  ondemand::document document;
  if (auto error = work.parser.iterate(work.pad(text)).get(document)) return error;
  ondemand::object object;
  if (auto error = document.get_object().get(object)) return error;
  for (auto item : object) {
    ondemand::field field;
    if (auto error = std::move(item).get(field)) return error;
    std::string_view key;
    if (auto error = field.unescaped_key().get(key)) return error;
    if (key == list) {
      top.has_list = true;
      if (output) {
        if (auto error = read_choices(field.value(), facts, *output)) return error;
      }
    } else if (key == "usage") {
      top.usage = read_usage(field.value());
    } else if (key == "error") {
      ondemand::json_type type;
      if (!field.value().type().get(type)) top.is_error = type == ondemand::json_type::object;
    } else if (key == "model") {
      Range range;
      if (auto error = range_of(field.value(), range)) return error;
      top.model = range;
    }
  }
  return at_end(document) ? simdjson::SUCCESS : simdjson::TAPE_ERROR;
}

std::string with_model(std::string body, const TopLevel& top, std::string_view reported_model) {
  if (reported_model.empty() || !top.model) return body;
  TextEdits edits;
  edits.replace(top.model->offset, top.model->size, json_string(reported_model));
  return edits.apply(body);
}

}  // namespace

Result<std::string> edit_chat_request(std::string_view body, const RequestEdit& edit) {
  SB_TRY(const RequestMembers members, request_members(body));
  TextEdits edits;
  for (const auto& range : members.model) edits.replace(range.offset, range.size, json_string(edit.upstream_model));
  SB_CHECK(edit_stream(body, members, edit.stream, edits));
  return edits.apply(body);
}

Result<std::string> replace_model(std::string_view body, std::string_view model) {
  SB_TRY(const RequestMembers members, request_members(body));
  TextEdits edits;
  for (const auto& range : members.model) edits.replace(range.offset, range.size, json_string(model));
  return edits.apply(body);
}

Result<ReplyFacts> read_reply(std::string body, std::string_view list, std::string_view reported_model) {
  TopLevel top;
  ChunkFacts unused;
  if (const auto error = read_top_level(body, list, unused, nullptr, top)) {
    return fail(Errc::upstream_invalid,
                fmt::format("the provider's answer is not a JSON object: {}", simdjson::error_message(error)));
  }
  if (!top.has_list) {
    return fail(Errc::upstream_invalid, fmt::format("the provider's answer has no \"{}\"", list));
  }
  return ReplyFacts{top.usage, with_model(std::move(body), top, reported_model)};
}

Result<ChunkFacts> read_chunk(std::string payload, std::string_view reported_model, TokenEstimate& output) {
  TopLevel top;
  ChunkFacts facts;
  if (const auto error = read_top_level(payload, "choices", facts, &output, top)) {
    return fail(Errc::upstream_invalid, fmt::format("the provider's stream holds something that is no chunk: {}",
                                                    simdjson::error_message(error)));
  }
  facts.usage = top.usage;
  facts.is_error = top.is_error;
  if (!top.has_list && !top.is_error && !top.usage) {
    return fail(Errc::upstream_invalid, "the provider's stream holds an object that is no chunk");
  }
  facts.payload = with_model(std::move(payload), top, reported_model);
  return facts;
}

std::int64_t estimate_output_tokens(std::string_view reply_body) {
  TopLevel top;
  ChunkFacts facts;
  TokenEstimate estimate;
  if (read_top_level(reply_body, "choices", facts, &estimate, top)) return 0;
  return estimate.tokens();
}

}  // namespace sb::model
