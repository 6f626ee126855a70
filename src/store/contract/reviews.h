/// Questions to people.
#pragma once

#include "store/contract/fixture.h"

namespace sb::store::testing {

TEST_P(StoreContract, AReviewChangesOnlyFromTheStateItIsThoughtToBeIn) {
  const RunId run = new_run_id();
  ASSERT_TRUE(commit(create(run, RunStatus::waiting)));
  ReviewRow review;
  review.id = ReviewId(new_run_id().uuid);
  review.run = run;
  review.step = StepIndex{2};
  review.tenant = "acme";
  review.question = "{\"q\":1}";
  review.priority = 5;
  Commit ask;
  ask.run = run;
  ask.review_create = review;
  ASSERT_TRUE(commit(ask));
  EXPECT_EQ(code(commit(ask)), Errc::already_exists);
  const auto change = [&](ReviewState from, const char* holder, ReviewState to, const char* claimant) {
    Commit next;
    next.run = run;
    ReviewChange change;
    change.row = review;
    change.row.state = to;
    change.row.claimed_by = claimant;
    change.row.verdict = "{\"text\":\"fine\"}";
    change.expected = from;
    change.expected_claimant = holder;
    next.review_change = change;
    return commit(std::move(next));
  };
  ASSERT_TRUE(change(ReviewState::open, "", ReviewState::claimed, "ann"));
  EXPECT_EQ(code(change(ReviewState::open, "", ReviewState::claimed, "bob")), Errc::conflict);
  EXPECT_EQ(code(change(ReviewState::claimed, "bob", ReviewState::approved, "bob")), Errc::conflict);
  ASSERT_TRUE(change(ReviewState::claimed, "ann", ReviewState::approved, "ann"));
  EXPECT_EQ(code(change(ReviewState::claimed, "ann", ReviewState::rejected, "ann")), Errc::conflict);
  const auto stored = wait_for(store_->load_review(review.id));
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->state, ReviewState::approved);
  EXPECT_EQ(stored->run, run);
  EXPECT_EQ(stored->step, StepIndex{2});
  EXPECT_EQ(stored->question, review.question);
  EXPECT_EQ(stored->verdict, "{\"text\":\"fine\"}");
  EXPECT_EQ(wait_for(store_->load_review(ReviewId(new_run_id().uuid))).error().code, Errc::not_found);
}

TEST_P(StoreContract, AReviewThatNobodyDecidedExpiresWithItsRun) {
  for (const auto [how, expected] : {std::pair(RunStatus::cancelled, ReviewState::expired),
                                     {RunStatus::suspended, ReviewState::expired},
                                     {RunStatus::running, ReviewState::claimed}}) {
    const RunId run = new_run_id();
    Commit ask = create(run, RunStatus::waiting);
    RunRow row = *ask.create;
    ask.review_create.emplace();
    ask.review_create->id = ReviewId(new_run_id().uuid);
    ask.review_create->run = run;
    ask.review_create->state = ReviewState::claimed;
    const ReviewId review = ask.review_create->id;
    ASSERT_TRUE(commit(std::move(ask)));
    Commit next;
    row.status = how;
    next.update = row;
    ASSERT_TRUE(commit(std::move(next)));
    EXPECT_EQ(wait_for(store_->load_review(review))->state, expected) << to_string(how);
  }
}

TEST_P(StoreContract, ReviewsAreListedByPriorityThenAge) {
  for (int i = 0; i < 6; ++i) {
    Commit ask;
    ReviewRow review;
    review.id = ReviewId(new_run_id().uuid);
    review.tenant = i == 5 ? "other" : "acme";
    review.priority = i % 2;
    review.created_us = i;
    review.reason = std::to_string(i);
    ask.review_create = review;
    ASSERT_TRUE(commit(std::move(ask)));
  }
  ReviewFilter filter;
  filter.tenant = "acme";
  filter.state = ReviewState::open;
  const auto listed = wait_for(store_->list_reviews(filter));
  ASSERT_TRUE(listed);
  std::string order;
  for (const ReviewRow& review : *listed) order += review.reason;
  EXPECT_EQ(order, "13024");
}

}  // namespace sb::store::testing
