// Runs at rest: the store knows what wakes them, whoever parked them.
#include <fmt/format.h>

#include "flow/engine_testing.h"

namespace sb::flow {
namespace {

class AtRest : public EngineTest {
 protected:
  RunStatus status_of(RunId id) { return get(store_->load_run(id))->status; }

  std::shared_ptr<const Flow> flow_of(std::string_view name, std::string_view tasks) {
    return add_flow(
        fmt::format("document: {{dsl: '1.0.3', namespace: test, name: {}, version: '1.0.0'}}\n{}", name, tasks));
  }
  std::shared_ptr<LiveRun> start_run(const std::shared_ptr<const Flow>& flow) {
    return prepare("{}", [&](RunRequest& request) {
      request.flow = flow;
      request.profile = policy::JsonProfile::any;
    });
  }
  RunId rest(const std::shared_ptr<const Flow>& flow) {
    const auto run = start_run(flow);
    EXPECT_TRUE(get(engine_->drive(run)));
    EXPECT_EQ(status_of(run->row.id), RunStatus::waiting);
    return run->row.id;
  }
  static json::value event_of(std::string_view type) {
    return json::object{{"specversion", "1.0"}, {"id", std::string(type) + "-1"}, {"source", "/x"}, {"type", type}};
  }
  std::size_t publish(std::string_view type) {
    Carried nothing;
    auto receipt = get(events_->publish(event_of(type), "acme", std::move(nothing)));
    EXPECT_TRUE(receipt) << receipt.error().detail;
    return receipt ? receipt->runs : 0;
  }
};

constexpr std::string_view kWaits = "do:\n  - pause: {wait: {minutes: 1}}\n";
constexpr std::string_view kListens = "do:\n  - hear: {listen: {to: {one: {with: {type: go}}}}}\n";

TEST_F(AtRest, WhoIsWokenHasNoMoreMoneyThanBefore) {
  spend_limit_ = 5;
  const RunId run = rest(flow_of("asks", std::string(kWaits) + "  - ask: {call: chat, with: {model: large}}\n"));
  restart();
  engine_->watch_timers();
  clock_.advance(std::chrono::minutes(1));
  work_until([&] { return store::is_final(status_of(run)); });
  EXPECT_EQ(status_of(run), RunStatus::faulted);
  EXPECT_NE(row_of(run).error.find("money"), std::string::npos) << row_of(run).error;
  EXPECT_TRUE(provider_->seen.empty());
}

TEST_F(AtRest, AChildSpendsOfTheSameMoney) {
  spend_limit_ = 5;
  flow_of("asks", "do:\n  - ask: {call: chat, with: {model: large}}\n");
  const auto run = start_run(
      flow_of("parent", "do:\n  - child: {run: {workflow: {namespace: test, name: asks, version: '1.0.0'}}}\n"));
  EXPECT_TRUE(get(engine_->drive(run)));
  EXPECT_EQ(status_of(run->row.id), RunStatus::faulted);
  EXPECT_TRUE(provider_->seen.empty());
}

TEST_F(AtRest, ManyAreWokenAfterARestartThoughFewAreInMemory) {
  timers_near_ = 2;
  restart();
  const auto flow = flow_of("waits", kWaits);
  std::vector<RunId> runs;
  for (int i = 0; i < 15; ++i) {
    runs.push_back(rest(flow));
    clock_.advance(std::chrono::milliseconds(10));
  }
  restart();
  engine_->watch_timers();
  clock_.advance(std::chrono::minutes(1));
  work_until([&] { return get(store_->timers({}, 100))->empty(); });
  ASSERT_FALSE(HasFatalFailure());
  for (const RunId& run : runs) work_until([&] { return status_of(run) == RunStatus::completed; });
  EXPECT_EQ(in_flight_->size(), 0U);
}

TEST_F(AtRest, ATimeThatHasNotComeWakesNobody) {
  const RunId run = rest(flow_of("waits", kWaits));
  restart();
  engine_->watch_timers();
  clock_.advance(std::chrono::seconds(59));
  io_->restart();
  io_->run_for(std::chrono::milliseconds(50));
  EXPECT_EQ(get(store_->load_run(run))->epoch, LeaseEpoch{1});
}

TEST_F(AtRest, AnEventFindsAListenerThatNobodyWasToldOf) {
  const RunId run = rest(flow_of("listens", kListens));
  restart();
  EXPECT_EQ(publish("stop"), 0U);
  EXPECT_EQ(publish("go"), 1U);
  work_until([&] { return status_of(run) == RunStatus::completed; });
}

TEST_F(AtRest, AnEventAndTheEndThatFollowsAreOneCommit) {
  const RunId run = rest(flow_of("listens", kListens));
  const auto before = store_->stats().commits;
  EXPECT_EQ(publish("go"), 1U);
  EXPECT_EQ(status_of(run), RunStatus::completed) << "who sent it was answered after that";
  EXPECT_EQ(store_->stats().commits - before, 2U) << "the run's, and that the event is known";
}

TEST_F(AtRest, ManyTakeAnEventWithACommitEach) {
  constexpr std::size_t kRuns = 300;  // more than a page
  const auto flow = flow_of("listens", kListens);
  std::vector<RunId> runs;
  for (std::size_t i = 0; i < kRuns; ++i) {
    const auto run = start_run(flow);
    run->durability = Durability::async;
    ASSERT_TRUE(get(engine_->drive(run)));
    runs.push_back(run->row.id);
  }
  const auto before = store_->stats().commits;
  EXPECT_EQ(publish("go"), kRuns);
  EXPECT_EQ(store_->stats().commits - before, kRuns + 1) << "the runs', and that the event is known";
  for (const RunId& run : runs) EXPECT_EQ(status_of(run), RunStatus::completed);
}

TEST_F(AtRest, WhoSendsAnEventDoesNotWaitForTheCallThatFollows) {
  const RunId run = rest(flow_of("asks", std::string(kListens) + "  - ask: {call: chat, with: {model: large}}\n"));
  provider_->forever = true;
  EXPECT_EQ(publish("go"), 1U);
  EXPECT_EQ(status_of(run), RunStatus::running);
}

TEST_F(AtRest, NorForAScriptWhichWouldNotBeOnDiskBeforeItsEnd) {
  std::ofstream(folder_.file("scripts.yaml")) << "ok: {kind: jq, inline: '\"ok\"'}\n";
  script_registry_ = *script::ScriptRegistry::load(std::filesystem::path(folder_.file("scripts.yaml")).parent_path());
  restart();
  const RunId run = rest(flow_of("asks", std::string(kListens) + "  - ask: {call: script, with: {name: ok}}\n"));
  const auto before = store_->stats().commits;
  EXPECT_EQ(publish("go"), 1U);
  work_until([&] { return status_of(run) == RunStatus::completed; });
  EXPECT_EQ(store_->stats().commits - before, 3U) << "that it goes on, its end, and that the event is known";
}

TEST_F(AtRest, AnEventThatFindsNoRoomIsSentAgain) {
  const RunId run = rest(flow_of("listens", kListens));
  free_bytes_ = 0;
  Carried nothing;
  EXPECT_EQ(get(events_->publish(event_of("go"), "acme", std::move(nothing))).error().code, Errc::disk_full);
  EXPECT_EQ(status_of(run), RunStatus::waiting);
  free_bytes_ = std::uint64_t{1} << 40;
  EXPECT_EQ(publish("go"), 1U);
  EXPECT_EQ(status_of(run), RunStatus::completed);
}

// Its commit is on disk, that the event is known is not: the sender has no answer.
TEST_F(AtRest, AnEventThatIsSentAgainIsCountedOnce) {
  const RunId run =
      rest(flow_of("counts", "do:\n  - hear: {listen: {to: {any: [{with: {type: go}}], until: 'length >= 2'}}}\n"));
  full_at_ = 2;
  Carried nothing;
  EXPECT_EQ(get(events_->publish(event_of("go"), "acme", std::move(nothing))).error().code, Errc::disk_full);
  restart();
  EXPECT_EQ(publish("go"), 0U) << "it has it";
  EXPECT_EQ(status_of(run), RunStatus::waiting);
  json::value other = event_of("go");
  other.as_object()["id"] = "go-2";
  Carried none;
  EXPECT_EQ(get(events_->publish(other, "acme", std::move(none)))->runs, 1U);
  work_until([&] { return status_of(run) == RunStatus::completed; });
}

TEST_F(AtRest, AnEventThatComesWhileARunGoesToRestIsNotLost) {
  const auto run = start_run(flow_of("listens", kListens));
  std::optional<Result<>> driven;
  asio::co_spawn(*io_, engine_->drive(run), [&](const std::exception_ptr&, Result<> result) { driven = result; });
  io_->restart();
  // Up to the commit: what comes of it waits for the next turn, or for the writer.
  for (const auto before = store_->stats().commits; store_->stats().commits == before;) io_->poll_one();
  ASSERT_FALSE(driven);
  std::set<RunId> told;
  const auto taken = get(engine_->deliver(event_of("go"), "acme", {}, told));
  const auto at_rest = get(engine_->deliver_at_rest(event_of("go"), "acme", {}, told));
  ASSERT_TRUE(taken && at_rest);
  EXPECT_EQ(*taken + *at_rest, 1U) << "where it is found depends on who was quicker";
  work_until([&] { return driven.has_value() && status_of(run->row.id) == RunStatus::completed; });
}

TEST_F(AtRest, ARunIsTakenUpByOneAtATime) {
  const RunId run = rest(flow_of("waits", kWaits));
  const auto held = in_flight_->take(run);
  ASSERT_TRUE(held);
  EXPECT_FALSE(in_flight_->take(run));
  engine_->set_timer(run, 1);
  io_->restart();
  io_->run_for(std::chrono::milliseconds(50));
  EXPECT_EQ(status_of(run), RunStatus::waiting);
  in_flight_->leave({}, {}, held);
  clock_.advance(std::chrono::minutes(1));
  work_until([&] { return status_of(run) == RunStatus::completed; });
}

TEST_F(AtRest, AWokenRunThatFindsNoRoomIsWokenAgain) {
  const RunId run = rest(flow_of("waits", kWaits));
  clock_.advance(std::chrono::minutes(1));
  free_bytes_ = 0;
  engine_->set_timer(run, 1);
  bool was_in_work = false;
  work_until([&] {
    was_in_work = was_in_work || in_flight_->find(run);
    return was_in_work && !in_flight_->find(run);
  });
  EXPECT_EQ(status_of(run), RunStatus::waiting);
  free_bytes_ = std::uint64_t{1} << 40;
  work_until([&] { return status_of(run) == RunStatus::completed; });
}

TEST_F(AtRest, AWokenRunThatFindsNoRoomTwiceWhileAnotherIsTakenUpIsNotForgotten) {
  recover_in_parallel_ = 1;
  restart();
  const RunId run = rest(flow_of("waits", kWaits));
  auto open = prepare(request_of("hello"));
  const RunId busy = open->row.id;
  provider_->forever = true;
  asio::co_spawn(*io_, engine_->drive(std::move(open)), asio::detached);
  work_until([&] { return !provider_->seen.empty(); });
  restart();
  provider_->held = true;
  engine_->recover({busy});
  work_until([&] { return !provider_->seen.empty(); });

  clock_.advance(std::chrono::minutes(1));
  free_bytes_ = 0;
  engine_->set_timer(run, 1);
  io_->restart();
  io_->run_for(std::chrono::milliseconds(100));
  EXPECT_EQ(status_of(run), RunStatus::waiting);
  free_bytes_ = std::uint64_t{1} << 40;
  provider_->held = false;
  work_until([&] { return status_of(run) == RunStatus::completed; });
}

TEST_F(AtRest, WhoWaitsForAChildGoesOnWhenItEnds) {
  flow_of("child", kWaits);
  const auto parent = start_run(
      flow_of("parent", "do:\n  - ask: {run: {workflow: {namespace: test, name: child, version: '1.0.0'}}}\n"));
  std::optional<Result<>> driven;
  asio::co_spawn(*io_, engine_->drive(parent), [&](const std::exception_ptr&, Result<> result) { driven = result; });
  const auto children_at_rest = [&] {
    store::RunFilter children;
    children.flow = "test/child";
    children.status = RunStatus::waiting;
    return get(store_->list_runs(children))->size();
  };
  work_until([&] { return children_at_rest() == 1; });
  EXPECT_FALSE(driven);
  clock_.advance(std::chrono::minutes(1));
  engine_->watch_timers();  // the alarm of a clock that stands still does not know of it
  work_until([&] { return driven.has_value(); });
  EXPECT_EQ(status_of(parent->row.id), RunStatus::completed);
}

TEST_F(AtRest, WhoFindsNoRoomForAChildAsksAgainWhenThereIs) {
  flow_of("child", "do:\n  - keep: {set: {n: 1}}\n");
  const RunId parent =
      rest(flow_of("parent", std::string(kWaits) +
                                 "  - ask: {run: {workflow: {namespace: test, name: child, version: '1.0.0'}}}\n"));
  full_at_ = 2;  // the first says that there will be a child
  clock_.advance(std::chrono::minutes(1));
  engine_->watch_timers();
  work_until([&] { return store::is_final(status_of(parent)); });
  EXPECT_EQ(status_of(parent), RunStatus::completed);
  EXPECT_LT(full_at_, 0);
}

TEST_F(AtRest, NorIsAnEventLostThatFindsNoRoom) {
  const RunId listener = rest(flow_of("listens", kListens));
  const RunId teller = rest(flow_of(
      "tells", std::string(kWaits) + "  - tell: {emit: {event: {with: {source: 'https://a.example/', type: go}}}}\n"));
  full_at_ = 2;  // the first says that there will be an event
  clock_.advance(std::chrono::minutes(1));
  engine_->watch_timers();
  work_until([&] { return store::is_final(status_of(teller)); });
  EXPECT_EQ(status_of(teller), RunStatus::completed);
  EXPECT_EQ(status_of(listener), RunStatus::completed);
}

// An answer that cannot be recorded would only be paid, again and again.
TEST_F(AtRest, ACallIsNotTriedAgainWhileThereIsNoRoom) {
  for (int i = 0; i < 3; ++i) provider_->fake.then("l", model::testing::fake_status(503));
  const RunId run = rest(flow_of("tries", R"(do:
  - safe:
      try:
        - ask: {call: chat, with: {model: large}}
      catch:
        retry: {delay: {minutes: 1}, limit: {attempt: {count: 1}}}
)"));
  const std::size_t calls = provider_->seen.size();
  free_bytes_ = 0;
  clock_.advance(std::chrono::minutes(2));
  engine_->set_timer(run, 1);
  bool was_in_work = false;
  work_until([&] {
    was_in_work = was_in_work || in_flight_->find(run);
    return was_in_work && !in_flight_->find(run);
  });
  EXPECT_EQ(provider_->seen.size(), calls);
  free_bytes_ = std::uint64_t{1} << 40;
  work_until([&] { return status_of(run) == RunStatus::completed; });
  EXPECT_EQ(provider_->seen.size(), calls + 1);
}

// Its time has come, and nobody has woken it yet.
TEST_F(AtRest, AWishThatComesTooLateIsRefused) {
  for (const auto verb : {EventHub::Verb::cancel, EventHub::Verb::suspend}) {
    const RunId run = rest(flow_of("waits", kWaits));
    clock_.advance(std::chrono::minutes(2));
    const auto told = get(events_->command(run, verb, "somebody"));
    ASSERT_FALSE(told) << "it was " << store::to_string(status_of(run));
    EXPECT_EQ(told.error().code, Errc::conflict);
    EXPECT_EQ(told.error().detail, "the run is completed already");
    EXPECT_EQ(status_of(run), RunStatus::completed);
  }
}

TEST_F(AtRest, ASuspendedRunIsWokenByNothing) {
  const RunId run = rest(flow_of("listens", kListens));
  ASSERT_TRUE(get(events_->command(run, EventHub::Verb::suspend, "somebody")));
  EXPECT_EQ(publish("go"), 0U);
  ASSERT_TRUE(get(events_->command(run, EventHub::Verb::resume, "somebody")));
  work_until([&] { return status_of(run) == RunStatus::waiting; });
  restart();
  Carried nothing;
  auto event = event_of("go");
  event.as_object()["id"] = "another";
  EXPECT_EQ(get(events_->publish(event, "acme", std::move(nothing)))->runs, 1U);
}

}  // namespace
}  // namespace sb::flow
