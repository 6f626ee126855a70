/// What a test of the contract has at hand.
#pragma once

#include <gtest/gtest.h>

#include "store/testing.h"

namespace sb::store::testing {

struct StoreFactory {
  const char* name;
  std::function<Result<std::unique_ptr<Store>>(const std::string& folder, LeafLog& log)> open;
};

class StoreContract : public ::testing::TestWithParam<StoreFactory> {
 protected:
  void SetUp() override { reopen(); }

  void reopen() {
    store_.reset();
    auto opened = GetParam().open(folder_.path(), log_);
    ASSERT_TRUE(opened) << opened.error().detail;
    store_ = *std::move(opened);
  }
  Result<> commit(Commit commit) { return wait_for(store_->commit(std::move(commit))); }
  static Errc code(const Result<>& result) { return result ? Errc{0} : result.error().code; }

  static Commit create(RunId id, RunStatus status = RunStatus::running) {
    Commit commit;
    RunRow run;
    run.id = id;
    run.tenant = "acme";
    run.flow = "acme/refund@1.0.0";
    run.status = status;
    run.epoch = LeaseEpoch{1};
    run.state = "at the start";
    run.input = "{\"amount\":12}";
    run.created_us = 1'000'000;
    commit.create = std::move(run);
    return commit;
  }
  static StepRow step(std::uint32_t index, std::uint32_t attempt = 1) {
    StepRow step;
    step.index = StepIndex{index};
    step.attempt = attempt;
    step.name = "step " + std::to_string(index);
    step.output = "{\"n\":" + std::to_string(index) + "}";
    step.cost = -7;
    step.started_us = 50;
    step.ended_us = 40;
    return step;
  }

  TemporaryFolder folder_;
  PlainLog log_;
  std::unique_ptr<Store> store_;
};

}  // namespace sb::store::testing
