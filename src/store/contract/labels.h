/// Labelled texts.
#pragma once

#include "store/contract/fixture.h"

namespace sb::store::testing {

inline LabelRow label_row(std::string id, std::string intent, Micros at = 0) {
  LabelRow row;
  row.id = std::move(id);
  row.tenant = "acme";
  row.intent = std::move(intent);
  row.author = "p-1";
  row.created_us = at;
  row.sealed = "sealed";
  return row;
}

TEST_P(StoreContract, ATextHasOneLabelAndLabelsArePagedOldestFirst) {
  const RunId id = new_run_id(), other = new_run_id();
  Commit born = create(id, RunStatus::completed);
  born.create->data_key = "wrapped";
  born.labels = {label_row("b", "top up", 20), label_row("a", "top up", 20), label_row("c", "refund", 10)};
  born.labels[0].origin = LabelOrigin::review;
  born.labels[0].route = 3;
  ASSERT_TRUE(commit(std::move(born)));
  Commit again = create(other, RunStatus::completed);
  again.labels = {label_row("c", "lost card", 30)};
  again.labels[0].tenant = "globex";
  ASSERT_TRUE(commit(std::move(again)));
  reopen();

  const auto all = wait_for(store_->labels({}));
  ASSERT_TRUE(all) << all.error().detail;
  ASSERT_EQ(all->size(), 3U);
  EXPECT_EQ(all->at(0).id, "a");
  EXPECT_EQ(all->at(1).id, "b");
  EXPECT_EQ(all->at(1).run, id);
  EXPECT_EQ(all->at(1).origin, LabelOrigin::review);
  EXPECT_EQ(all->at(1).route, 3);
  EXPECT_EQ(all->at(1).author, "p-1");
  EXPECT_EQ(all->at(1).sealed, "sealed");
  EXPECT_EQ(all->at(1).data_key, "wrapped");
  EXPECT_EQ(all->at(2).intent, "lost card");
  EXPECT_EQ(all->at(2).run, other);
  EXPECT_EQ(wait_for(store_->count_labels()), 3U);
  LabelFilter filter;
  filter.tenant = "acme";
  filter.limit = 1;
  ASSERT_EQ(wait_for(store_->labels(filter))->at(0).id, "a");
  filter.after = {20, "a"};
  ASSERT_EQ(wait_for(store_->labels(filter))->at(0).id, "b");
  filter.id = "a";
  EXPECT_TRUE(wait_for(store_->labels(filter))->empty());
  filter.after.reset();
  EXPECT_EQ(wait_for(store_->labels(filter))->at(0).id, "a");
  filter.id.clear();
  filter.after = {20, "b"};
  EXPECT_TRUE(wait_for(store_->labels(filter))->empty()) << "the last one is another tenant's";
}

TEST_P(StoreContract, LabelsGoWithTheRunsContentOrByThemselvesAndNoneComesAfterwards) {
  const RunId id = new_run_id(), other = new_run_id();
  for (const RunId& run : {id, other}) {
    Commit ended = create(run, RunStatus::completed);
    ended.create->data_key = "wrapped";
    ended.labels = {label_row(run == id ? "a" : "b", "top up")};
    ASSERT_TRUE(commit(std::move(ended)));
  }
  Commit erasure;
  erasure.erase = {id};
  ASSERT_TRUE(commit(std::move(erasure)));
  ASSERT_EQ(wait_for(store_->labels({}))->size(), 1U);
  Commit late;
  late.run = id;
  late.labels = {label_row("a", "top up")};
  EXPECT_EQ(code(commit(std::move(late))), Errc::conflict);
  Commit nobodys;
  nobodys.run = new_run_id();
  nobodys.labels = {label_row("a", "top up")};
  EXPECT_EQ(code(commit(std::move(nobodys))), Errc::not_found);
  Commit dropped;
  dropped.drop_labels = {"b", "unknown"};
  ASSERT_TRUE(commit(std::move(dropped)));
  EXPECT_EQ(wait_for(store_->count_labels()), 0U);
}

}  // namespace sb::store::testing
