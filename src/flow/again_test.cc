// What a run's machine does when it goes on after it failed, or from a task that it came to before.
#include <gtest/gtest.h>

#include "flow/machine.h"

namespace sb::flow {
namespace {

constexpr Micros kSecondUs = 1'000'000;

class Again : public ::testing::Test {
 protected:
  /// Begins a run at one second.
  void flow(std::string_view tasks) {
    static const std::vector<std::string> kProbe = {"probe"};
    auto loaded =
        load_flow("document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}\n" + std::string(tasks),
                  "test", kProbe);
    ASSERT_TRUE(loaded) << loaded.error().detail;
    flow_ = *loaded;
    machine_.emplace(flow_, RunDescriptor{"run", kSecondUs, {}}, Data(json::value(json::object{{"n", 1}})));
  }
  /// Over a checkpoint, as another process would.
  void again(Micros now) {
    auto restored = Machine::restore(flow_, {"run", kSecondUs, {}}, Data(json::value(json::object{{"n", 1}})),
                                     machine_->checkpoint());
    ASSERT_TRUE(restored) << restored.error().detail;
    machine_ = *std::move(restored);
    machine_->again(now);
  }
  /// The effects that are due at that time, each begun: "TASK#NUMBER ".
  std::string due(Micros now) {
    std::string all;
    while (true) {
      auto action = machine_->next(now);
      const auto* call = std::get_if<Machine::Call>(&action);
      if (!call) break;
      all += call->task->name + "#" + std::to_string(call->id) + " ";
      machine_->started(call->id);
    }
    return all;
  }
  bool has_failed(Micros now) {
    auto action = machine_->next(now);
    return std::holds_alternative<Machine::Faulted>(action);
  }
  static Problem problem() { return standard_problem("communication", 500, "No"); }
  static Data answer() { return Data(json::value(json::object{{"n", 2}})); }

