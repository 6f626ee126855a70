// The Messages API over a real socket: a stand-in server that checks what it is sent and answers as the API does.
#include <gmock/gmock.h>

#include "base/json.h"
#include "http/test_support.h"
#include "model/gateway.h"
#include "model/provider.h"

namespace sb::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kAsk =
    R"({"model":"asked","messages":[{"role":"system","content":"Be short."},{"role":"user","content":"Weather in Ulm?"}],
        "tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object"}}}]})";

// As the API frames its events: a name, and data that repeats it.
std::string event(std::string data) {
  const auto parsed = parse_json(data);
  EXPECT_TRUE(parsed) << data;
  std::string out = "event: ";
  out += string_member(*parsed, "type");
  return out + "\ndata: " + data + "\n\n";
}

std::string begin() {
  return event(
      R"({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude",)"
      R"("content":[],"usage":{"input_tokens":11,"output_tokens":1}}})");
}
std::string text_block() {
  return event(R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})") +
         event(R"({"type":"ping"})") +
         event(R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"I will "}})") +
         event(R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"look."}})") +
         event(R"({"type":"content_block_stop","index":0})");
}
std::string tool_block() {
  return event(
             R"({"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"weather","input":{}}})") +
         event(
             R"({"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"city\":"}})") +
         event(
             R"({"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"\"Ulm\"}"}})") +
         event(R"({"type":"content_block_stop","index":1})");
}
std::string end(std::string_view reason) {
  return event(R"({"type":"message_delta","delta":{"stop_reason":")" + std::string(reason) +
               R"("},"usage":{"output_tokens":9}})") +
         event(R"({"type":"message_stop"})");
}

class AnthropicOverASocket : public ::testing::Test {
 protected:
  // The stand-in; `answer` runs for each request after the request has been kept.
  void serve(http::Handler answer) {
    server_ = http::testing::serve(io_, [this, answer = std::move(answer)](http::Exchange& exchange) -> Task<void> {
      seen_.push_back(exchange.request());
      co_await answer(exchange);
    });
    config_.type = ProviderType::anthropic;
    config_.base_url = "http://127.0.0.1:" + std::to_string(server_->port());
    config_.api_key = "sk-ant-test";
    provider_ = make_provider(config_, *client_, system_clock());
    call_.body = kAsk;
    call_.idempotency_key = "key-1";
    call_.request_id = "req-1";
  }
  void serve_json(int status, std::string body, http::Headers more = {}) {
    serve([=](http::Exchange& exchange) -> Task<void> {
      http::Response response{status, more, body};
      response.headers.add("content-type", "application/json");
      (void)co_await exchange.respond(std::move(response));
    });
  }
  // Sends `pieces` one by one; `whole` ends the body properly, otherwise the connection breaks.
  void serve_stream(std::vector<std::string> pieces, bool whole = true) {
    serve([=](http::Exchange& exchange) -> Task<void> {
      http::Headers headers{{"content-type", "text/event-stream; charset=utf-8"}};
      (void)co_await exchange.begin_stream(200, std::move(headers));
      for (const auto& piece : pieces) (void)co_await exchange.write(piece);
      if (whole) {
        (void)co_await exchange.end_stream();
      } else {
        exchange.abort();
      }
    });
  }

  Result<ChatReply> chat() {
    Result<ChatReply> reply;
    http::testing::run(io_, [&]() -> Task<void> { reply = co_await provider_->chat(call_, {"claude", kTime}); });
    return reply;
  }
  struct Streamed {
    Result<StreamStart> start;
    std::vector<json::value> chunks;
    std::optional<Error> error;
    Usage usage;
    std::string error_body;
  };
  Streamed stream() {
    call_.stream = true;
    Streamed out;
    http::testing::run(io_, [&]() -> Task<void> {
      out.start = co_await provider_->chat_stream(call_, {"claude", kTime});
      if (!out.start || !out.start->stream) co_return;
      auto& from = *out.start->stream;
      for (;;) {
        auto chunk = co_await from.next();
        if (!chunk) out.error = chunk.error();
        if (!chunk || !*chunk) break;
        out.chunks.push_back(parse_json(**chunk).value());
      }
      out.usage = from.usage();
      out.error_body = from.error_body();
      out.start->stream.reset();
    });
    return out;
  }
  // The deltas of `member` in all chunks, put together.
  static std::string joined(const std::vector<json::value>& chunks, std::string_view member) {
    std::string text;
    for (const auto& chunk : chunks) {
      for (const auto& choice : chunk.at("choices").as_array()) text += string_member(choice.at("delta"), member);
    }
    return text;
  }

