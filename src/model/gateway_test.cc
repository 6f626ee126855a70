#include "model/gateway.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <set>

#include "base/json.h"
#include "base/log.h"
#include "testing/fake_provider.h"

namespace sb::model {
namespace {

using std::chrono::milliseconds;
using testing::fake_error;
using testing::fake_status;
using testing::FakeReply;

// Two providers; "small" = a1 then b1 as fallback, "pair" = a1 and a2 side by side.
class Gateway : public ::testing::Test {
 protected:
  Gateway() {
    set_log_level(LogLevel::off);  // breakers open and close by the hundred here
    CatalogConfig config;
    for (const char* name : {"a", "b"}) {
      ProviderConfig provider;
      provider.name = name;
      provider.base_url = "http://127.0.0.1:1/v1";
      for (const char* number : {"1", "2"}) {
        provider.models.push_back({name + std::string(number), "", {1'000'000, 0, 2'000'000}, 0});
      }
      provider.retries.attempts_max = 3;
      provider.breaker.failures_min = 4;
      config.providers.push_back(std::move(provider));
    }
    config.tiers = {{"small", {{"a", "a1", 1, 0}, {"b", "b1", 1, 1}}},
                    {"pair", {{"a", "a1", 3, 0}, {"a", "a2", 1, 0}}},
                    {"single", {{"a", "a1", 1, 0}}}};
    config.call_deadline = milliseconds(60'000);
    catalog_ = std::make_unique<Catalog>(*Catalog::create(std::move(config)));
    std::vector<std::unique_ptr<Provider>> providers;
    for (auto** slot : {&a_, &b_}) {
      auto provider = std::make_unique<testing::FakeProvider>(clock_, calls_);
      *slot = provider.get();
      providers.push_back(std::move(provider));
    }
    gateway_ = std::make_unique<ModelGateway>(*catalog_, std::move(providers), clock_, sleeper_, random_);
  }

  template <class T>
  T run(Task<T> task) {
    asio::io_context io;
    std::optional<T> result;
    asio::co_spawn(io.get_executor(), std::move(task), [&](std::exception_ptr, T value) { result = std::move(value); });
    io.run();
    return *std::move(result);
  }

  ModelResult<ChatOutcome> chat(std::string_view model) {
    return run(gateway_->chat(**catalog_->resolve(model), call_));
  }
  ModelResult<std::unique_ptr<GatewayStream>> stream(std::string_view model) {
    return run(gateway_->chat_stream(**catalog_->resolve(model), call_));
  }
  static std::vector<Cause> causes(const std::vector<Attempt>& attempts) {
    std::vector<Cause> out;
    for (const auto& attempt : attempts) out.push_back(attempt.cause);
    return out;
  }

  testing::FakeClock clock_;
  testing::FakeSleeper sleeper_{clock_};
  SeededEntropy random_{42};
  std::vector<std::string> calls_;
  ChatCall call_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<ModelGateway> gateway_;
  testing::FakeProvider* a_ = nullptr;
  testing::FakeProvider* b_ = nullptr;
};

using Calls = std::vector<std::string>;
using Causes = std::vector<Cause>;

TEST_F(Gateway, FirstAnswerIsTakenAndPaidFor) {
  const auto outcome = chat("small");
  ASSERT_TRUE(outcome);
  EXPECT_EQ(calls_, (Calls{"a1"}));
  EXPECT_EQ(outcome->attempts.size(), 1U);
  EXPECT_EQ(outcome->attempts[0].name, "a/a1");
  EXPECT_EQ(outcome->attempts[0].latency_us, 1'000);
  EXPECT_EQ(outcome->cost, 10 + 5 * 2);
  EXPECT_EQ(outcome->usage, (Usage{10, 0, 5, false}));
}

TEST_F(Gateway, RetriesThenFallsBackInOrderOfPriority) {
  a_->otherwise["a1"] = fake_status(500);
  const auto outcome = chat("small");
  ASSERT_TRUE(outcome);
  EXPECT_EQ(calls_, (Calls{"a1", "a1", "a1", "b1"}));
  EXPECT_EQ(causes(outcome->attempts),
            (Causes{Cause::server_error, Cause::server_error, Cause::server_error, Cause::ok}));
  EXPECT_EQ(sleeper_.waits.size(), 2U);
  EXPECT_EQ(catalog_->deployments()[outcome->deployment].name, "b/b1");
}

TEST_F(Gateway, OtherDeploymentsOfTheGroupAreTriedBeforeAnyWait) {
  a_->otherwise["a1"] = fake_error(Errc::unavailable);
  a_->otherwise["a2"] = fake_error(Errc::unavailable);
  const auto outcome = chat("pair");
  ASSERT_FALSE(outcome);
  ASSERT_GE(calls_.size(), 2U);
  EXPECT_NE(calls_[0], calls_[1]);
  EXPECT_EQ(outcome.error().error.code, Errc::unavailable);
  EXPECT_EQ(outcome.error().status, 503);
}

TEST_F(Gateway, WeightsDecideWhoIsAskedFirst) {
  for (int i = 0; i < 2'000; ++i) ASSERT_TRUE(chat("pair"));
  EXPECT_NEAR(static_cast<double>(std::ranges::count(calls_, "a1")), 1'500, 100);
}

class CallersFault : public Gateway, public ::testing::WithParamInterface<int> {};
TEST_P(CallersFault, IsFinalVerbatimAndNeverOpensTheBreaker) {
  const std::string body = R"({"error":{"message":"x","type":"invalid_request_error","param":"n","code":null}})";
  a_->otherwise["a1"] = fake_status(GetParam(), {{"x-request-id", "up-1"}}, body);
  for (int i = 0; i < 50; ++i) {
    calls_.clear();
    const auto outcome = chat("small");
    ASSERT_FALSE(outcome);
    ASSERT_EQ(calls_, (Calls{"a1"}));
    ASSERT_EQ(outcome.error().status, GetParam());
    ASSERT_EQ(outcome.error().body, body);
    ASSERT_EQ(outcome.error().headers.get("x-request-id"), "up-1");
  }
  EXPECT_EQ(gateway_->stats(0).state, Breaker::State::closed);
}
INSTANTIATE_TEST_SUITE_P(Statuses, CallersFault, ::testing::Values(400, 413, 422));

TEST_F(Gateway, AnUnknownModelUpstreamFallsBackButOpensNothing) {
  a_->otherwise["a1"] = fake_status(404);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(chat("small"));
  EXPECT_EQ(std::ranges::count(calls_, "a1"), 20);
  EXPECT_EQ(gateway_->stats(0).state, Breaker::State::closed);
}

TEST_F(Gateway, OurRefusedKeyIsNeverTheCallersFault) {
  a_->otherwise["a1"] = fake_status(401, {}, R"({"error":{"message":"bad key sk-123"}})");
  const auto outcome = chat("single");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().status, 502);
  EXPECT_EQ(outcome.error().error.code, Errc::upstream_error);
  EXPECT_EQ(outcome.error().body.find("sk-123"), std::string::npos);
  EXPECT_EQ(gateway_->stats(0).state, Breaker::State::misconfigured);
  EXPECT_TRUE(chat("small"));  // falls back without asking a1 again
  EXPECT_EQ(calls_, (Calls{"a1", "b1"}));
}

TEST_F(Gateway, TheCallersOwnRefusedKeyIsTheirs) {
  call_.caller_key = "theirs";
  a_->otherwise["a1"] = fake_status(401, {}, R"({"error":{"message":"bad key"}})");
  const auto outcome = chat("small");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().status, 401);
  EXPECT_EQ(outcome.error().error.code, Errc::unauthenticated);
  EXPECT_EQ(gateway_->stats(0).state, Breaker::State::closed);
}

TEST_F(Gateway, RetryAfterIsHonoured) {
  a_->then("a1", fake_status(429, {{"retry-after", "3"}}));
  const auto outcome = chat("single");
  ASSERT_TRUE(outcome);
  ASSERT_EQ(sleeper_.waits.size(), 1U);
  EXPECT_EQ(sleeper_.waits[0], std::chrono::seconds(3));
}

Task<> let_others_go_on(int turns) {
  for (; turns > 0; --turns) co_await asio::post(co_await asio::this_coro::executor, use_task);
}

// Refuses its first two calls, which are under way side by side, and asks the later one for more patience.
class SlowlyRefusing final : public Provider {
 public:
  Task<Result<ChatReply>> chat(ChatCall, UpstreamModel) override {
    const int call = ++calls_;
    co_await let_others_go_on(call);
    if (call > 2) co_return ChatReply();
    co_return ChatReply{.status = 429, .headers = {{"retry-after", call == 1 ? "1" : "5"}}, .body = {}, .usage = {}};
  }
  Task<Result<StreamStart>> chat_stream(ChatCall, UpstreamModel) override { co_return StreamStart(); }
  Task<Result<ChatReply>> embeddings(ChatCall call, UpstreamModel model) override { return chat(call, model); }
  Task<Result<std::vector<std::string>>> list_models(CancelSource*) override { co_return std::vector<std::string>(); }

 private:
  int calls_ = 0;
};

class TurnTakingSleeper final : public Sleeper {
 public:
  explicit TurnTakingSleeper(testing::FakeClock& clock) : clock_(clock) {}
  Task<> sleep(std::chrono::microseconds duration, CancelSource*) override {
    const auto until = clock_.steady() + duration;
    co_await let_others_go_on(10);
    if (clock_.steady() < until)
      clock_.advance(std::chrono::duration_cast<std::chrono::microseconds>(until - clock_.steady()));
  }

 private:
  testing::FakeClock& clock_;
};

TEST_F(Gateway, WhoWaitsWhileAnotherCallIsAskedForMorePatienceWaitsOn) {
  TurnTakingSleeper sleeper(clock_);
  std::vector<std::unique_ptr<Provider>> providers;
  providers.push_back(std::make_unique<SlowlyRefusing>());
  providers.push_back(std::make_unique<SlowlyRefusing>());
  gateway_ = std::make_unique<ModelGateway>(*catalog_, std::move(providers), clock_, sleeper, random_);
  const Micros before = clock_.now_us();
  asio::io_context io;
  int answered = 0;
  for (int call = 0; call < 2; ++call) {
    asio::co_spawn(io.get_executor(), gateway_->chat(**catalog_->resolve("single"), call_),
                   [&](std::exception_ptr, const ModelResult<ChatOutcome>& outcome) { answered += outcome ? 1 : 0; });
  }
  io.run();
  EXPECT_EQ(answered, 2);
  EXPECT_EQ(clock_.now_us() - before, 5'000'000);
}

TEST_F(Gateway, ALongRetryAfterGoesToTheFallbackAtOnceOrBackToTheCaller) {
  a_->otherwise["a1"] = fake_status(429, {{"retry-after", "30"}}, R"({"error":{"message":"slow down"}})");
  ASSERT_TRUE(chat("small"));
  EXPECT_EQ(calls_, (Calls{"a1", "b1"}));
  EXPECT_TRUE(sleeper_.waits.empty());
  // Still cooling: nobody asks a1 again, and the caller learns when to come back.
  const auto cooling = chat("single");
  ASSERT_FALSE(cooling);
  EXPECT_EQ(calls_.size(), 2U);
  EXPECT_EQ(causes(cooling.error().attempts), (Causes{Cause::passed_over}));
  EXPECT_EQ(cooling.error().retry_after, "30");
  clock_.advance(std::chrono::seconds(31));
  const auto again = chat("single");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().status, 429);
  EXPECT_EQ(again.error().retry_after, "30");
  EXPECT_EQ(again.error().body, R"({"error":{"message":"slow down"}})");
}

TEST_F(Gateway, ADeadDeploymentIsLeftAloneUntilAProbeSucceeds) {
  a_->otherwise["a1"] = fake_error(Errc::upstream_timeout);
  ASSERT_TRUE(chat("small"));
  ASSERT_TRUE(chat("small"));
  ASSERT_EQ(gateway_->stats(0).state, Breaker::State::open);
  calls_.clear();
  ASSERT_TRUE(chat("small"));
  EXPECT_EQ(calls_, (Calls{"b1"}));
  const auto shut = chat("single");
  ASSERT_FALSE(shut);
  EXPECT_EQ(shut.error().status, 503);
  EXPECT_FALSE(shut.error().retry_after.empty());
  clock_.advance(std::chrono::seconds(6));
  a_->otherwise.clear();
  calls_.clear();
  ASSERT_TRUE(chat("single"));
  EXPECT_EQ(calls_, (Calls{"a1"}));
  EXPECT_EQ(gateway_->stats(0).state, Breaker::State::closed);
}

TEST_F(Gateway, TheDeadlineBoundsAllAttemptsTogether) {
  FakeReply slow = fake_error(Errc::upstream_timeout);
  slow.latency = std::chrono::seconds(25);
  a_->otherwise["a1"] = slow;
  b_->otherwise["b1"] = slow;
  const Micros begun = clock_.now_us();
  const auto outcome = chat("small");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().status, 504);
  EXPECT_EQ(calls_.size(), 3U);  // 25, 50, 75 s: no fourth is begun after 60 s
  EXPECT_LT(clock_.now_us() - begun, 90'000'000);
}

TEST_F(Gateway, WhatOneProtocolCannotSayIsTriedAtTheNextProvider) {
  a_->otherwise["a1"] = fake_error(Errc::unsupported);
  ASSERT_TRUE(chat("small"));
  EXPECT_EQ(calls_, (Calls{"a1", "b1"}));
  const auto outcome = chat("single");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().error.code, Errc::unsupported);
  EXPECT_EQ(outcome.error().status, 400);
}

TEST_F(Gateway, ACancelledCallStopsWaitingAndBlamesNobody) {
  CancelSource cancel;
  call_.cancel = &cancel;
  sleeper_.cancel_during_wait = true;
  a_->otherwise["a1"] = fake_status(503);
  const auto outcome = chat("single");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().error.code, Errc::cancelled);
  EXPECT_EQ(calls_.size(), 1U);
}

