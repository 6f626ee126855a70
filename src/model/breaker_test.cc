#include "model/breaker.h"

#include <gtest/gtest.h>

#include "model/retry.h"

namespace sb::model {
namespace {

using std::chrono::milliseconds;
constexpr Micros kSecond = 1'000'000;

BreakerConfig config() {
  BreakerConfig config;
  config.failures_min = 3;
  config.window = milliseconds(10'000);
  config.open_for = milliseconds(5'000);
  config.open_for_max = milliseconds(12'000);
  return config;
}

class HarmlessCause : public ::testing::TestWithParam<Cause> {};
TEST_P(HarmlessCause, NeverOpens) {
  Breaker breaker(config());
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(breaker.allow(i));
    breaker.record(GetParam(), i);
  }
  EXPECT_EQ(breaker.state(1000), Breaker::State::closed);
}
INSTANTIATE_TEST_SUITE_P(Causes, HarmlessCause,
                         ::testing::Values(Cause::ok, Cause::caller_fault, Cause::not_found, Cause::unsupported,
                                           Cause::cancelled),
                         [](const auto& info) { return std::string(to_string(info.param)); });

class HarmfulCause : public ::testing::TestWithParam<Cause> {};
TEST_P(HarmfulCause, OpensAtTheLimitAndOneProbeClosesItAgain) {
  Breaker breaker(config());
  Micros now = kSecond;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(breaker.state(now), Breaker::State::closed);
    ASSERT_TRUE(breaker.allow(now));
    breaker.record(GetParam(), now);
  }
  ASSERT_EQ(breaker.state(now), Breaker::State::open);
  EXPECT_FALSE(breaker.allow(now + 5 * kSecond - 1));
  now += 5 * kSecond;
  EXPECT_TRUE(breaker.allow(now));   // the probe
  EXPECT_FALSE(breaker.allow(now));  // nobody else meanwhile
  breaker.record(Cause::ok, now);
  EXPECT_EQ(breaker.state(now), Breaker::State::closed);
  EXPECT_TRUE(breaker.allow(now));
}
INSTANTIATE_TEST_SUITE_P(Causes, HarmfulCause,
                         ::testing::Values(Cause::timeout, Cause::connect, Cause::server_error, Cause::invalid),
                         [](const auto& info) { return std::string(to_string(info.param)); });

TEST(Breaker, AFailedProbeDoublesTheWaitUpToItsBound) {
  Breaker breaker(config());
  Micros now = kSecond;
  for (int i = 0; i < 3; ++i) breaker.record(Cause::timeout, now);
  for (const Micros wait : {5 * kSecond, 10 * kSecond, 12 * kSecond, 12 * kSecond}) {
    EXPECT_EQ(breaker.ready_at(now), now + wait);
    now += wait;
    ASSERT_TRUE(breaker.allow(now));
    breaker.record(Cause::timeout, now);
  }
}

TEST(Breaker, SomeFailuresAmongManySuccessesAreNotEnough) {
  Breaker breaker(config());
  for (int i = 0; i < 300; ++i) breaker.record(i % 3 == 0 ? Cause::server_error : Cause::ok, i * 1000);
  EXPECT_EQ(breaker.state(300'000), Breaker::State::closed);
}

TEST(Breaker, OldFailuresAreForgotten) {
  Breaker breaker(config());
  breaker.record(Cause::timeout, 0);
  breaker.record(Cause::timeout, 0);
  breaker.record(Cause::timeout, 11 * kSecond);
  EXPECT_EQ(breaker.state(11 * kSecond), Breaker::State::closed);
}

TEST(Breaker, RateLimitCoolsDownAsLongAsItAsks) {
  Breaker breaker(config());
  breaker.record(Cause::rate_limited, 0, 7 * kSecond);
  EXPECT_EQ(breaker.state(kSecond), Breaker::State::cooling);
  EXPECT_EQ(breaker.ready_at(kSecond), 7 * kSecond);
  EXPECT_FALSE(breaker.allow(7 * kSecond - 1));
  EXPECT_TRUE(breaker.allow(7 * kSecond));
  EXPECT_TRUE(breaker.allow(7 * kSecond));  // no half-open state: it never was ill
}

TEST(Breaker, ARefusedKeyMarksTheDeploymentAtOnceAndAnAnswerClearsIt) {
  Breaker breaker(config());
  breaker.record(Cause::bad_credentials, 0);
  EXPECT_EQ(breaker.state(kSecond), Breaker::State::misconfigured);
  EXPECT_FALSE(breaker.allow(59 * kSecond));
  EXPECT_TRUE(breaker.allow(60 * kSecond));
  breaker.record(Cause::caller_fault, 60 * kSecond);  // 400: so the key is good
  EXPECT_EQ(breaker.state(60 * kSecond), Breaker::State::closed);
}

TEST(Breaker, AProbeThatNeverReportsDoesNotBlockForEver) {
  Breaker breaker(config());
  for (int i = 0; i < 3; ++i) breaker.record(Cause::connect, 0);
  ASSERT_TRUE(breaker.allow(5 * kSecond));
  EXPECT_FALSE(breaker.allow(100 * kSecond));
  EXPECT_TRUE(breaker.allow(125 * kSecond));
}

struct RetryAfterCase {
  const char* name;
  http::Headers headers;
  std::optional<std::int64_t> expected_us;
};
class RetryAfter : public ::testing::TestWithParam<RetryAfterCase> {};
TEST_P(RetryAfter, UnderstandsEveryForm) {
  const Micros now = 784'111'777 * kSecond;  // Sun, 06 Nov 1994 08:49:37 GMT
  const auto wait = retry_after(GetParam().headers, now);
  ASSERT_EQ(wait.has_value(), GetParam().expected_us.has_value());
  if (wait) EXPECT_EQ(wait->count(), *GetParam().expected_us);
}
INSTANTIATE_TEST_SUITE_P(
    Forms, RetryAfter,
    ::testing::Values(RetryAfterCase{"none", {}, std::nullopt},
                      RetryAfterCase{"seconds", {{"Retry-After", "2"}}, 2 * kSecond},
                      RetryAfterCase{"fraction", {{"retry-after", " 0.25 "}}, kSecond / 4},
                      RetryAfterCase{"milliseconds_win", {{"retry-after", "9"}, {"retry-after-ms", "150"}}, 150'000},
                      RetryAfterCase{"date", {{"retry-after", "Sun, 06 Nov 1994 08:49:40 GMT"}}, 3 * kSecond},
                      RetryAfterCase{"past_date", {{"retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"}}, 0},
                      RetryAfterCase{"nonsense", {{"retry-after", "soon"}}, std::nullopt},
                      RetryAfterCase{"negative", {{"retry-after", "-3"}}, std::nullopt},
                      RetryAfterCase{"absurd", {{"retry-after", "1e300"}}, 86'400 * kSecond}),
    [](const auto& info) { return info.param.name; });

TEST(Backoff, StaysWithinItsGrowingBound) {
  RetryConfig config;
  config.backoff_base = milliseconds(100);
  config.backoff_cap = milliseconds(1'000);
  SeededEntropy random(3);
  for (const auto& [failures, bound] :
       {std::pair{1, 100'000}, {2, 200'000}, {4, 800'000}, {5, 1'000'000}, {60, 1'000'000}}) {
    std::int64_t longest = 0;
    for (int i = 0; i < 500; ++i) longest = std::max<std::int64_t>(longest, backoff(config, failures, random).count());
    EXPECT_LE(longest, bound);
    EXPECT_GT(longest, bound * 9 / 10);  // full jitter reaches nearly everything
  }
}

TEST(DrawOrder, FollowsTheWeightsAndNamesEachOnce) {
  SeededEntropy random(11);
  const std::vector<Target::Candidate> group = {{0, 6}, {1, 3}, {2, 1}};
  int first[3] = {};
  for (int i = 0; i < 10'000; ++i) {
    auto order = draw_order(group, random);
    ++first[order.front()];
    std::ranges::sort(order);
    ASSERT_EQ(order, (std::vector<std::size_t>{0, 1, 2}));
  }
  EXPECT_NEAR(first[0], 6000, 200);
  EXPECT_NEAR(first[1], 3000, 200);
  EXPECT_NEAR(first[2], 1000, 200);
}

TEST(Cause, StatusesAreJudgedByWhoseFaultTheyAre) {
  EXPECT_EQ(cause_of_status(200, true), Cause::ok);
  EXPECT_EQ(cause_of_status(302, true), Cause::invalid);
  EXPECT_EQ(cause_of_status(400, true), Cause::caller_fault);
  EXPECT_EQ(cause_of_status(422, true), Cause::caller_fault);
  EXPECT_EQ(cause_of_status(401, true), Cause::bad_credentials);
  EXPECT_EQ(cause_of_status(401, false), Cause::caller_fault);
  EXPECT_EQ(cause_of_status(404, true), Cause::not_found);
  EXPECT_EQ(cause_of_status(408, true), Cause::timeout);
  EXPECT_EQ(cause_of_status(429, true), Cause::rate_limited);
  EXPECT_EQ(cause_of_status(503, true), Cause::server_error);
  EXPECT_EQ(cause_of_status(529, true), Cause::server_error);
}

}  // namespace
}  // namespace sb::model
