#include "api/api.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

#include "api/chat_head.h"
#include "model/error_body.h"

namespace sb::api {
namespace {

struct HeadCase {
  const char* name;
  std::string body;
  std::string_view param;  ///< of the error; "-" for none
  Errc code = Errc::invalid_argument;
};

class Head : public testing::TestWithParam<HeadCase> {};

TEST_P(Head, SaysWhichMemberIsWrong) {
  std::string body = GetParam().body;
  const auto head = read_head(body, "messages");
  ASSERT_FALSE(head);
  EXPECT_EQ(head.error().code, GetParam().code);
  EXPECT_EQ(head.error().param, GetParam().param);
  EXPECT_EQ(body, GetParam().body);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Head,
    testing::Values(HeadCase{"empty", " ", ""}, HeadCase{"cut", R"({"model":"a","messages":[)", ""},
                    HeadCase{"array", "[]", ""}, HeadCase{"utf8", "{\"model\":\"\xff\"}", ""},
                    HeadCase{"no_model", R"({"messages":[{}]})", "model"},
                    HeadCase{"empty_model", R"({"model":"","messages":[{}]})", "model"},
                    HeadCase{"model_type", R"({"model":1,"messages":[{}]})", "model"},
                    HeadCase{"stream_type", R"({"model":"a","stream":"yes","messages":[{}]})", "stream"},
                    HeadCase{"options_type", R"({"model":"a","stream_options":[],"messages":[{}]})", "stream_options"},
                    HeadCase{"usage_type", R"({"model":"a","stream_options":{"include_usage":1},"messages":[{}]})",
                             "stream_options.include_usage"},
                    HeadCase{"no_messages", R"({"model":"a"})", "messages"},
                    HeadCase{"messages_type", R"({"model":"a","messages":"hi"})", "messages"},
                    HeadCase{"messages_empty", R"({"model":"a","messages":[]})", "messages"}),
    [](const auto& info) { return info.param.name; });

TEST(HeadOfARequest, IsReadWithoutTouchingTheBody) {
  std::string body =
      R"({"model":"auto","stream":true,"stream_options":{"include_usage":true},"x":[1],"messages":[{"role":"user"}]})";
  const std::string before = body;
  const auto head = read_head(body, "messages");
  ASSERT_TRUE(head) << head.error().detail;
  EXPECT_EQ(head->model, "auto");
  EXPECT_TRUE(head->stream);
  EXPECT_TRUE(head->include_usage);
  EXPECT_EQ(body, before);
}

struct WishCase {
  const char* name;
  std::string_view field;
  bool no_cache = false, no_store = false;
  Micros max_age_s = -1;  ///< -1: any
};

class CacheControl : public testing::TestWithParam<WishCase> {};

TEST_P(CacheControl, OfARequestIsReadAsHttpMeansIt) {
  const auto& wanted = GetParam();
  const auto wishes = read_cache_control({{"Cache-Control", std::string(wanted.field)}});
  EXPECT_EQ(wishes.no_cache, wanted.no_cache);
  EXPECT_EQ(wishes.no_store, wanted.no_store);
  EXPECT_EQ(wishes.max_age_us,
            wanted.max_age_s < 0 ? std::numeric_limits<Micros>::max() : wanted.max_age_s * 1'000'000);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, CacheControl,
    testing::Values(WishCase{"empty", ""}, WishCase{"no_cache", "no-cache", true},
                    WishCase{"no_store", "No-Store", false, true}, WishCase{"both", "no-store , no-cache", true, true},
                    WishCase{"others", "max-stale=5, no-transform"}, WishCase{"part_of_a_word", "xno-cache"},
                    WishCase{"age", "max-age=60", false, false, 60},
                    WishCase{"age_of_nothing", "max-age=x", false, false, 0},
                    WishCase{"least_age", "max-age=60,max-age=5", false, false, 5},
                    WishCase{"much_too_old", "max-age=99999999999999999999", false, false, 1LL << 31}),
    [](const auto& info) { return info.param.name; });

TEST(Paths, AStarIsOneSegment) {
  EXPECT_EQ(match_path("/api/v1/runs/*", "/api/v1/runs/7"), std::vector<std::string>{"7"});
  EXPECT_EQ(match_path("/v1/models/*/*", "/v1/models/meta/llama"), (std::vector<std::string>{"meta", "llama"}));
  EXPECT_FALSE(match_path("/api/v1/runs/*", "/api/v1/runs"));
  EXPECT_FALSE(match_path("/api/v1/runs/*", "/api/v1/runs/7/stream"));
  EXPECT_FALSE(match_path("/healthz", "/healthz/"));
}

TEST(IdempotencyKey, HasALimit) {
  EXPECT_TRUE(check_idempotency_key(std::string(255, 'k')));
  EXPECT_EQ(check_idempotency_key(std::string(256, 'k')).error().param, "Idempotency-Key");
}

/// A client that remembers what it was sent, and reads nothing while `blocked`.
class FakeExchange final : public http::Exchange {
 public:
  explicit FakeExchange(asio::io_context& io) : gate_(io, std::chrono::steady_clock::time_point::max()) {}

