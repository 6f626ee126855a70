#include "keys/limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace sb {
namespace {

using namespace std::chrono_literals;
using TimePoint = RateLimiter::TimePoint;

constexpr Micros kDayUs = 24LL * 3600 * 1'000'000;
constexpr Micros kNoon = 20'000 * kDayUs + kDayUs / 2;
const TimePoint kStart = TimePoint() + 1000h;

KeyId key(std::uint64_t seed = 1) {
  SeededEntropy entropy(seed);
  return KeyId(Uuid::v7(1, entropy));
}

TEST(RateLimiter, GivesAMinutesRequestsAtOnceAndThenAnEvenFlow) {
  RateLimiter limiter;
  for (int i = 0; i < 60; ++i) {
    const auto decision = limiter.take(key(), 60, kStart);
    EXPECT_TRUE(decision.allowed) << i;
    EXPECT_EQ(decision.remaining, 59 - i);
  }
  const auto refused = limiter.take(key(), 60, kStart);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.retry_after, 1s);
  EXPECT_EQ(refused.reset, 60s);
  EXPECT_EQ(refused.check().error().code, Errc::rate_limited);
  EXPECT_THAT(refused.check().error().detail, testing::HasSubstr("60 requests a minute; try again in 1s"));
  EXPECT_FALSE(limiter.take(key(), 60, kStart + 999ms).allowed);
  EXPECT_TRUE(limiter.take(key(), 60, kStart + 1s).allowed);
  EXPECT_FALSE(limiter.take(key(), 60, kStart + 1s).allowed);
  EXPECT_EQ(limiter.take(key(), 60, kStart + 10min).remaining, 59);
}

TEST(RateLimiter, HeadersSayLimitRemainingAndReset) {
  RateLimiter limiter;
  const auto one = limiter.take(key(), 2, kStart);
  EXPECT_EQ(one.limit_header(), "2");
  EXPECT_EQ(one.remaining_header(), "1");
  EXPECT_EQ(one.reset_header(), "30s");
  EXPECT_EQ(limiter.take(key(), 2, kStart).reset_header(), "1m0s");
  EXPECT_EQ(limiter.take(key(), 2, kStart + 500ms).retry_after_header(), "30");
  EXPECT_EQ(RateLimiter().take(key(), 600, kStart).reset_header(), "100ms");
  EXPECT_EQ(RateLimiter().take(key(), 24, kStart).reset_header(), "2.5s");
}

TEST(RateLimiter, NoLimitIsNoLimitAndKeysDoNotShare) {
  RateLimiter limiter;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(limiter.take(key(), 0, kStart).check());
  EXPECT_TRUE(limiter.take(key(1), 1, kStart).allowed);
  EXPECT_FALSE(limiter.take(key(1), 1, kStart).allowed);
  EXPECT_TRUE(limiter.take(key(2), 1, kStart).allowed);
}

