#include "model/anthropic_reply.h"

#include <gtest/gtest.h>

#include "http/sse.h"

namespace sb::model {
namespace {

json::value parsed(std::string_view text) {
  auto value = parse_json(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : json::value();
}

AnthropicReplyOptions options(std::string answer_tool = {}) {
  return {"asked", std::move(answer_tool), 1'700'000'000};
}

TEST(AnthropicReply, TextToolsThinkingAndUsageCarryOver) {
  const auto reply = from_anthropic(
      R"({"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[
          {"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"Let me "},{"type":"text","text":"look."},
          {"type":"tool_use","id":"toolu_1","name":"w","input":{"c":"Ulm"}}],
          "stop_reason":"tool_use","stop_sequence":null,
          "usage":{"input_tokens":10,"cache_creation_input_tokens":5,"cache_read_input_tokens":85,"output_tokens":7}})",
      options());
  ASSERT_TRUE(reply) << reply.error().detail;
  EXPECT_EQ(reply->usage, (Usage{100, 85, 7, false}));
  EXPECT_EQ(parsed(reply->body),
            parsed(
                R"({"id":"msg_1","object":"chat.completion","created":1700000000,"model":"asked","choices":[{"index":0,
          "message":{"role":"assistant","content":"Let me look.","reasoning_content":"hm","tool_calls":[
            {"id":"toolu_1","type":"function","function":{"name":"w","arguments":"{\"c\":\"Ulm\"}"}}],"refusal":null},
          "logprobs":null,"finish_reason":"tool_calls"}],
          "usage":{"prompt_tokens":100,"completion_tokens":7,"total_tokens":107,
                   "prompt_tokens_details":{"cached_tokens":85}}})"));
}

struct StopCase {
  const char* anthropic;
  const char* openai;
};
class StopReason : public ::testing::TestWithParam<StopCase> {};
TEST_P(StopReason, IsTranslated) {
  const auto reply =
      from_anthropic(std::string(R"({"type":"message","content":[{"type":"text","text":"a"}],"stop_reason":")") +
                         GetParam().anthropic + "\"}",
                     options());
  ASSERT_TRUE(reply);
  EXPECT_EQ(parsed(reply->body).at("choices").at(0).at("finish_reason"), GetParam().openai);
  EXPECT_TRUE(reply->usage.estimated);
}
INSTANTIATE_TEST_SUITE_P(Reasons, StopReason,
                         ::testing::Values(StopCase{"end_turn", "stop"}, StopCase{"stop_sequence", "stop"},
                                           StopCase{"pause_turn", "stop"}, StopCase{"max_tokens", "length"},
                                           StopCase{"model_context_window_exceeded", "length"},
                                           StopCase{"refusal", "content_filter"}),
                         [](const auto& info) { return info.param.anthropic; });

TEST(AnthropicReply, TheForcedToolsInputIsTheAnswer) {
  const auto reply = from_anthropic(
      R"({"type":"message","content":[{"type":"tool_use","id":"t","name":"json_answer","input":{"a":1}}],"stop_reason":"tool_use"})",
      options("json_answer"));
  ASSERT_TRUE(reply);
  const auto choice = parsed(reply->body).at("choices").at(0);
  EXPECT_EQ(choice.at("message").at("content"), R"({"a":1})");
  EXPECT_EQ(choice.at("finish_reason"), "stop");
}

TEST(AnthropicReply, ErrorsBecomeOpenAiErrors) {
  EXPECT_EQ(
      parsed(error_from_anthropic(
          R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"})")),
      parsed(R"({"error":{"message":"Overloaded","type":"overloaded_error","param":null,"code":"overloaded_error"}})"));
  EXPECT_EQ(error_from_anthropic("<html>"), "");
  EXPECT_FALSE(from_anthropic("<html>", options()));
  EXPECT_FALSE(from_anthropic(R"({"type":"message"})", options()));
}

// The shapes of a real stream: thinking, text, two tools (one without input), ping, an event kind of the future.
constexpr std::string_view kStream =
    "event: message_start\n"
    R"(data: {"type":"message_start","message":{"id":"msg_9","type":"message","role":"assistant","content":[],"model":"claude","stop_reason":null,"usage":{"input_tokens":20,"cache_read_input_tokens":5,"cache_creation_input_tokens":0,"output_tokens":1}}})"
    "\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n"
    "event: content_block_start\n"
    R"(data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}})"
    "\n\nevent: content_block_delta\n"
    R"(data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let me see."}})"
    "\n\nevent: content_block_delta\n"
    R"(data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQB"}})"
    "\n\nevent: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
    "event: content_block_start\n"
    R"(data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}})"
    "\n\nevent: content_block_delta\n"
    R"(data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Gr\u00fc\u00dfe, "}})"
    "\n\nevent: content_block_delta\n"
    R"(data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Ulm"}})"
    "\n\nevent: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n"
    "event: future_kind\ndata: {\"type\":\"future_kind\"}\n\n"
    "event: content_block_start\n"
    R"(data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"weather","input":{}}})"
    "\n\nevent: content_block_delta\n"
    R"(data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}})"
    "\n\nevent: content_block_delta\n"
    R"(data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"city\": \"Ul"}})"
    "\n\nevent: content_block_delta\n"
    R"(data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"m\"}"}})"
    "\n\nevent: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":2}\n\n"
    "event: content_block_start\n"
    R"(data: {"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_2","name":"now","input":{}}})"
    "\n\nevent: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":3}\n\n"
    "event: message_delta\n"
    R"(data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":48}})"
    "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

struct Played {
  std::vector<std::string> chunks;
  bool finished = false;
  std::optional<Error> error;
  Usage usage;
};