  std::shared_ptr<const Flow> flow_;
  std::optional<Machine> machine_;
};

TEST_F(Again, WhatWasAnsweredIsAnotherEffectAndWhatWasNotIsTheSame) {
  flow("do:\n  - one: {call: probe}\n");
  ASSERT_EQ(due(kSecondUs), "one#1 ");
  machine_->fault(1, problem());
  ASSERT_TRUE(has_failed(kSecondUs));
  ASSERT_NE(machine_->failed(), nullptr);
  EXPECT_EQ(machine_->failed()->ref, "/do/0/one");
  again(2 * kSecondUs);
  ASSERT_EQ(due(2 * kSecondUs), "one#2 ");
  machine_->fault(2, problem(), false);
  ASSERT_TRUE(has_failed(2 * kSecondUs));
  again(3 * kSecondUs);
  EXPECT_EQ(due(3 * kSecondUs), "one#2 ");
}

TEST_F(Again, OfAForkTheBranchThatFailedGoesOnAndTheOthersAreAsTheyWere) {
  flow(R"(
do:
  - all:
      fork:
        branches:
          - good: {call: probe}
          - bad: {do: [{before: {set: {n: 7}}}, {ask: {call: probe}}]}
          - slow: {call: probe}
  - last: {set: {all: '${ . }'}}
)");
  ASSERT_EQ(due(kSecondUs), "good#1 ask#2 slow#3 ");
  machine_->complete(1, answer());
  machine_->fault(2, problem());
  ASSERT_TRUE(has_failed(kSecondUs));
  EXPECT_EQ(machine_->failed()->name, "ask");
  again(2 * kSecondUs);
  machine_->take_pure_steps();
  ASSERT_EQ(due(2 * kSecondUs), "ask#4 slow#3 ") << "neither `good` nor `before`";
  machine_->complete(3, answer());
  machine_->complete(4, answer());
  auto action = machine_->next(2 * kSecondUs);
  ASSERT_TRUE(std::holds_alternative<Machine::Done>(action));
}

TEST_F(Again, ABranchWhoseErrorIsCaughtIsGivenUpAsBefore) {
  flow(R"(
do:
  - safe:
      try:
        - all: {fork: {branches: [{good: {call: probe}}, {bad: {call: probe}}]}}
      catch: {do: [{instead: {call: probe}}]}
)");
  ASSERT_EQ(due(kSecondUs), "good#1 bad#2 ");
  machine_->fault(2, problem());
  ASSERT_EQ(due(kSecondUs), "instead#3 ");
  machine_->fault(3, problem());
  ASSERT_TRUE(has_failed(kSecondUs));
  again(2 * kSecondUs);
  EXPECT_EQ(due(2 * kSecondUs), "instead#4 ") << "the handler is where it failed";
}

TEST_F(Again, AnAttemptThatWasGivenUpIsTheFirstOneAgain) {
  flow(R"(
do:
  - safe:
      try: [{ask: {call: probe}}]
      catch: {retry: {delay: {seconds: 1}, limit: {attempt: {count: 1}}}}
)");
  ASSERT_EQ(due(kSecondUs), "ask#1 ");
  machine_->fault(1, problem());
  ASSERT_EQ(due(2 * kSecondUs), "ask#2 ");
  machine_->fault(2, problem());
  ASSERT_TRUE(has_failed(2 * kSecondUs));
  again(9 * kSecondUs);
  ASSERT_EQ(due(9 * kSecondUs), "ask#3 ");
  machine_->fault(3, problem());
  EXPECT_EQ(due(10 * kSecondUs), "ask#4 ") << "and it has its retry";
}

TEST_F(Again, TimeLimitsDoNotCountWhatPassedMeanwhile) {
  flow(R"(
timeout: {after: {seconds: 20}}
do:
  - around:
      timeout: {after: {seconds: 5}}
      do: [{ask: {call: probe}}]
)");
  ASSERT_EQ(due(kSecondUs), "ask#1 ");
  machine_->tick(4 * kSecondUs);
  machine_->fault(1, problem());
  ASSERT_TRUE(has_failed(4 * kSecondUs));
  again(100 * kSecondUs);
  ASSERT_EQ(due(100 * kSecondUs), "ask#2 ");
  EXPECT_FALSE(has_failed(102 * kSecondUs - 1)) << "three of five seconds had passed";
  EXPECT_TRUE(has_failed(102 * kSecondUs));
  again(200 * kSecondUs);
  EXPECT_EQ(machine_->failed(), nullptr);
  ASSERT_EQ(due(200 * kSecondUs), "ask#3 ") << "whose time was up begins anew";
  EXPECT_FALSE(has_failed(205 * kSecondUs - 1));
  // A microsecond of it is left.
  again(300 * kSecondUs);
  ASSERT_FALSE(due(300 * kSecondUs).empty());
  EXPECT_EQ(machine_->due(), 300 * kSecondUs + 1);
}

TEST_F(Again, TheFlowsLimitThatHasPassedBeginsAnew) {
  flow("timeout: {after: {seconds: 20}}\ndo:\n  - ask: {call: probe}\n  - pause: {wait: {seconds: 30}}\n");
  ASSERT_EQ(due(kSecondUs), "ask#1 ");
  ASSERT_TRUE(has_failed(21 * kSecondUs));
  again(50 * kSecondUs);
  ASSERT_EQ(due(50 * kSecondUs), "ask#1 ") << "nobody knows what came of it";
  machine_->complete(1, answer());
  EXPECT_FALSE(has_failed(50 * kSecondUs));
  EXPECT_EQ(machine_->due(), 70 * kSecondUs);
}

TEST_F(Again, AForkWhoseTimeWasUpBeginsAnewWithoutItsOldBranches) {
  flow(R"(
do:
  - all:
      timeout: {after: {seconds: 5}}
      fork: {branches: [{a: {call: probe}}, {b: {call: probe}}]}
)");
  ASSERT_EQ(due(kSecondUs), "a#1 b#2 ");
  machine_->complete(1, answer());
  ASSERT_TRUE(has_failed(6 * kSecondUs));
  again(9 * kSecondUs);
  EXPECT_EQ(due(9 * kSecondUs), "a#3 b#4 ");
}

TEST_F(Again, ExtensionsBeforeATaskAreNotDoneAgainWithIt) {
  flow(R"(
use:
  extensions:
    - watch: {extend: call, before: [{look: {set: {seen: true}}}]}
do:
  - ask: {call: probe}
)");
  ASSERT_EQ(due(kSecondUs), "ask#1 ");
  ASSERT_EQ(machine_->take_pure_steps().size(), 1U);
  machine_->fault(1, problem());
  ASSERT_TRUE(has_failed(kSecondUs));
  again(2 * kSecondUs);
  EXPECT_EQ(due(2 * kSecondUs), "ask#2 ");
  EXPECT_TRUE(machine_->take_pure_steps().empty());
}

TEST_F(Again, ItComesToATaskWithoutDoingAnEffectOrNotAtAll) {
  flow(R"(
do:
  - first: {set: {n: '${ .n + 1 }'}}
  - nested: {do: [{inner: {set: {n: '${ .n + 1 }'}}}]}
  - ask: {call: probe}
  - behind: {set: {n: 0}}
)");
  const auto comes = [&](std::string_view ref, std::optional<std::size_t> after = {}) {
    machine_.emplace(flow_, RunDescriptor{"run", kSecondUs, {}}, Data(json::value(json::object{{"n", 1}})));
    return machine_->go_before({ref, after});
  };
  EXPECT_EQ(comes("/do/0/first"), 0U);
  EXPECT_EQ(comes("/do/1/nested"), 1U);
  EXPECT_EQ(comes("/do/1/nested/do/0/inner"), 1U);
  EXPECT_EQ(comes("/do/2/ask"), 3U);
  EXPECT_TRUE(machine_->take_pure_steps().empty()) << "they are on record already";
  EXPECT_EQ(due(kSecondUs), "ask#1 ");
  EXPECT_EQ(comes("/do/2/ask", 3), 3U);
  EXPECT_EQ(comes("/do/2/ask", 2), std::nullopt);
  EXPECT_EQ(comes("/do/3/behind"), std::nullopt);
  EXPECT_EQ(comes("/do/9/nothing"), std::nullopt);
}

}  // namespace
}  // namespace sb::flow