TEST_F(Gateway, WhatAProviderReadIsCountedThoughNoAnswerCame) {
  for (const auto code : {Errc::upstream_timeout, Errc::cancelled, Errc::unavailable}) {
    a_->otherwise["a1"] = fake_error(code);
    call_.body = R"({"messages":[{"role":"user","content":"What did the provider read of this?"}]})";
    const auto outcome = chat("single");
    ASSERT_FALSE(outcome);
    ASSERT_FALSE(outcome.error().attempts.empty());
    const auto& attempt = outcome.error().attempts.front();
    EXPECT_EQ(attempt.usage.input_tokens > 0, code != Errc::unavailable) << to_string(code);
    EXPECT_EQ(attempt.cost > 0, code != Errc::unavailable) << to_string(code);
  }
}

TEST_F(Gateway, APageInPlaceOfAnErrorObjectIsReplaced) {
  a_->otherwise["a1"] = fake_status(502);
  const auto outcome = chat("single");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().status, 502);
  const auto body = parse_json(outcome.error().body);
  ASSERT_TRUE(body);
  EXPECT_TRUE(find_member(*body, "error"));
}

TEST_F(Gateway, AStreamThatFailsBeforeItsFirstChunkFallsBack) {
  FakeReply empty;  // ends at once
  FakeReply broken;
  broken.stream_error = Error(Errc::upstream_invalid, "cut");
  a_->then("a1", empty).then("a1", broken).then("a1", fake_status(500));
  b_->otherwise["b1"].chunks = {"x", "y"};
  auto started = stream("small");
  ASSERT_TRUE(started);
  EXPECT_EQ(calls_, (Calls{"a1", "a1", "a1", "b1"}));
  auto& live = **started;
  EXPECT_EQ(run(live.next()).value(), "x");
  EXPECT_TRUE(live.usage().estimated);
  EXPECT_EQ(run(live.next()).value(), "y");
  EXPECT_EQ(run(live.next()).value(), std::nullopt);
  EXPECT_EQ(live.usage(), (Usage{10, 0, 5, false}));
  EXPECT_EQ(live.cost(), 20);
  EXPECT_EQ(causes(live.attempts()), (Causes{Cause::invalid, Cause::invalid, Cause::server_error, Cause::ok}));
}