  static constexpr std::chrono::milliseconds kTime{20'000};
  asio::io_context io_{1};
  std::unique_ptr<http::Client> client_ = http::Client::create(io_, {});
  std::unique_ptr<http::Server> server_;
  std::vector<http::Request> seen_;
  ProviderConfig config_;
  std::unique_ptr<Provider> provider_;
  ChatCall call_;
};

TEST_F(AnthropicOverASocket, AsksAsTheApiDocumentsIt) {
  serve_json(
      200,
      R"({"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"Sun."}],
                      "stop_reason":"end_turn","usage":{"input_tokens":11,"output_tokens":2}})",
      {{"anthropic-ratelimit-requests-remaining", "7"}});
  const auto reply = chat();
  ASSERT_TRUE(reply) << reply.error().detail;
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->usage, (Usage{11, 0, 2, false}));
  EXPECT_EQ(parse_json(reply->body)->at("choices").at(0).at("message").at("content"), "Sun.");
  EXPECT_EQ(reply->headers.get("anthropic-ratelimit-requests-remaining"), "7");

  ASSERT_EQ(seen_.size(), 1U);
  EXPECT_EQ(seen_[0].path, "/v1/messages");
  EXPECT_EQ(seen_[0].headers.get("x-api-key"), "sk-ant-test");
  EXPECT_EQ(seen_[0].headers.get("anthropic-version"), "2023-06-01");
  EXPECT_EQ(seen_[0].headers.get("x-request-id"), "req-1");
  EXPECT_FALSE(seen_[0].headers.has("authorization"));
  const auto body = parse_json(seen_[0].body);
  ASSERT_TRUE(body);
  EXPECT_EQ(string_member(*body, "model"), "claude");
  EXPECT_EQ(int_member(*body, "max_tokens"), 4096);
  EXPECT_EQ(body->at("messages").at(0).at("role"), "user");
  EXPECT_EQ(body->at("tools").at(0).at("name"), "weather");
  EXPECT_THAT(to_text(body->at("system")), HasSubstr("Be short."));
}

TEST_F(AnthropicOverASocket, ItsErrorsKeepTheirWordsAndTheirStatus) {
  serve_json(529, R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})",
             {{"retry-after", "3"}});
  const auto reply = chat();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 529);
  EXPECT_EQ(reply->headers.get("retry-after"), "3");
  const auto error = parse_json(reply->body);
  ASSERT_TRUE(error) << reply->body;
  EXPECT_EQ(error->at("error").at("message"), "Overloaded");
  EXPECT_EQ(error->at("error").at("type"), "overloaded_error");

  const auto streamed = stream();  // the same before a stream begins
  ASSERT_TRUE(streamed.start);
  EXPECT_EQ(streamed.start->head.status, 529);
  EXPECT_FALSE(streamed.start->stream);
  EXPECT_THAT(streamed.start->head.body, HasSubstr("Overloaded"));
}

TEST_F(AnthropicOverASocket, APageIsNoAnswer) {
  serve_json(200, "<html>busy</html>");
  const auto reply = chat();
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Errc::upstream_invalid);
  const auto streamed = stream();
  ASSERT_FALSE(streamed.start);
  EXPECT_EQ(streamed.start.error().code, Errc::upstream_invalid);
}

TEST_F(AnthropicOverASocket, StreamsTextAndToolsHoweverTheBytesAreCut) {
  const std::string whole = begin() + text_block() + tool_block() + end("tool_use");
  for (const std::size_t size : {std::size_t{1}, std::size_t{37}, whole.size()}) {
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < whole.size(); at += size) pieces.push_back(whole.substr(at, size));
    serve_stream(std::move(pieces));
    call_.want_usage = true;
    const auto got = stream();
    ASSERT_TRUE(got.start) << got.start.error().detail;
    ASSERT_FALSE(got.error) << got.error->detail;
    EXPECT_EQ(joined(got.chunks, "content"), "I will look.");
    std::string name, arguments;
    for (const auto& chunk : got.chunks) {
      for (const auto& choice : chunk.at("choices").as_array()) {
        const auto* calls = find_member(choice.at("delta"), "tool_calls");
        if (!calls) continue;
        name += string_member(calls->at(0).at("function"), "name");
        arguments += string_member(calls->at(0).at("function"), "arguments");
      }
    }
    EXPECT_EQ(name, "weather");
    EXPECT_EQ(arguments, R"({"city":"Ulm"})");
    EXPECT_EQ(got.usage, (Usage{11, 0, 9, false}));
    EXPECT_EQ(int_member(got.chunks.back().at("usage"), "completion_tokens"), 9);
    EXPECT_EQ(parse_json(seen_.back().body)->at("stream"), true);
  }
}

TEST_F(AnthropicOverASocket, AStreamWithoutItsEndIsBroken) {
  for (const bool whole_body : {true, false}) {
    serve_stream({begin(), text_block()}, whole_body);
    const auto got = stream();
    ASSERT_TRUE(got.start);
    EXPECT_EQ(joined(got.chunks, "content"), "I will look.");
    ASSERT_TRUE(got.error);
    EXPECT_EQ(got.error->code, Errc::upstream_invalid) << got.error->detail;
    EXPECT_TRUE(got.usage.estimated);
    EXPECT_EQ(got.usage.input_tokens, 11);
    EXPECT_GT(got.usage.output_tokens, 0);
  }
}

TEST_F(AnthropicOverASocket, AnErrorInAStreamIsTold) {
  serve_stream(
      {begin(), text_block(), event(R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})")});
  const auto got = stream();
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, Errc::upstream_error);
  EXPECT_THAT(got.error_body, HasSubstr("overloaded_error"));
}

TEST_F(AnthropicOverASocket, ListsItsModels) {
  serve_json(200, R"({"data":[{"type":"model","id":"claude-a"},{"type":"model","id":"claude-b"}],"has_more":false})");
  Result<std::vector<std::string>> names;
  http::testing::run(io_, [&]() -> Task<void> { names = co_await provider_->list_models(nullptr); });
  ASSERT_TRUE(names);
  EXPECT_THAT(*names, ElementsAre("claude-a", "claude-b"));
  EXPECT_EQ(seen_[0].method, "GET");
  EXPECT_EQ(seen_[0].path, "/v1/models");
  EXPECT_THAT(seen_[0].body, IsEmpty());
}

}  // namespace
}  // namespace sb::model
