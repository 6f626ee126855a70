/// Many runs: lists, work lists, sums; documents.
#pragma once

#include "store/contract/fixture.h"

namespace sb::store::testing {

TEST_P(StoreContract, RunsAreListedNewestFirstInPages) {
  std::vector<RunId> ids;
  for (int i = 0; i < 25; ++i) {
    ids.push_back(RunId(Uuid::v7(1'700'000'000'000'000 + i * 1000, system_entropy())));
    Commit next = create(ids.back(), i % 5 == 0 ? RunStatus::faulted : RunStatus::completed);
    next.create->route = i % 2 == 0 ? "small" : "large";
    next.create->flow = i % 3 == 0 ? "acme/refund@2.0.0" : "acme/refunds@1.0.0";
    if (i % 4 == 3) next.create->forked_from = ids[i % 8 == 3 ? 0 : 1];
    ASSERT_TRUE(commit(std::move(next)));
  }
  std::vector<RunId> seen;
  RunFilter filter;
  filter.limit = 10;
  for (;;) {
    const auto page = wait_for(store_->list_runs(filter));
    ASSERT_TRUE(page);
    if (page->empty()) break;
    for (const RunRow& run : *page) {
      seen.push_back(run.id);
      EXPECT_TRUE(run.input.empty());
    }
    filter.before = seen.back();
  }
  std::ranges::reverse(seen);
  EXPECT_EQ(seen, ids);
  const auto count = [&](auto set) {
    RunFilter only;
    set(only);
    return wait_for(store_->list_runs(only))->size();
  };
  EXPECT_EQ(count([](RunFilter& f) { f.status = RunStatus::faulted; }), 5U);
  EXPECT_EQ(count([](RunFilter& f) { f.status = RunStatus::completed; }), 20U);
  EXPECT_EQ(count([](RunFilter& f) { f.route = "large"; }), 12U);
  EXPECT_EQ(count([](RunFilter& f) { f.flow = "acme/refund"; }), 9U);
  EXPECT_EQ(count([](RunFilter& f) { f.flow = "acme/refund@2.0.0"; }), 9U);
  EXPECT_EQ(count([](RunFilter& f) { f.tenant = "nobody"; }), 0U);
  RunFilter forks;
  forks.forked_from = ids[0];
  forks.before = ids[19];
  const auto forked = wait_for(store_->list_runs(forks));
  ASSERT_EQ(forked->size(), 2U);
  EXPECT_EQ(std::pair(forked->at(0).id, forked->at(1).id), std::pair(ids[11], ids[3]));
}

TEST_P(StoreContract, OpenRunsArePendingOrRunningOldestFirst) {
  std::vector<RunId> expected;
  const RunStatus statuses[] = {RunStatus::running, RunStatus::completed, RunStatus::pending, RunStatus::waiting,
                                RunStatus::faulted};
  for (int i = 0; i < 25; ++i) {
    const RunId id(Uuid::v7(1'700'000'000'000'000 + i * 1000, system_entropy()));
    if (i % 5 == 0 || i % 5 == 2) expected.push_back(id);
    ASSERT_TRUE(commit(create(id, statuses[i % 5])));
  }
  reopen();
  std::vector<RunId> seen;
  for (;;) {
    const auto page = wait_for(store_->open_runs(seen.empty() ? std::optional<RunId>() : seen.back(), 3));
    ASSERT_TRUE(page) << page.error().detail;
    if (page->empty()) break;
    for (const RunRow& run : *page) {
      seen.push_back(run.id);
      EXPECT_EQ(run.state, "at the start");
      EXPECT_EQ(run.input, "{\"amount\":12}");
    }
  }
  EXPECT_EQ(seen, expected);
}

TEST_P(StoreContract, MoneyAddsUpByDayAndByRoute) {
  constexpr Micros kDay = 86'400'000'000;
  for (int i = 0; i < 10; ++i) {
    Commit next = create(new_run_id(), RunStatus::completed);
    next.create->created_us = i * 1000;
    next.create->route = i < 4 ? "small" : "large";
    next.create->model = "m";
    next.create->cost = 10;
    next.create->cost_all_large = 100;
    if (i == 5 || i == 6) next.create->rejected_cost = i - 5;
    next.spend_key = "k";
    next.spend = 10;
    next.spend_at_us = i < 7 ? kDay - 1 : kDay;
    ASSERT_TRUE(commit(std::move(next)));
  }
  EXPECT_EQ(wait_for(store_->spend_of("k", 5)), 70);
  EXPECT_EQ(wait_for(store_->spend_of("k", kDay + 5)), 30);
  EXPECT_EQ(wait_for(store_->spend_of("nobody", 5)), 0);
  const auto rows = wait_for(store_->costs("acme", 1000, 9000));
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2U);
  EXPECT_EQ((*rows)[0].route, "large");
  EXPECT_EQ((*rows)[0].runs, 5U);
  EXPECT_EQ((*rows)[0].cost_all_large, 500);
  EXPECT_EQ((*rows)[0].passed_on_runs, 2U);
  EXPECT_EQ((*rows)[0].passed_on_cost, 20);
  EXPECT_EQ((*rows)[0].rejected_cost, 1);
  EXPECT_EQ((*rows)[1].passed_on_runs, 0U);
  EXPECT_EQ((*rows)[1].passed_on_cost, 0);
  EXPECT_EQ((*rows)[1].cost, 30);
}

TEST_P(StoreContract, DocumentsAreReplaced) {
  EXPECT_FALSE(wait_for(store_->load_document("settings"))->has_value());
  const std::string large(200'000, 'x');
  for (const std::string& text : {std::string("{}"), large, std::string()}) {
    Commit next;
    next.documents.emplace_back("settings", text);
    ASSERT_TRUE(commit(std::move(next)));
    EXPECT_EQ(wait_for(store_->load_document("settings")).value(), text);
  }
}

}  // namespace sb::store::testing
