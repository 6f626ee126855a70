#include "model/anthropic_reply.h"

#include <fmt/format.h>

#include <algorithm>

namespace sb::model {
namespace {

std::unexpected<Error> not_protocol(std::string_view what) {
  return fail(Errc::upstream_invalid, fmt::format("the provider's answer is not the Messages API's: {}", what));
}

std::string_view finish_reason(std::string_view stop_reason, bool has_tool_calls) {
  if (stop_reason == "max_tokens" || stop_reason == "model_context_window_exceeded") return "length";
  if (stop_reason == "refusal") return "content_filter";
  if (stop_reason == "tool_use" && has_tool_calls) return "tool_calls";
  return "stop";  // end_turn, stop_sequence, pause_turn, and the forced tool whose input is the answer
}

std::string literal(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::string usage_json(const Usage& usage) {
  return fmt::format(
      R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},"prompt_tokens_details":{{"cached_tokens":{}}}}})",
      usage.input_tokens, usage.output_tokens, usage.input_tokens + usage.output_tokens, usage.cached_input_tokens);
}

// The texts of one whole answer, gathered over its blocks.
struct Gathered {
  std::string text;
  std::string thinking;
  std::string tool_calls;  // the JSON array's inside
  int tool_count = 0;
};

void gather(const json::value& block, std::string_view answer_tool, Gathered& gathered) {
  const std::string_view type = string_member(block, "type");
  if (type == "text") {
    gathered.text += string_member(block, "text");
  } else if (type == "thinking") {
    gathered.thinking += string_member(block, "thinking");
  } else if (type == "tool_use") {
    const auto* input = find_member(block, "input");
    const std::string arguments = input ? to_text(*input) : "{}";
    if (!answer_tool.empty() && string_member(block, "name") == answer_tool) {
      gathered.text += arguments;
      return;
    }
    gathered.tool_calls += fmt::format(R"({}{{"id":{},"type":"function","function":{{"name":{},"arguments":{}}}}})",
                                       gathered.tool_count++ ? "," : "", literal(string_member(block, "id")),
                                       literal(string_member(block, "name")), literal(arguments));
  }
}

}  // namespace

Usage anthropic_usage(const json::value& usage) {
  const auto count = [&](std::string_view key) { return std::max<std::int64_t>(int_member(usage, key), 0); };
  Usage out;
  out.cached_input_tokens = count("cache_read_input_tokens");
  out.input_tokens = count("input_tokens") + count("cache_creation_input_tokens") + out.cached_input_tokens;
  out.output_tokens = count("output_tokens");
  return out;
}

Result<TranslatedReply> from_anthropic(std::string_view reply, const AnthropicReplyOptions& options) {
  const auto message = parse_json(reply);
  if (!message) return not_protocol(message.error().detail);
  const auto* content = find_member(*message, "content");
  if (string_member(*message, "type") != "message" || !content || !content->is_array()) {
    return not_protocol("no message with content");
  }
  Gathered gathered;
  for (const auto& block : content->get_array()) gather(block, options.answer_tool, gathered);

  TranslatedReply out;
  if (const auto* usage = find_member(*message, "usage")) {
    out.usage = anthropic_usage(*usage);
  } else {
    out.usage.estimated = true;
    out.usage.output_tokens = estimate_tokens(gathered.text + gathered.tool_calls + gathered.thinking);
  }
  out.body = fmt::format(R"({{"id":{},"object":"chat.completion","created":{},"model":{},"choices":[{{"index":0,)",
                         literal(string_member(*message, "id")), options.created,
                         literal(options.model.empty() ? string_member(*message, "model") : options.model));
  out.body += R"("message":{"role":"assistant","content":)";
  // A call without words has no content at OpenAI, not an empty one.
  out.body += gathered.text.empty() && gathered.tool_count > 0 ? "null" : literal(gathered.text);
  if (!gathered.thinking.empty()) out.body += R"(,"reasoning_content":)" + literal(gathered.thinking);
  if (gathered.tool_count > 0) out.body += R"(,"tool_calls":[)" + gathered.tool_calls + "]";
  out.body += fmt::format(R"(,"refusal":null}},"logprobs":null,"finish_reason":"{}"}}],"usage":{}}})",
                          finish_reason(string_member(*message, "stop_reason"), gathered.tool_count > 0),
                          usage_json(out.usage));
  return out;
}

std::string error_from_anthropic(std::string_view body) {
  const auto parsed = parse_json(body);
  const auto* error = parsed ? find_member(*parsed, "error") : nullptr;
  if (!error || !error->is_object()) return {};
  const std::string_view type = string_member(*error, "type", "api_error");
  return fmt::format(R"({{"error":{{"message":{},"type":{},"param":null,"code":{}}}}})",
                     literal(string_member(*error, "message")), literal(type), literal(type));
}

Result<> AnthropicStreamTranslator::feed(std::string_view data, std::deque<std::string>& chunks) {
  const auto event = parse_json(data);
  if (!event || !event->is_object()) return not_protocol("an event that is no JSON object");
  if (finished_) return {};
  const std::string_view type = string_member(*event, "type");
  if (type == "error") {
    error_body_ = error_from_anthropic(data);
    return fail(Errc::upstream_error, "the provider reported an error in its stream");
  }
  if (type == "message_start") return start(*event, chunks);
  if (type == "ping" || type.empty()) return {};
  if (!started_) return not_protocol("an event before message_start");
  if (type == "content_block_start") return begin_block(*event, chunks);
  if (type == "content_block_delta") return block_delta(*event, chunks);
  if (type == "content_block_stop")
    end_block(*event, chunks);
  else if (type == "message_delta")
    message_delta(*event, chunks);
  else if (type == "message_stop")
    stop(chunks);
  return {};  // newer kinds of events are passed over, as the API's versioning rules ask
}

