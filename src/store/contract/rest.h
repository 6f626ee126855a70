/// Runs at rest: what wakes them.
#pragma once

#include <map>

#include "store/contract/fixture.h"

namespace sb::store::testing {

TEST_P(StoreContract, ARunAtRestHasItsTimeAndItsEventsUntilItGoesOn) {
  const RunId id = new_run_id();
  const auto listening = [&](const char* tenant, const char* type) {
    return wait_for(store_->listeners(tenant, type, 0, 10))->size();
  };
  const auto timers = [&] { return *wait_for(store_->timers({}, 10)); };
  Commit born = create(id, RunStatus::waiting);
  born.wake = {5'000'000, {"order", "order", ""}};
  const RunRow row = *born.create;
  ASSERT_TRUE(commit(std::move(born)));
  reopen();
  ASSERT_EQ(timers().size(), 1U);
  EXPECT_EQ(timers()[0].run, id);
  EXPECT_EQ(timers()[0].due_us, 5'000'000);
  EXPECT_EQ(wait_for(store_->listeners("acme", "order", 0, 10))->at(0).run, id);
  EXPECT_EQ(listening("acme", "orders"), 1U) << "it listens for any";
  EXPECT_EQ(listening("globex", "order"), 0U);

  const auto update = [&](RunStatus status, WakeUp wake) {
    Commit changed;
    changed.update = row;
    changed.update->status = status;
    changed.wake = std::move(wake);
    return commit(std::move(changed));
  };
  ASSERT_TRUE(update(RunStatus::waiting, {0, {"paid"}}));
  EXPECT_TRUE(timers().empty());
  EXPECT_EQ(listening("acme", "order"), 0U);
  EXPECT_EQ(listening("acme", "paid"), 1U);
  ASSERT_TRUE(update(RunStatus::running, {7'000'000, {"paid"}}));
  EXPECT_TRUE(timers().empty()) << "who goes on is not woken";
  EXPECT_EQ(listening("acme", "paid"), 0U);
  ASSERT_TRUE(update(RunStatus::waiting, {8'000'000, {}}));
  EXPECT_EQ(timers().size(), 1U);
  ASSERT_TRUE(update(RunStatus::completed, {}));
  EXPECT_TRUE(timers().empty());
}

TEST_P(StoreContract, TimersComeInTheOrderOfTheirTimesPageByPage) {
  constexpr int kRuns = 30;
  std::multimap<Micros, RunId> expected;
  for (int i = 0; i < kRuns; ++i) {
    const RunId id = new_run_id();
    Commit born = create(id, RunStatus::waiting);
    born.wake.due_us = 1 + (i * 7) % 10;  // three of each time
    expected.emplace(born.wake.due_us, id);
    ASSERT_TRUE(commit(std::move(born)));
  }
  std::vector<RunId> seen;
  Timer last;
  for (;;) {
    const auto page = wait_for(store_->timers(last, 4));
    ASSERT_TRUE(page) << page.error().detail;
    if (page->empty()) break;
    for (const Timer& timer : *page) seen.push_back(timer.run);
    last = page->back();
  }
  std::vector<RunId> in_order;
  for (const auto& [due, id] : expected) in_order.push_back(id);
  EXPECT_EQ(seen, in_order);
}

TEST_P(StoreContract, WhatARunHasToTellComesWithItsChangeAndGoesWhenItIsTold) {
  const auto rows = [&](std::size_t limit = 10) { return *wait_for(store_->outbox(0, limit)); };
  const RunId id = new_run_id(), other = new_run_id();
  Commit born = create(id);
  const RunRow row = *born.create;
  born.outbox = {{0, id, 1, "started"}, {0, id, 2, "task"}};
  ASSERT_TRUE(commit(std::move(born)));
  Commit refused = create(id);
  refused.outbox = {{0, id, 3, "of a commit that was refused"}};
  EXPECT_EQ(code(commit(std::move(refused))), Errc::already_exists);
  Commit second = create(other, RunStatus::completed);
  second.outbox = {{0, other, 1, "of another"}};
  ASSERT_TRUE(commit(std::move(second)));
  reopen();
  ASSERT_EQ(rows().size(), 3U);
  EXPECT_EQ(rows()[1].sealed, "task");
  EXPECT_EQ(rows()[1].seq, 2U);
  EXPECT_EQ(rows()[2].run, other);
  EXPECT_EQ(rows(1).size(), 1U);

  Commit told;
  told.told = {rows()[0].no, rows()[1].no};
  const auto last = rows()[2].no;
  ASSERT_TRUE(commit(std::move(told)));
  ASSERT_EQ(rows().size(), 1U);
  Commit erasure;
  erasure.erase = {other};
  ASSERT_TRUE(commit(std::move(erasure)));
  EXPECT_TRUE(rows().empty()) << "an erased run tells nothing";
  Commit later;
  later.update = row;
  later.outbox = {{0, id, 3, "later"}};
  ASSERT_TRUE(commit(std::move(later)));
  ASSERT_EQ(rows().size(), 1U);
  EXPECT_GT(rows()[0].no, last) << "numbers are not used again";
}

TEST_P(StoreContract, OnlyARunThatIsThereHasSomethingToTell) {
  Commit nobodys;
  nobodys.run = new_run_id();
  nobodys.outbox = {{0, nobodys.run, 1, "?"}};
  EXPECT_EQ(code(commit(std::move(nobodys))), Errc::not_found);
}

}  // namespace sb::store::testing
