/// Runs that go on from where they stood before, and runs that begin there.
#pragma once

#include "store/contract/fixture.h"

namespace sb::store::testing {

TEST_P(StoreContract, CheckpointsAreKeptInTheirOrderAndGoWithTheRunsContent) {
  const RunId id = new_run_id();
  Commit born = create(id);
  born.create->data_key = "wrapped";
  born.steps = {step(0)};
  born.checkpoints = {{StepIndex{1}, "one"}, {StepIndex{2}, std::string("\0two", 4)}};
  ASSERT_TRUE(commit(std::move(born)));
  Commit more;
  more.run = id;
  more.steps = {step(1), step(2)};
  more.checkpoints = {{StepIndex{3}, "three"}, {StepIndex{3}, "three, again"}};
  ASSERT_TRUE(commit(std::move(more)));
  reopen();

  const auto kept = wait_for(store_->checkpoints(id));
  ASSERT_TRUE(kept) << kept.error().detail;
  std::vector<std::pair<std::uint32_t, std::string>> all;
  for (const Checkpoint& one : *kept) all.emplace_back(static_cast<std::uint32_t>(one.step), one.sealed);
  EXPECT_EQ(all, (std::vector<std::pair<std::uint32_t, std::string>>{
                     {1, "one"}, {2, std::string("\0two", 4)}, {3, "three"}, {3, "three, again"}}));
  EXPECT_EQ(wait_for(store_->load_steps(id))->size(), 3U);
  const RunId other = new_run_id();
  ASSERT_TRUE(commit(create(other)));
  EXPECT_TRUE(wait_for(store_->checkpoints(other))->empty());
  EXPECT_EQ(wait_for(store_->checkpoints(new_run_id())).error().code, Errc::not_found);
  Commit nobodys;
  nobodys.run = new_run_id();
  nobodys.checkpoints = {{StepIndex{1}, "one"}};
  EXPECT_EQ(code(commit(std::move(nobodys))), Errc::not_found);

  Commit end;
  end.update = wait_for(store_->load_run(id)).value();
  end.update->status = RunStatus::completed;
  ASSERT_TRUE(commit(std::move(end)));
  Commit erasure;
  erasure.erase = {id};
  ASSERT_TRUE(commit(std::move(erasure)));
  EXPECT_TRUE(wait_for(store_->checkpoints(id))->empty());
  EXPECT_EQ(wait_for(store_->load_steps(id))->size(), 3U);
}

TEST_P(StoreContract, ARunThatFailedOrWasStoppedGoesOnWhereThatIsMeantAndNoOther) {
  for (const RunStatus ended : {RunStatus::faulted, RunStatus::cancelled, RunStatus::completed}) {
    SCOPED_TRACE(to_string(ended));
    const RunId id = new_run_id();
    Commit born = create(id, ended);
    born.create->data_key = "wrapped";
    born.create->ended_us = 7;
    ASSERT_TRUE(commit(std::move(born)));
    const auto again = [&](bool is_meant, RunStatus status = RunStatus::running) {
      Commit next;
      next.update = wait_for(store_->load_run(id)).value();
      next.update->status = status;
      next.update->state = "on its way";
      next.update->ended_us = 0;
      next.reopen = is_meant;
      return code(commit(std::move(next)));
    };
    EXPECT_EQ(again(false), Errc::conflict);
    if (ended == RunStatus::completed) {
      EXPECT_EQ(again(true), Errc::conflict);
      continue;
    }
    EXPECT_EQ(again(true), Errc{0});
    reopen();
    const auto open = wait_for(store_->open_runs(std::nullopt, 10));
    ASSERT_TRUE(open && open->size() == 1U);
    EXPECT_EQ(open->front().state, "on its way");
    EXPECT_EQ(again(true), Errc::conflict) << "it goes on already";
    EXPECT_EQ(again(false), Errc{0});
    // What it does next may be its end again: one commit.
    EXPECT_EQ(again(false, ended), Errc{0});
    EXPECT_EQ(again(true, ended), Errc{0});
    EXPECT_EQ(wait_for(store_->load_run(id))->state, "on its way") << "where it ended, it can go on";
    Commit erasure;
    erasure.erase = {id};
    ASSERT_TRUE(commit(std::move(erasure)));
    EXPECT_EQ(again(true), Errc::conflict) << "its content is gone";
    EXPECT_TRUE(wait_for(store_->open_runs(std::nullopt, 10))->empty());
  }
}

TEST_P(StoreContract, WhereARunWasForkedFromStaysWithIt) {
  const RunId origin = new_run_id(), id = new_run_id();
  ASSERT_TRUE(commit(create(origin)));
  Commit born = create(id);
  born.create->forked_from = origin;
  born.create->forked_at = StepIndex{3};
  ASSERT_TRUE(commit(std::move(born)));
  Commit next;
  next.update = wait_for(store_->load_run(id)).value();
  next.update->forked_from.reset();
  ASSERT_TRUE(commit(std::move(next)));
  reopen();
  const auto row = wait_for(store_->load_run(id));
  EXPECT_EQ(row->forked_from, origin);
  EXPECT_EQ(row->forked_at, StepIndex{3});
  EXPECT_FALSE(wait_for(store_->load_run(origin))->forked_from);
}

}  // namespace sb::store::testing