TEST_F(Gateway, AStreamCutInTheMiddleNeverLooksFinishedAndIsCounted) {
  auto& reply = a_->otherwise["a1"];
  reply.chunks = {"x", "y", "z"};
  reply.stream_error = Error(Errc::upstream_error, "told");
  reply.stream_error_body = R"({"error":{"message":"overloaded"}})";
  auto started = stream("small");
  ASSERT_TRUE(started);
  auto& live = **started;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(run(live.next()).value().has_value());
  EXPECT_FALSE(run(live.next()));
  EXPECT_FALSE(run(live.next()));  // and stays so
  EXPECT_EQ(calls_, (Calls{"a1"}));
  EXPECT_EQ(live.failure().body, reply.stream_error_body);
  EXPECT_EQ(live.attempts().back().cause, Cause::server_error);
  EXPECT_EQ(live.usage(), (Usage{10, 0, 3, true}));
  EXPECT_EQ(live.cost(), 10 + 3 * 2);
  EXPECT_EQ(gateway_->stats(0).failures, 1U);
}

// Whatever the faults: each attempt is recorded once, costs are the answers' alone, and the call ends.
TEST_F(Gateway, RandomFaultsAreAllRecordedAndBounded) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed=" + std::to_string(seed));
    SeededEntropy faults(seed);
    static constexpr int kStatuses[] = {200, 200, 400, 401, 404, 429, 500, 503, 0};
    for (const auto& [provider, model] : {std::pair{a_, "a1"}, {a_, "a2"}, {b_, "b1"}}) {
      const int status = kStatuses[faults.next_u64() % std::size(kStatuses)];
      provider->otherwise[model] = status == 0 ? fake_error(Errc::unavailable) : fake_status(status);
    }
    calls_.clear();
    const auto outcome = chat(seed % 2 ? "small" : "pair");
    const auto& attempts = outcome ? outcome->attempts : outcome.error().attempts;
    std::size_t made = 0;
    MicroMoney cost = 0;
    for (const auto& attempt : attempts) {
      made += attempt.cause != Cause::passed_over;
      cost += attempt.cost;
      ASSERT_EQ(attempt.cost > 0, attempt.cause == Cause::ok);
    }
    ASSERT_EQ(made, calls_.size());
    ASSERT_LE(made, 6U);
    if (outcome)
      ASSERT_EQ(outcome->cost, cost);
    else
      ASSERT_GE(outcome.error().status, 400);
    clock_.advance(std::chrono::seconds(1 + faults.next_u64() % 90));
  }
}

}  // namespace
}  // namespace sb::model