Result<> AnthropicStreamTranslator::start(const json::value& event, std::deque<std::string>& chunks) {
  const auto* message = find_member(event, "message");
  if (!message || started_) return not_protocol("message_start without a message, or twice");
  started_ = true;
  id_ = string_member(*message, "id");
  if (options_.model.empty()) options_.model = string_member(*message, "model");
  if (const auto* usage = find_member(*message, "usage"); usage && usage->is_object()) usage_ = usage->get_object();
  chunks.push_back(chunk(R"({"role":"assistant","content":""})"));
  return {};
}

Result<> AnthropicStreamTranslator::begin_block(const json::value& event, std::deque<std::string>& chunks) {
  constexpr std::size_t kBlocksMax = 1024;
  const auto* content = find_member(event, "content_block");
  if (!content || blocks_.size() >= kBlocksMax) return not_protocol("content_block_start without a block, or too many");
  Block& block = blocks_[int_member(event, "index")];
  block = {};
  const std::string_view type = string_member(*content, "type");
  if (type == "text") {
    if (const auto text = string_member(*content, "text"); !text.empty()) {
      output_.add(text);
      chunks.push_back(chunk(R"({"content":)" + literal(text) + "}"));
    }
    return {};
  }
  if (type != "tool_use") return {};
  const std::string_view name = string_member(*content, "name");
  block.is_answer = !options_.answer_tool.empty() && name == options_.answer_tool;
  if (block.is_answer) return {};
  block.tool_index = tool_count_++;
  output_.add(name);
  chunks.push_back(chunk(fmt::format(
      R"({{"tool_calls":[{{"index":{},"id":{},"type":"function","function":{{"name":{},"arguments":""}}}}]}})",
      block.tool_index, literal(string_member(*content, "id")), literal(name))));
  return {};
}

Result<> AnthropicStreamTranslator::block_delta(const json::value& event, std::deque<std::string>& chunks) {
  const auto found = blocks_.find(int_member(event, "index"));
  const auto* delta = find_member(event, "delta");
  if (found == blocks_.end() || !delta) return not_protocol("a delta of no block");
  Block& block = found->second;
  const std::string_view type = string_member(*delta, "type");
  const auto emit = [&](std::string_view member, std::string_view text) {
    output_.add(text);
    if (!text.empty()) chunks.push_back(chunk(fmt::format(R"({{"{}":{}}})", member, literal(text))));
  };
  if (type == "text_delta") {
    emit("content", string_member(*delta, "text"));
  } else if (type == "thinking_delta") {
    emit("reasoning_content", string_member(*delta, "thinking"));
  } else if (type == "input_json_delta") {
    const std::string_view part = string_member(*delta, "partial_json");
    block.got_input = block.got_input || !part.empty();
    if (block.is_answer) {
      emit("content", part);
    } else if (block.tool_index >= 0 && !part.empty()) {
      output_.add(part);
      chunks.push_back(chunk(fmt::format(R"({{"tool_calls":[{{"index":{},"function":{{"arguments":{}}}}}]}})",
                                         block.tool_index, literal(part))));
    }
  }
  return {};  // signature_delta, citations_delta: nothing in the OpenAI format says them
}

// A call without input has sent no delta, but clients parse its arguments as JSON.
void AnthropicStreamTranslator::end_block(const json::value& event, std::deque<std::string>& chunks) {
  const auto found = blocks_.find(int_member(event, "index"));
  if (found == blocks_.end() || found->second.got_input) return;
  if (found->second.is_answer) chunks.push_back(chunk(R"({"content":"{}"})"));
  if (found->second.tool_index < 0) return;
  chunks.push_back(chunk(
      fmt::format(R"({{"tool_calls":[{{"index":{},"function":{{"arguments":"{{}}"}}}}]}})", found->second.tool_index)));
}

void AnthropicStreamTranslator::message_delta(const json::value& event, std::deque<std::string>& chunks) {
  if (const auto* usage = find_member(event, "usage"); usage && usage->is_object()) {
    // Cumulative counts: the later word counts. Members that it leaves out keep their first value.
    for (const auto& member : usage->get_object()) {
      if (!member.value().is_null()) usage_[member.key()] = member.value();
    }
    usage_is_final_ = true;
  }
  const auto* delta = find_member(event, "delta");
  const std::string_view reason = delta ? string_member(*delta, "stop_reason") : std::string_view();
  if (!reason.empty()) chunks.push_back(chunk("{}", finish_reason(reason, tool_count_ > 0)));
}

void AnthropicStreamTranslator::stop(std::deque<std::string>& chunks) {
  finished_ = true;
  if (!want_usage_) return;
  chunks.push_back(
      fmt::format(R"({{"id":{},"object":"chat.completion.chunk","created":{},"model":{},"choices":[],"usage":{}}})",
                  literal(id_), options_.created, literal(options_.model), usage_json(usage())));
}

Usage AnthropicStreamTranslator::usage() const {
  Usage usage = anthropic_usage(usage_);
  if (usage_is_final_) return usage;
  usage.estimated = true;
  usage.output_tokens = std::max(usage.output_tokens, output_.tokens());
  return usage;
}

std::string AnthropicStreamTranslator::chunk(std::string_view delta, std::string_view finish_reason) const {
  return fmt::format(
      R"({{"id":{},"object":"chat.completion.chunk","created":{},"model":{},"choices":[{{"index":0,"delta":{},"logprobs":null,"finish_reason":{}}}]}})",
      literal(id_), options_.created, literal(options_.model), delta,
      finish_reason.empty() ? "null" : literal(finish_reason));
}

}  // namespace sb::model