Played play(std::string_view bytes, std::size_t cut, AnthropicReplyOptions reply_options = options()) {
  Played played;
  http::SseParser parser;
  AnthropicStreamTranslator translator(std::move(reply_options), true);
  std::deque<std::string> chunks;
  for (const std::string_view part : {bytes.substr(0, cut), bytes.substr(cut)}) {
    std::vector<http::SseEvent> events;
    EXPECT_TRUE(parser.feed(part, events));
    for (const auto& event : events) {
      if (auto fed = translator.feed(event.data, chunks); !fed && !played.error) played.error = fed.error();
    }
  }
  played.chunks.assign(chunks.begin(), chunks.end());
  played.finished = translator.finished();
  played.usage = translator.usage();
  return played;
}

TEST(AnthropicStream, EveryKindOfBlockCarriesOver) {
  const Played played = play(kStream, 0);
  ASSERT_FALSE(played.error);
  EXPECT_TRUE(played.finished);
  EXPECT_EQ(played.usage, (Usage{25, 5, 48, false}));
  std::string text;
  std::string thinking;
  std::map<std::int64_t, std::string> names;
  std::map<std::int64_t, std::string> arguments;
  std::string finish;
  for (const auto& chunk : played.chunks) {
    const auto value = parsed(chunk);
    EXPECT_EQ(value.at("object"), "chat.completion.chunk");
    EXPECT_EQ(value.at("id"), "msg_9");
    EXPECT_EQ(value.at("model"), "asked");
    if (value.at("choices").get_array().empty()) continue;
    const auto& choice = value.at("choices").at(0);
    const auto& delta = choice.at("delta");
    text += string_member(delta, "content");
    thinking += string_member(delta, "reasoning_content");
    finish += string_member(choice, "finish_reason");
    const auto* calls = find_member(delta, "tool_calls");
    if (!calls) continue;
    const auto& call = calls->at(0);
    const auto index = call.at("index").get_int64();
    names[index] += string_member(call.at("function"), "name");
    arguments[index] += string_member(call.at("function"), "arguments");
  }
  EXPECT_EQ(text,
            "Gr\xc3\xbc\xc3\x9f"
            "e, Ulm");
  EXPECT_EQ(thinking, "Let me see.");
  EXPECT_EQ(names, (std::map<std::int64_t, std::string>{{0, "weather"}, {1, "now"}}));
  EXPECT_EQ(parsed(arguments[0]), parsed(R"({"city":"Ulm"})"));
  EXPECT_EQ(arguments[1], "{}");
  EXPECT_EQ(finish, "tool_calls");
  EXPECT_EQ(parsed(played.chunks.back()).at("usage").at("completion_tokens"), 48);
}

TEST(AnthropicStream, TheResultDoesNotDependOnWhereTheBytesWereCut) {
  const Played whole = play(kStream, 0);
  for (std::size_t cut = 1; cut < kStream.size(); ++cut) {
    const Played played = play(kStream, cut);
    ASSERT_EQ(played.chunks, whole.chunks) << "cut=" << cut;
    ASSERT_TRUE(played.finished);
  }
}

TEST(AnthropicStream, AStreamThatStopsEarlyNeverLooksFinished) {
  // The last line's blank line ends the last event: with less than that the stream was cut.
  for (std::size_t size = 0; size < kStream.size() - 1; ++size) {
    const Played played = play(kStream.substr(0, size), 0);
    ASSERT_FALSE(played.finished) << "size=" << size;
    ASSERT_FALSE(played.error);
  }
  const Played half = play(kStream.substr(0, kStream.size() / 2), 0);
  EXPECT_TRUE(half.usage.estimated);
  EXPECT_EQ(half.usage.input_tokens, 25);
  EXPECT_GT(half.usage.output_tokens, 1);
}

TEST(AnthropicStream, AnErrorEventIsAnErrorWithItsObject) {
  AnthropicStreamTranslator translator(options(), false);
  std::deque<std::string> chunks;
  ASSERT_TRUE(translator.feed(R"({"type":"message_start","message":{"id":"m"}})", chunks));
  const auto fed =
      translator.feed(R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})", chunks);
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().code, Errc::upstream_error);
  EXPECT_EQ(parsed(translator.error_body()).at("error").at("message"), "Overloaded");
  EXPECT_FALSE(translator.finished());
}

TEST(AnthropicStream, EventsOutOfOrderAreRefused) {
  for (const char* event :
       {"nonsense", "[]", R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}})",
        R"({"type":"message_stop"})", R"({"type":"message_start"})"}) {
    AnthropicStreamTranslator translator(options(), false);
    std::deque<std::string> chunks;
    const auto fed = translator.feed(event, chunks);
    ASSERT_FALSE(fed) << event;
    EXPECT_EQ(fed.error().code, Errc::upstream_invalid);
    EXPECT_FALSE(translator.finished());
  }
}

TEST(AnthropicStream, TheForcedToolStreamsAsText) {
  AnthropicStreamTranslator translator(options("json_answer"), false);
  std::deque<std::string> chunks;
  for (const char* event :
       {R"({"type":"message_start","message":{"id":"m"}})",
        R"({"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"json_answer"}})",
        R"({"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}})",
        R"({"type":"content_block_stop","index":0})", R"({"type":"message_delta","delta":{"stop_reason":"tool_use"}})",
        R"({"type":"message_stop"})"}) {
    ASSERT_TRUE(translator.feed(event, chunks)) << event;
  }
  ASSERT_EQ(chunks.size(), 3U);
  EXPECT_EQ(parsed(chunks[1]).at("choices").at(0).at("delta").at("content"), R"({"a":1})");
  EXPECT_EQ(parsed(chunks[2]).at("choices").at(0).at("finish_reason"), "stop");
  EXPECT_TRUE(translator.finished());
}

}  // namespace
}  // namespace sb::model
