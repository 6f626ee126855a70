#include "store/sqlite/run_scan.h"

#include <gtest/gtest.h>

#include "store/sqlite/sqlite_store.h"
#include "store/testing.h"

namespace sb::store::testing {
namespace {

class Scan : public ::testing::Test {
 protected:
  Scan() {
    SqliteOptions options;
    options.path = folder_.file("test.db");
    store_ = *open_sqlite_store(std::move(options), log_);
  }

  RunId add(const std::function<void(Commit&)>& change = {}) {
    auto commit = chat_commit(new_run_id());
    const RunId id = commit.create->id;
    commit.create->created_us = ++now_;
    if (change) change(commit);
    EXPECT_TRUE(wait_for(store_->commit(std::move(commit))));
    return id;
  }
  std::vector<sqlite::ScannedRun> scan(sqlite::ScanFilter filter = {}) {
    EXPECT_TRUE(wait_for(store_->flush()));
    const auto scan = *sqlite::RunScan::open(folder_.file("test.db"), std::move(filter));
    std::vector<sqlite::ScannedRun> runs;
    for (;;) {
      auto run = scan->next();
      EXPECT_TRUE(run) << run.error().detail;
      if (!run || !*run) return runs;
      runs.push_back(**std::move(run));
    }
  }

  TemporaryFolder folder_;
  PlainLog log_;
  std::unique_ptr<Store> store_;
  Micros now_ = 1'000'000;
};

TEST_F(Scan, EachRunOnceNewestFirstOverThePages) {
  std::vector<RunId> ids;
  for (int i = 0; i < 2'500; ++i) ids.push_back(add());
  const auto runs = scan();
  ASSERT_EQ(runs.size(), ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(runs[i].run.id, ids[ids.size() - 1 - i]);
  EXPECT_EQ(runs[0].run.cost, 120);
  EXPECT_EQ(runs[0].run.route, "small");
  ASSERT_EQ(runs[0].steps.size(), 4U);
  EXPECT_EQ(runs[0].steps[1].kind, "triage");
  EXPECT_NE(runs[0].steps[1].decision.find("\"chosen\":\"small\""), std::string::npos);
}

TEST_F(Scan, OnlyThoseThatAreWanted) {
  const auto other = add([](Commit& commit) { commit.create->tenant = "other"; });
  const auto flow = add([](Commit& commit) { commit.create->flow = "test/flow@2.0.0"; });
  const auto last = add();
  const auto ids = [&](sqlite::ScanFilter filter) {
    std::vector<RunId> out;
    for (const auto& run : scan(std::move(filter))) out.push_back(run.run.id);
    return out;
  };
  EXPECT_EQ(ids({.tenant = "other"}), std::vector{other});
  EXPECT_EQ(ids({.flow = "test/flow"}), std::vector{flow});
  EXPECT_EQ(ids({.flow = "test/flo"}), std::vector<RunId>());
  EXPECT_EQ(ids({.since_us = now_}), std::vector{last});
  EXPECT_EQ(ids({.until_us = now_ - 1}), std::vector{other});
  EXPECT_EQ(ids({.limit = 2}), (std::vector{last, flow}));
}

TEST_F(Scan, StepsOfAllCommitsReviewsAndErasures) {
  const auto id = add([](Commit& commit) {
    commit.create->status = RunStatus::waiting;
    commit.create->route = "human";
    ReviewRow review;
    review.id = ReviewId(new_run_id().uuid);
    review.run = commit.create->id;
    review.tenant = "acme";
    review.state = ReviewState::edited;
    commit.review_create = review;
  });
  Commit later;
  later.run = id;
  StepRow step;
  step.index = StepIndex{4};
  step.kind = "late";
  later.steps.push_back(step);
  ASSERT_TRUE(wait_for(store_->commit(std::move(later))));
  const auto ended = add();
  Commit erase;
  erase.erase = {ended};
  ASSERT_TRUE(wait_for(store_->commit(std::move(erase))));
  const auto runs = scan();
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_TRUE(runs[0].run.erased);
  EXPECT_EQ(runs[0].steps.size(), 4U) << "what was decided stays";
  EXPECT_FALSE(runs[1].run.erased);
  ASSERT_EQ(runs[1].steps.size(), 5U);
  EXPECT_EQ(runs[1].steps.back().kind, "late");
  EXPECT_EQ(runs[1].review, ReviewState::edited);
}

}  // namespace
}  // namespace sb::store::testing
