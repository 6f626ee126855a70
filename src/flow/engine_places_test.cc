// Limits on runs at work: whose turn it is, and who gives a place back.
#include <fmt/format.h>

#include "flow/engine_testing.h"

namespace sb::flow {
namespace {

constexpr std::string_view kAsks =
    "do:\n  - ask: {call: chat, with: {model: large, messages: [{role: user, content: '${ .text }'}]}}\n";
constexpr std::string_view kRests = "do:\n  - pause: {wait: {minutes: 1}}\n";

class Places : public EngineTest {
 protected:
  void limit(WorkLimits limits) {
    limits_ = std::move(limits);
    restart();
  }
  void flow(std::string_view name, std::string_view tasks) {
    add_flow(fmt::format("document: {{dsl: '1.0.3', namespace: test, name: {}, version: '1.0.0'}}\n{}", name, tasks));
  }
  Result<Engine::Started> start_of(std::string_view name, std::string_view text = "x",
                                   std::string_view tenant = "acme") {
    RunRequest request;
    request.flow = *flows_.find("test", name);
    request.tenant = tenant;
    request.input = to_text(json::object{{"text", text}});
    return get(engine_->start(std::move(request)));
  }
  RunId started(std::string_view name, std::string_view text = "x", std::string_view tenant = "acme") {
    const auto made = start_of(name, text, tenant);
    EXPECT_TRUE(made) << made.error().detail;
    return made->run;
  }
  RunStatus status_of(RunId id) { return get(store_->load_run(id))->status; }
  void until_status(const std::vector<RunId>& runs, RunStatus status) {
    for (const RunId& id : runs) {
      const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (status_of(id) != status && std::chrono::steady_clock::now() < patience)
        io_->run_one_for(std::chrono::milliseconds(5));
      ASSERT_EQ(status_of(id), status);
    }
  }
  /// What was asked for, one after the other.
  std::string asked() {
    std::string texts;
    for (const auto& seen : provider_->seen) {
      const auto body = *parse_json(seen.body);
      texts += std::string(string_member(find_member(body, "messages")->as_array().back(), "content")) + " ";
    }
    return texts;
  }
};

TEST_F(Places, RunsBeyondTheLimitAreOnDiskAndComeInOrderTenantsInTurn) {
  tenant_keys_.add("globex", entropy_);
  flow("asks", kAsks);
  limit({.all = 1});
  provider_->held = true;
  std::vector<RunId> runs;
  for (const char* text : {"a1", "a2", "a3"}) runs.push_back(started("asks", text));
  runs.push_back(started("asks", "g1", "globex"));
  work_until([&] { return !provider_->seen.empty(); });
  EXPECT_EQ(gate_->stats().at_work, 1U);
  EXPECT_EQ(gate_->stats().queued, 3U);
  for (const RunId& id : runs) EXPECT_EQ(status_of(id), RunStatus::running) << "each is on disk";
  std::size_t most = 0;
  provider_->during = [&] { most = std::max(most, gate_->stats().at_work); };
  provider_->held = false;
  until_status(runs, RunStatus::completed);
  EXPECT_EQ(asked(), "a1 g1 a2 a3 ");
  EXPECT_EQ(most, 1U);
  EXPECT_EQ(gate_->stats().at_work, 0U);
}

TEST_F(Places, TheLimitHoldsOverARestart) {
  flow("asks", kAsks);
  limit({.per_tenant = 1});
  provider_->held = true;
  std::vector<RunId> runs;
  for (const char* text : {"1", "2", "3", "4"}) runs.push_back(started("asks", text));
  restart();
  provider_->held = true;
  engine_->recover(runs);
  work_until([&] { return !provider_->seen.empty() && gate_->stats().queued == 3; });
  EXPECT_EQ(gate_->stats().at_work, 1U);
  const RunId late = started("asks", "new");
  provider_->held = false;
  until_status(runs, RunStatus::completed);
  until_status({late}, RunStatus::completed);
  EXPECT_EQ(provider_->seen.size(), 5U);
  EXPECT_TRUE(asked().ends_with(" new ")) << "who was there before comes first: " << asked();
}

TEST_F(Places, AfterARestartTheOldestComesFirstInWhicheverOrderTheyAreRead) {
  flow("asks", kAsks);
  limit({.per_tenant = 1});
  provider_->held = true;
  std::vector<RunId> runs;
  for (const char* text : {"1", "2", "3", "4", "5"}) {
    runs.push_back(started("asks", text));
    clock_.advance(std::chrono::milliseconds(1));
  }
  restart();
  provider_->held = true;
  engine_->recover({runs[2], runs[4], runs[3], runs[1], runs[0]});
  work_until([&] { return gate_->stats().queued == 4; });
  provider_->held = false;
  until_status(runs, RunStatus::completed);
  auto order = asked();
  const auto first = order.substr(0, 2);  // it found a place before others were read
  std::string by_age = "1 2 3 4 5 ";
  by_age.erase(by_age.find(first), 2);
  EXPECT_EQ(order, first + by_age);
}

TEST_F(Places, ACallerWhoHangsUpDoesNotKeepAPlaceInTheQueue) {
  flow("asks", kAsks);
  limit({.per_tenant = 1});
  provider_->held = true;
  const RunId working = started("asks");
  work_until([&] { return !provider_->seen.empty(); });
  CancelSource gone;
  const auto chat = prepare(request_of("hello"), [&](RunRequest& request) { request.cancel = &gone; });
  engine_->spawn(chat);
  work_until([&] { return gate_->stats().queued == 1; });
  gone.cancel();
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (gate_->stats().queued != 0 && std::chrono::steady_clock::now() < patience)
    io_->run_one_for(std::chrono::milliseconds(5));
  EXPECT_EQ(gate_->stats().queued, 0U);
  provider_->held = false;
  until_status({working}, RunStatus::completed);
  until_status({chat->row.id}, RunStatus::cancelled);
  EXPECT_EQ(provider_->seen.size(), 1U) << "nobody is asked for somebody who is gone";
}

TEST_F(Places, ARunAtRestHasNoPlaceAndComesBackBeforeNewOnes) {
  flow("asks", kAsks);
  flow("rests", std::string(kRests) + std::string(kAsks).substr(4));
  limit({.per_tenant = 1});
  const RunId resting = started("rests", "rested");
  until_status({resting}, RunStatus::waiting);
  provider_->held = true;
  const RunId working = started("asks", "now");
  work_until([&] { return !provider_->seen.empty(); });
  const RunId waiting = started("asks", "new");
  clock_.advance(std::chrono::minutes(2));
  engine_->watch_timers();
  work_until([&] { return gate_->stats().queued == 2; });
  provider_->held = false;
  until_status({resting, working, waiting}, RunStatus::completed);
  EXPECT_EQ(asked(), "now rested new ");
}

TEST_F(Places, AParentGivesItsPlaceToTheRunsThatItWaitsFor) {
  flow("asks", kAsks);
  flow("parent",
       "do:\n  - child: {run: {workflow: {namespace: test, name: asks, version: '1.0.0', input: {text: c}}}}\n");
  flow("grandparent",
       "do:\n  - child: {run: {workflow: {namespace: test, name: parent, version: '1.0.0', input: {}}}}\n");
  flow("many", R"(
do:
  - all:
      fork:
        branches:
          - one: {run: {workflow: {namespace: test, name: parent, version: '1.0.0', input: {}}}}
          - two: {run: {workflow: {namespace: test, name: asks, version: '1.0.0', input: {text: d}}}}
          - ask: {call: chat, with: {model: large, messages: [{role: user, content: own}]}}
          - rest: {wait: {milliseconds: 1}}
)");
  limit({.all = 1, .per_tenant = 1, .flows = {{"test/asks", 1}, {"test/parent", 1}}, .queue = 0});
  for (const char* name : {"parent", "grandparent", "many"}) {
    const RunId run = started(name);
    until_status({run}, RunStatus::completed);
    EXPECT_EQ(gate_->stats().at_work + gate_->stats().queued, 0U) << name;
  }
}

TEST_F(Places, BeyondTheQueueNewRunsAreRefusedAndNothingOfThemStays) {
  flow("asks", kAsks);
  limit({.per_tenant = 1, .queue = 1});
  provider_->held = true;
  const std::vector<RunId> runs{started("asks"), started("asks")};
  const auto refused = start_of("asks");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::rate_limited);
  EXPECT_EQ(in_flight_->size(), 2U);
  EXPECT_EQ(get(store_->list_runs({}))->size(), 2U);
  provider_->held = false;
  until_status(runs, RunStatus::completed);
  EXPECT_TRUE(start_of("asks"));
}

TEST_F(Places, WhoWaitsIsCancelledAtOnce) {
  flow("asks", kAsks);
  limit({.per_tenant = 1});
  provider_->held = true;
  const RunId working = started("asks"), waiting = started("asks");
  const auto told = get(engine_->command(waiting, EventHub::Verb::cancel, "somebody", true));
  ASSERT_TRUE(told) << told.error().detail;
  EXPECT_EQ(status_of(waiting), RunStatus::cancelled);
  EXPECT_EQ(gate_->stats().queued, 0U);
  provider_->held = false;
  until_status({working}, RunStatus::completed);
}

TEST_F(Places, AfterARestartParentsDoNotKeepTheirChildrenFromBeingTakenUp) {
  flow("asks", kAsks);
  flow("parent",
       "do:\n  - child: {run: {workflow: {namespace: test, name: asks, version: '1.0.0', input: {text: c}}}}\n");
  provider_->held = true;
  constexpr std::size_t kParents = 40;  // more than are taken up side by side
  std::vector<RunId> parents;
  for (std::size_t i = 0; i < kParents; ++i) parents.push_back(started("parent"));
  work_until([&] { return provider_->seen.size() == kParents; });
  std::vector<RunId> children;
  for (const auto& row : *get(store_->open_runs(std::nullopt, 1000))) {
    if (std::ranges::find(parents, row.id) == parents.end()) children.push_back(row.id);
  }
  ASSERT_EQ(children.size(), kParents);
  restart();
  engine_->recover(parents);
  engine_->recover(children);
  until_status(parents, RunStatus::completed);
}

}  // namespace
}  // namespace sb::flow
