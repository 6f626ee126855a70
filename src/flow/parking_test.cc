#include "flow/parking.h"

#include <gtest/gtest.h>

#include <random>

#include "base/clock.h"

namespace sb::flow {
namespace {

constexpr std::size_t kNear = 8;

/// The timers of a store, and who asks it as an engine does.
struct Stored {
  void rest(RunId run, Micros due) {
    timers.push_back({due, ++last, run});
    parking.set(run, due);
  }
  void look() {
    while (parking.wants_page()) {
      const auto after = parking.begin_page();
      parking.end_page(page(after), [](const RunId&) { return true; });
    }
  }
  std::vector<store::Timer> page(const store::Timer& after) const {
    auto sorted = timers;
    std::ranges::sort(sorted, {}, [](const auto& timer) { return std::pair(timer.due_us, timer.no); });
    std::erase_if(sorted, [&](const auto& timer) {
      return std::pair(timer.due_us, timer.no) <= std::pair(after.due_us, after.no);
    });
    if (sorted.size() > kNear) sorted.resize(kNear);
    return sorted;
  }
  /// Those that are woken at `now`; they rest no more.
  std::size_t wake(Micros now) {
    std::size_t woken = 0;
    look();
    while (const auto run = parking.take_due(now)) {
      woken += std::erase_if(timers, [&](const auto& timer) { return timer.run == *run; });
      look();
    }
    return woken;
  }
  std::size_t overdue(Micros now) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(timers, [&](const auto& timer) { return timer.due_us <= now; }));
  }

  std::vector<store::Timer> timers;
  std::int64_t last = 0;
  Parking parking{kNear};
};

RunId new_run(SeededEntropy& entropy) {
  return RunId::generate(system_clock(), entropy);
}

TEST(Parking, EveryRunIsWokenWhenItsTimeComesAndMemoryIsBounded) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(static_cast<unsigned>(seed));
    SeededEntropy entropy(seed);
    Stored stored;
    for (int i = 0; i < 40; ++i)  // before the start: nobody was told
      stored.timers.push_back({static_cast<Micros>(1 + random() % 50), ++stored.last, new_run(entropy)});
    stored.parking.expect_store();
    for (Micros now = 1; now <= 200; ++now) {
      for (unsigned i = random() % 4; i > 0; --i) stored.rest(new_run(entropy), now + 1 + random() % 60);
      stored.wake(now);
      ASSERT_EQ(stored.overdue(now), 0U) << "at " << now;
      ASSERT_LE(stored.parking.size(), 2 * kNear);
    }
    stored.wake(1'000);
    EXPECT_TRUE(stored.timers.empty());
  }
}

TEST(Parking, ManyOfOneTimeAreWokenToo) {
  SeededEntropy entropy(1);
  Stored stored;
  for (int i = 0; i < 100; ++i) stored.rest(new_run(entropy), 7);
  EXPECT_LE(stored.parking.size(), 2 * kNear);
  EXPECT_EQ(stored.wake(6), 0U);
  EXPECT_EQ(stored.wake(7), 100U);
}

TEST(Parking, WhatComesWhileTheStoreAnswersIsNotLost) {
  SeededEntropy entropy(1);
  Stored stored;
  for (int i = 0; i < 20; ++i) stored.timers.push_back({10 + i, ++stored.last, new_run(entropy)});
  stored.parking.expect_store();
  const auto page = stored.page(stored.parking.begin_page());
  const RunId meanwhile = new_run(entropy);
  stored.rest(meanwhile, 12);  // within what the page covers, and not in it
  stored.parking.end_page(page, [](const RunId&) { return true; });
  EXPECT_EQ(stored.wake(12), 4U);
}

TEST(Parking, ANewTimeReplacesTheOldOne) {
  SeededEntropy entropy(1);
  Parking parking(kNear);
  const RunId run = new_run(entropy);
  parking.set(run, 10);
  parking.set(run, 20);
  EXPECT_FALSE(parking.take_due(10));
  EXPECT_EQ(parking.take_due(20), run);
  parking.set(run, 30);
  parking.forget(run);
  EXPECT_EQ(parking.next_due(), 0);
}

}  // namespace
}  // namespace sb::flow