  const http::Request& request() const override { return request_; }
  std::string take_body() override { return {}; }
  Task<Result<>> respond(http::Response response) override {
    status = response.status;
    headers = std::move(response.headers);
    sent += response.body;
    co_return Result<>();
  }
  Task<Result<>> begin_stream(int code, http::Headers fields) override {
    status = code;
    headers = std::move(fields);
    co_return Result<>();
  }
  Task<Result<>> write(std::string_view bytes) override {
    EXPECT_FALSE(writing_) << "two writes at once";
    writing_ = true;
    const std::string copy(bytes);
    if (blocked) {
      boost::system::error_code ignored;
      co_await gate_.async_wait(asio::redirect_error(use_task, ignored));
    }
    EXPECT_EQ(copy, bytes) << "the bytes changed while they were written";
    sent += copy;
    writing_ = false;
    co_return Result<>();
  }
  Task<Result<>> end_stream() override {
    ended = true;
    co_return Result<>();
  }
  void abort() override {}
  bool responded() const override { return status != 0; }
  CancelSource& disconnect() override { return disconnect_; }
  int status_sent() const override { return status; }
  std::size_t bytes_sent() const override { return sent.size(); }
  void read_on() {
    blocked = false;
    gate_.cancel();
  }

  http::Request request_;
  int status = 0;
  http::Headers headers;
  std::string sent;
  bool ended = false;
  bool blocked = false;

 private:
  bool writing_ = false;
  asio::steady_timer gate_;
  CancelSource disconnect_;
};

class Sse : public testing::Test {
 protected:
  void run(std::function<Task<void>()> body) {
    asio::co_spawn(io_, std::move(body), asio::detached);
    io_.restart();
    io_.run();
  }
  asio::io_context io_;
  StreamTicker ticker_{io_, std::chrono::milliseconds(1), std::chrono::milliseconds(0)};
  FakeExchange exchange_{io_};
  SseAudience audience_{exchange_, ticker_, [] { return http::Headers{{"x-signalbox-run", "r"}}; }};
};

TEST_F(Sse, NothingIsSentBeforeTheFirstEvent) {
  EXPECT_FALSE(audience_.begun());
  run([this]() -> Task<void> {
    (void)co_await audience_.event(0, R"({"a":1})");
    (void)co_await audience_.done(42);
  });
  EXPECT_EQ(exchange_.sent, "id: 0\ndata: {\"a\":1}\n\n: signalbox-cost 42\ndata: [DONE]\n\n");
  EXPECT_EQ(exchange_.headers.get("content-type"), "text/event-stream; charset=utf-8");
  EXPECT_EQ(exchange_.headers.get("x-signalbox-run"), "r");
  EXPECT_TRUE(exchange_.ended);
}

TEST_F(Sse, AnErrorInBandIsNotFollowedByDone) {
  run([this]() -> Task<void> {
    (void)co_await audience_.event(0, "{}");
    (void)co_await audience_.fail_in_band(R"({"error":{}})", 7);
  });
  EXPECT_NE(exchange_.sent.find(": signalbox-cost 7\ndata: {\"error\":{}}\n\n"), std::string::npos);
  EXPECT_EQ(exchange_.sent.find("[DONE]"), std::string::npos);
}

TEST_F(Sse, SilenceIsFilledWithCommentsAndAnEventWaitsForTheOneUnderWay) {
  exchange_.blocked = true;
  ticker_.start();
  run([this]() -> Task<void> {
    while (!audience_.begun()) co_await asio::post(use_task);  // the ticker has begun a comment, and it hangs
    auto event = [](SseAudience& audience) -> Task<void> { (void)co_await audience.event(0, "{}"); };
    asio::co_spawn(io_, event(audience_), asio::detached);
    exchange_.read_on();
    co_await audience_.settle();
    ticker_.stop();
  });
  EXPECT_TRUE(exchange_.sent.starts_with(":")) << exchange_.sent;
  EXPECT_EQ(exchange_.sent.find("keep-alive\n\n"), std::string::npos) << "an event without data, to some clients";
}

TEST(Errors, ARefusalThatMayPassSaysWhenToComeBack) {
  asio::io_context io;
  FakeExchange exchange(io);
  asio::co_spawn(io, respond_error(exchange, at_limit()), asio::detached);
  io.run();
  EXPECT_EQ(exchange.status, model::http_status(Errc::unavailable));
  EXPECT_EQ(exchange.headers.get("retry-after"), "1");
}

TEST(Changes, OneAtATime) {
  asio::io_context io;
  ChangeGate gate;
  std::string order;
  const auto change = [&](char mark) -> Task<void> {
    auto pass = co_await gate.enter();
    EXPECT_TRUE(pass);
    order += mark;
    co_await asio::post(use_task);
    order += mark;
  };
  asio::co_spawn(io, change('a'), asio::detached);
  asio::co_spawn(io, change('b'), asio::detached);
  io.run();
  EXPECT_EQ(order, "aabb");
}

TEST(Changes, NobodyWaitsForever) {
  asio::io_context io;
  ChangeGate gate;
  const auto both = [&]() -> Task<void> {
    const auto first = co_await gate.enter();
    const auto second = co_await gate.enter(std::chrono::milliseconds(0));
    EXPECT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::unavailable);
  };
  asio::co_spawn(io, both(), asio::detached);
  io.run();
}

}  // namespace
}  // namespace sb::api
