#include "flow/engine_testing.h"

namespace sb::flow {
namespace {

class Review : public EngineTest {
 protected:
  void SetUp() override {
    run_ = prepare(request_of("my card is 4000056655665556"));  // the policy asks for a person
    ASSERT_TRUE(drive(run_));
    ASSERT_TRUE(run_->review);
    ASSERT_EQ(row_of(run_->row.id).status, RunStatus::waiting);
    ASSERT_EQ(in_flight_->size(), 0U);
  }
  Result<store::ReviewRow> decide(json::object verdict) {
    return wait(engine_->decide(*run_->review, "rita", std::move(verdict)));
  }

  std::shared_ptr<LiveRun> run_;
};

TEST_F(Review, AnApprovalFinishesTheRunOnce) {
  restart();
  ASSERT_TRUE(decide({{"verdict", "approve"}}));
  EXPECT_EQ(row_of(run_->row.id).status, RunStatus::completed);
  EXPECT_EQ(decide({{"verdict", "reject"}}).error().code, Errc::conflict);
  EXPECT_TRUE(provider_->seen.empty());
  EXPECT_EQ(in_flight_->size(), 0U);
}

TEST_F(Review, ATextThatThePolicyBlocksIsHandedBackToItsAuthor) {
  const auto refused = decide({{"verdict", "edit"}, {"text", "pay to DE89370400440532013000"}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::policy_denied);
  EXPECT_EQ(refused.error().detail.find("DE8937"), std::string::npos);
  EXPECT_EQ(row_of(run_->row.id).status, RunStatus::waiting);
  EXPECT_EQ(in_flight_->size(), 0U);
  ASSERT_TRUE(decide({{"verdict", "edit"}, {"text", "call us"}, {"reason", "no IBAN DE89370400440532013000"}}));
  const auto row = row_of(run_->row.id);
  EXPECT_NE(row.output.find("call us"), std::string::npos);
  const auto review = wait(store_->load_review(*run_->review));
  EXPECT_EQ(Sealer::open(*sealer_.key_of(row), row.id, place::verdict(review->id), review->verdict)->find("DE8937"),
            std::string::npos);
}

TEST_F(Review, WhatNobodyOutsideAnswersForDoesNotGoOut) {
  policy_ = *policy::Policy::load(
      std::string(kPolicy) +
          "checks: [{name: tone, kind: http, direction: outbound, action: block, url: 'http://127.0.0.1:1/'}]\n",
      "test");
  for (const char* verdict : {"edit", "approve"}) {
    const auto refused = decide({{"verdict", verdict}, {"text", "call us"}});
    ASSERT_FALSE(refused) << verdict;
    EXPECT_EQ(refused.error().code, Errc::policy_denied);
    EXPECT_EQ(refused.error().detail, "the text may not go out: check tone: no answer");
    EXPECT_EQ(row_of(run_->row.id).status, RunStatus::waiting);
    EXPECT_EQ(wait(store_->load_review(*run_->review))->state, store::ReviewState::open);
    EXPECT_EQ(in_flight_->size(), 0U);
  }
  EXPECT_TRUE(decide({{"verdict", "reject"}})) << "nothing goes out";
}

TEST_F(Review, ARejectionIsTheRunsFault) {
  ASSERT_TRUE(decide({{"verdict", "reject"}}));
  EXPECT_EQ(row_of(run_->row.id).status, RunStatus::faulted);
}

}  // namespace
}  // namespace sb::flow
