// When what a run does is written: a kill takes what is not.
#include <fmt/format.h>

#include "flow/engine_testing.h"

namespace sb::flow {
namespace {

struct Case {
  Durability durability;
  std::uint64_t commits;  // of a run with two calls
  bool is_kept;           // what the first call brought, when a kill comes during the second
};
std::ostream& operator<<(std::ostream& out, const Case& it) {
  return out << to_string(it.durability);
}

class Writes : public EngineTest, public ::testing::WithParamInterface<Case> {
 protected:
  std::shared_ptr<const Flow> two_calls(std::string_view durability) {
    const auto said = durability.empty() ? std::string() : fmt::format(", metadata: {{durability: {}}}", durability);
    return add_flow(
        fmt::format("document: {{dsl: '1.0.3', namespace: test, name: twice, version: '1.0.0'{}}}\n"
                    "do:\n"
                    "  - first: {{call: chat, with: {{model: large}}}}\n"
                    "  - second: {{input: {{from: '${{ $workflow.input }}'}}, call: chat, with: {{model: large}}}}\n",
                    said));
  }
  std::shared_ptr<LiveRun> prepare_run(std::shared_ptr<const Flow> flow, Durability wanted = Durability::sync) {
    return prepare(request_of("hello"), [&](RunRequest& request) {
      request.flow = std::move(flow);
      request.durability = wanted;
    });
  }
};

TEST_P(Writes, AsManyCommitsAsItsFlowSays) {
  const auto run = prepare_run(two_calls(to_string(GetParam().durability)));
  const auto before = store_->stats().commits;
  ASSERT_TRUE(drive(run));
  ASSERT_EQ(provider_->seen.size(), 2U);
  EXPECT_EQ(store_->stats().commits - before, GetParam().commits);
  ASSERT_TRUE(wait(store_->flush()));
  EXPECT_EQ(row_of(run->row.id).status, RunStatus::completed);
  EXPECT_EQ(step_names(run->row.id),
            (std::vector<std::string>{"guard.inbound", "guard.outbound", "first", "guard.outbound", "second"}));
}

TEST_P(Writes, WhatAKillDoesNotTake) {
  auto run = prepare_run(two_calls(to_string(GetParam().durability)));
  const RunId id = run->row.id;
  provider_->during = [this] {
    if (provider_->seen.size() < 2) return;
    provider_->forever = true;
    io_->stop();
  };
  asio::co_spawn(*io_, engine_->drive(run), asio::detached);
  io_->run();
  ASSERT_EQ(provider_->seen.size(), 2U);
  const auto second = provider_->seen[1];
  run.reset();
  restart();
  const auto row = wait(store_->load_run(id));
  ASSERT_EQ(row.has_value(), GetParam().is_kept);
  if (!row) return;
  engine_->recover({id});
  io_->restart();
  io_->run();
  ASSERT_EQ(provider_->seen.size(), 1U) << "the first is not asked again";
  EXPECT_EQ(provider_->seen[0].key, second.key);
  EXPECT_EQ(row_of(id).status, RunStatus::completed);
  EXPECT_EQ(row_of(id).cost, 20 + 20);
}

TEST_P(Writes, AsWhoStartsItWantsWhereItsFlowDoesNotSay) {
  const auto run = prepare_run(two_calls(""), GetParam().durability);
  const auto before = store_->stats().commits;
  ASSERT_TRUE(drive(run));
  EXPECT_EQ(store_->stats().commits - before, GetParam().commits);
}

INSTANTIATE_TEST_SUITE_P(Engine, Writes,
                         ::testing::Values(Case{Durability::sync, 3, true}, Case{Durability::async, 2, true},
                                           Case{Durability::exit, 1, false}),
                         ::testing::PrintToStringParamName());

TEST_F(Writes, AlwaysBeforeEachEffectWhereTheMirrorAnswers) {
  always_sync_ = true;
  restart();
  const auto run = prepare_run(two_calls("exit"), Durability::exit);
  const auto before = store_->stats().commits;
  ASSERT_TRUE(drive(run));
  EXPECT_EQ(store_->stats().commits - before, 3U);
  EXPECT_EQ(run->durability, Durability::sync);
}

TEST_F(Writes, BeforeAServiceIsCalledForTheFirstTimeWhateverItsFlowSays) {
  const auto flow = add_flow(
      "document: {dsl: '1.0.3', namespace: test, name: tells, version: '1.0.0', metadata: {durability: exit}}\n"
      "do:\n"
      "  - wait: {call: http, with: {method: get, endpoint: 'http://127.0.0.1:1/'}}\n");
  const auto run = prepare("{}", [&](RunRequest& request) {
    request.flow = flow;
    request.profile = policy::JsonProfile::any;
  });
  const auto before = store_->stats().commits;
  ASSERT_TRUE(drive(run));
  EXPECT_EQ(store_->stats().commits - before, 2U) << "a crash must not make it forget that it called";
}

TEST_F(Writes, AFlowThatSaysSomethingElseIsRefused) {
  const auto flow = load_flow(
      "document:\n  {dsl: '1.0.3', namespace: test, name: x, version: '1.0.0',\n   metadata: {durability: fast}}\n"
      "do:\n  - end: {set: {a: 1}}\n",
      "x.yaml", builtin_functions());
  ASSERT_FALSE(flow);
  EXPECT_EQ(flow.error().detail, "x.yaml:3:27: `durability` must be sync, async or exit");
}

}  // namespace
}  // namespace sb::flow