TEST(RateLimiter, NeverAllowsMoreThanTheBucketAndItsRefill) {
  for (const std::int64_t per_minute : {1, 7, 59, 60, 61, 997, 1'000'000'000}) {
    SeededEntropy entropy(static_cast<std::uint64_t>(per_minute));
    RateLimiter limiter;
    auto now = kStart;
    std::int64_t allowed = 0;
    for (int i = 0; i < 3000; ++i) {
      now +=
          std::chrono::nanoseconds(entropy.next_u64() % (120'000'000'000ULL / static_cast<std::uint64_t>(per_minute)));
      allowed += limiter.take(key(), per_minute, now).allowed ? 1 : 0;
      const double elapsed_minutes = std::chrono::duration<double>(now - kStart).count() / 60;
      ASSERT_LE(static_cast<double>(allowed), static_cast<double>(per_minute) * (1 + elapsed_minutes) * 1.001 + 1);
    }
    EXPECT_GT(allowed, 1000) << per_minute;
  }
}

TEST(RateLimiter, ThreadsTogetherGetExactlyTheLimit) {
  RateLimiter limiter;
  std::atomic<int> allowed = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 500; ++i) allowed += limiter.take(key(), 300, kStart).allowed ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(allowed, 300);
}

TEST(InFlightLimiter, CountsUntilTheTicketGoes) {
  InFlightLimiter limiter;
  auto one = limiter.enter(key(), 2);
  {
    auto two = limiter.enter(key(), 2);
    ASSERT_TRUE(two);
    const auto three = limiter.enter(key(), 2);
    ASSERT_FALSE(three);
    EXPECT_EQ(three.error().code, Errc::rate_limited);
    EXPECT_TRUE(limiter.enter(key(2), 2));
    auto moved = std::move(*two);
    EXPECT_FALSE(limiter.enter(key(), 2));
  }
  EXPECT_TRUE(limiter.enter(key(), 2));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(limiter.enter(key(), 0));
}

TEST(SpendLedger, ReservesSettlesAndGivesBack) {
  SpendLedger ledger;
  const auto day = utc_day(kNoon);
  auto first = ledger.reserve(key(), 100, 60, kNoon);
  ASSERT_TRUE(first);
  EXPECT_EQ(ledger.reserved(key(), day), 60);
  const auto refused = ledger.reserve(key(), 100, 41, kNoon);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::budget_exceeded);
  EXPECT_THAT(refused.error().detail, testing::HasSubstr("2024-10-05T00:00:00"));
  first->settle(10);
  first->settle(10);
  EXPECT_EQ(ledger.spent(key(), day), 10);
  EXPECT_EQ(ledger.reserved(key(), day), 0);
  {
    const auto dropped = ledger.reserve(key(), 100, 90, kNoon);
    EXPECT_TRUE(dropped);
  }
  EXPECT_EQ(ledger.reserved(key(), day), 0);
  EXPECT_EQ(ledger.spent(key(), day), 10);
  EXPECT_TRUE(ledger.reserve(key(2), 100, 100, kNoon));
}

TEST(SpendLedger, ACostAboveTheReservationIsWrittenAndStopsTheNext) {
  SpendLedger ledger;
  ledger.reserve(key(), 100, 50, kNoon)->settle(130);
  EXPECT_EQ(ledger.spent(key(), utc_day(kNoon)), 130);
  EXPECT_FALSE(ledger.reserve(key(), 100, 0, kNoon));
  EXPECT_TRUE(ledger.reserve(key(), 0, 1'000'000, kNoon));
}

TEST(SpendLedger, ADayStartsEmptyAndARequestCountsOnTheDayItBegan) {
  SpendLedger ledger;
  auto before_midnight = ledger.reserve(key(), 100, 100, kNoon);
  ASSERT_TRUE(before_midnight);
  auto after_midnight = ledger.reserve(key(), 100, 70, kNoon + kDayUs);
  ASSERT_TRUE(after_midnight);
  before_midnight->settle(90);
  EXPECT_EQ(ledger.spent(key(), utc_day(kNoon)), 90);
  EXPECT_EQ(ledger.spent(key(), utc_day(kNoon + kDayUs)), 0);
  EXPECT_EQ(ledger.reserved(key(), utc_day(kNoon + kDayUs)), 70);
  // Two days on, the slot of the first day is used again; a late settlement must not land in it.
  auto third_day = ledger.reserve(key(), 100, 100, kNoon + 2 * kDayUs);
  ASSERT_TRUE(third_day);
  EXPECT_EQ(ledger.spent(key(), utc_day(kNoon)), 0);
  EXPECT_EQ(ledger.reserved(key(), utc_day(kNoon + 2 * kDayUs)), 100);
}

TEST(SpendLedger, AClockThatGoesBackOpensNoSpentDayAgain) {
  SpendLedger ledger;
  ledger.reserve(key(), 100, 100, kNoon + 5 * kDayUs)->settle(100);
  EXPECT_FALSE(ledger.reserve(key(), 100, 1, kNoon));
}

TEST(SpendLedger, StartsFromTheBooks) {
  SpendLedger ledger;
  ledger.restore(key(), utc_day(kNoon), 95);
  EXPECT_FALSE(ledger.reserve(key(), 100, 6, kNoon));
  EXPECT_TRUE(ledger.reserve(key(), 100, 5, kNoon));
}

TEST(SpendLedger, HugeSumsStopAtTheTop) {
  SpendLedger ledger;
  ledger.reserve(key(), 0, 0, kNoon)->settle(std::numeric_limits<MicroMoney>::max());
  ledger.reserve(key(), 0, 0, kNoon)->settle(1);
  EXPECT_EQ(ledger.spent(key(), utc_day(kNoon)), std::numeric_limits<MicroMoney>::max());
}

TEST(SpendLedger, ConcurrentReservationsNeverExceedTheLimit) {
  constexpr MicroMoney kLimit = 10'000;
  SpendLedger ledger;
  const auto day = utc_day(kNoon);
  std::atomic<MicroMoney> out = 0;  // reserved and not yet settled, plus spent, as the threads know it
  std::atomic<MicroMoney> truth = 0;
  std::atomic<int> violations = 0;
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        SeededEntropy entropy(t);
        for (int i = 0; i < 2000; ++i) {
          const auto amount = static_cast<MicroMoney>(entropy.next_u64() % 200);
          auto reservation = ledger.reserve(key(), kLimit, amount, kNoon);
          if (!reservation) continue;
          // Added after the grant, taken off before the settlement: `out` is never above the ledger's own sum.
          if (out.fetch_add(amount) + amount > kLimit) ++violations;
          const auto actual = static_cast<MicroMoney>(entropy.next_u64() % static_cast<std::uint64_t>(amount + 1)) / 20;
          out.fetch_sub(amount - actual);
          truth += actual;
          reservation->settle(actual);
        }
      });
    }
  }
  EXPECT_EQ(violations, 0);
  EXPECT_EQ(ledger.reserved(key(), day), 0);
  EXPECT_EQ(ledger.spent(key(), day), truth);
  EXPECT_LE(ledger.spent(key(), day), kLimit);
  EXPECT_GT(ledger.spent(key(), day), 0);
}

TEST(UtcDay, ChangesAtMidnight) {
  EXPECT_EQ(utc_day(0), UtcDay{0});
  EXPECT_EQ(utc_day(kDayUs - 1), UtcDay{0});
  EXPECT_EQ(utc_day(kDayUs), UtcDay{1});
  EXPECT_EQ(utc_day(-1), UtcDay{-1});
}

}  // namespace
}  // namespace sb
