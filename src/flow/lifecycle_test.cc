// What the machine marks of tasks, and what events are made of it.
#include "flow/lifecycle.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "flow/machine.h"

namespace sb::flow {
namespace {

std::shared_ptr<const Flow> lifecycle_flow(std::string_view tasks) {
  static const std::vector<std::string> kFunctions = {"probe"};
  auto flow =
      load_flow(fmt::format("document: {{dsl: '1.0.3', namespace: test, name: flow, version: '1.2.0'}}\n{}", tasks),
                "test.yaml", kFunctions);
  EXPECT_TRUE(flow) << flow.error().detail;
  return *flow;
}

/// "task.started /do/0/a" and its like; what becomes of the run without a place.
std::vector<std::string> told(Machine& machine) {
  std::vector<std::string> lines;
  for (const auto& mark : machine.take_marks()) {
    auto type = lifecycle_type(mark);
    EXPECT_FALSE(type.empty());
    type.remove_prefix(kLifecyclePrefix.size());
    type.remove_suffix(std::string_view(".v1").size());
    lines.push_back(std::string(type) + (mark.task ? " " + mark.task->ref : ""));
  }
  return lines;
}

using Lines = std::vector<std::string>;

struct Observed {
  explicit Observed(std::string_view tasks, std::string_view input = "{}")
      : flow(lifecycle_flow(tasks)), machine(flow, {"run-1", 1}, Data::from_text(std::string(input))) {
    machine.observe();
  }
  /// What is told of it until the next effect, the end, or a rest.
  Lines until_next(Micros now = 1) {
    (void)machine.next(now);
    return told(machine);
  }
  std::shared_ptr<const Flow> flow;
  Machine machine;
};

TEST(Marks, ATaskIsCreatedStartedAndCompletedOnceEach) {
  Observed run(R"(
do:
  - outer:
      do:
        - ask: {call: probe}
        - left_out: {if: .no, set: {x: 1}}
)");
  EXPECT_EQ(run.until_next(), (Lines{"task.created /do/0/outer", "task.started /do/0/outer",
                                     "task.created /do/0/outer/do/0/ask", "task.started /do/0/outer/do/0/ask"}));
  EXPECT_TRUE(run.until_next().empty()) << "asked again";
  run.machine.complete(Data::from_text(R"({"no":false})"));
  EXPECT_EQ(run.until_next(), (Lines{"task.completed /do/0/outer/do/0/ask", "task.completed /do/0/outer"}));
}

TEST(Marks, NothingIsKeptOfARunThatNobodyObserves) {
  const auto flow = lifecycle_flow("do:\n  - ask: {call: probe}\n");
  Machine machine(flow, {"run-1", 1}, Data::from_text("{}"));
  (void)machine.next(1);
  EXPECT_TRUE(machine.take_marks().empty());
}

TEST(Marks, ARestoredMachineMarksWhatComesAfterItsCheckpoint) {
  Observed run("do:\n  - outer: {do: [{ask: {call: probe}}]}\n");
  (void)run.until_next();
  auto restored = Machine::restore(run.flow, {"run-1", 1}, Data::from_text("{}"), run.machine.checkpoint());
  ASSERT_TRUE(restored);
  restored->observe();
  (void)restored->next(2);
  EXPECT_TRUE(told(*restored).empty());
  restored->complete(Data::from_text("1"));
  (void)restored->next(3);
  EXPECT_EQ(told(*restored), (Lines{"task.completed /do/0/outer/do/0/ask", "task.completed /do/0/outer"}));
}

constexpr std::string_view kRetried = R"(
do:
  - tries:
      try: [{ask: {call: probe}}]
      catch: {retry: {delay: {seconds: 1}, limit: {attempt: {count: 1}}}}
)";

TEST(Marks, WhatFailsIsFaultedAndItsTryRetried) {
  Observed run(kRetried);
  (void)run.until_next();
  run.machine.fault(standard_problem("communication", 503, "away"));
  EXPECT_EQ(run.until_next(2), (Lines{"task.faulted /do/0/tries/try/0/ask"}));
  EXPECT_EQ(run.until_next(2'000'000), (Lines{"task.retried /do/0/tries", "task.created /do/0/tries/try/0/ask",
                                              "task.started /do/0/tries/try/0/ask"}));
  run.machine.fault(standard_problem("communication", 503, "away"));
  EXPECT_EQ(run.until_next(2'000'001), (Lines{"task.faulted /do/0/tries/try/0/ask", "task.faulted /do/0/tries"}));
}

TEST(Marks, WhatLosesOrRunsOutOfTimeIsCancelled) {
  Observed race(R"(
do:
  - race:
      fork: {compete: true, branches: [{slow: {wait: {hours: 1}}}, {quick: {call: probe}}]}
)");
  (void)race.until_next();
  race.machine.complete(Data::from_text("1"));
  EXPECT_EQ(race.until_next(2), (Lines{"task.completed /do/0/race/fork/branches/1/quick",
                                       "task.cancelled /do/0/race/fork/branches/0/slow", "task.completed /do/0/race"}));
  Observed late("do:\n  - outer: {timeout: {after: {seconds: 1}}, do: [{ask: {call: probe}}]}\n");
  (void)late.until_next();
  EXPECT_EQ(late.until_next(5'000'000), (Lines{"task.cancelled /do/0/outer/do/0/ask", "task.faulted /do/0/outer"}));
}

TEST(Marks, EndCompletesWhatItStandsInAndCancelsTheRest) {
  Observed run(R"(
do:
  - all:
      fork: {branches: [{slow: {wait: {hours: 1}}}, {stops: {do: [{ask: {call: probe, then: end}}]}}]}
)");
  (void)run.until_next();
  run.machine.complete(Data::from_text("1"));
  EXPECT_EQ(run.until_next(2), (Lines{"task.completed /do/0/all/fork/branches/1/stops/do/0/ask",
                                      "task.completed /do/0/all/fork/branches/1/stops", "task.completed /do/0/all",
                                      "task.cancelled /do/0/all/fork/branches/0/slow"}));
}

TEST(Marks, ListeningIsACorrelationOfTheRun) {
  Observed run(R"(
do:
  - hear:
      listen: {to: {one: {with: {type: order}, correlate: {customer: {from: .data.customer}}}}}
)");
  EXPECT_EQ(run.until_next(),
            (Lines{"task.created /do/0/hear", "task.started /do/0/hear", "workflow.correlation-started"}));
  const json::value event{{"type", "order"}, {"data", {{"customer", "c-7"}}}};
  ASSERT_TRUE(run.machine.deliver(event, event));
  (void)run.machine.next(2);
  const auto marks = run.machine.take_marks();
  ASSERT_EQ(marks.size(), 2U);
  EXPECT_EQ(lifecycle_type(marks[0]), "io.serverlessworkflow.workflow.correlation-completed.v1");
  EXPECT_EQ(to_text(lifecycle_content(marks[0], false)), R"({"correlationKeys":{"customer":"c-7"}})");
  EXPECT_EQ(lifecycle_type(marks[1]), "io.serverlessworkflow.task.completed.v1");
}

TEST(Marks, WhatIsUnderWayIsSuspendedInnermostFirst) {
  Observed run("do:\n  - done: {set: {x: 1}}\n  - outer: {do: [{ask: {call: probe}}]}\n");
  (void)run.until_next();
  run.machine.mark_tasks(Lifecycle::suspended);
  EXPECT_EQ(told(run.machine), (Lines{"task.suspended /do/1/outer/do/0/ask", "task.suspended /do/1/outer"}));
}

TEST(LifecycleEvents, SayWhatTheSpecificationAsksFor) {
  const auto flow = lifecycle_flow("do:\n  - a: {set: {x: 1}}\n");
  const LifecycleSource source{"0197", *flow};
  const auto started = lifecycle_event({.what = Lifecycle::started, .at_us = 1'000'000}, source, 1);
  EXPECT_EQ(to_text(started.at("data")),
            R"({"name":"flow-0197.test","definition":{"name":"flow","namespace":"test","version":"1.2.0"},)"
            R"("startedAt":"1970-01-01T00:00:01.000000Z"})");
  EXPECT_EQ(started.at("type"), "io.serverlessworkflow.workflow.started.v1");
  EXPECT_EQ(started.at("id"), "0197-lifecycle-1");
  EXPECT_EQ(started.at("source"), "/flows/test/flow");
  EXPECT_EQ(started.at("specversion"), "1.0");
  const auto task = lifecycle_event({Lifecycle::retried, &flow->root.tasks[0], 1'000'000}, source, 2);
  EXPECT_EQ(to_text(task.at("data")),
            R"({"workflow":"flow-0197.test","task":"/do/0/a","retriedAt":"1970-01-01T00:00:01.000000Z"})");
}

TEST(LifecycleEvents, OutputsAreToldWhereTheyAreAskedForAlone) {
  const LifecycleMark completed{.what = Lifecycle::completed, .output = Data::from_text(R"({"n":1})")};
  EXPECT_TRUE(lifecycle_content(completed, false).empty());
  EXPECT_EQ(to_text(lifecycle_content(completed, true)), R"({"output":{"n":1}})");
}

TEST(LifecycleEvents, WhatIsKeptHereKeepsItsFormOutside) {
  json::object event{{"data",
                      {{"name", "n"},
                       {"output", "words"},
                       {"correlationKeys", {{"customer", "words"}}},
                       {"error", standard_problem("communication", 503, "words", "words", "/do/0/a").to_json()}}}};
  keep_content(event);
  const std::string text = to_text(event);
  EXPECT_EQ(text.find("words"), std::string::npos) << text;
  EXPECT_EQ(event["data"].at("error").at("status"), 503);
  EXPECT_EQ(event["data"].at("error").at("type"), json::value(error_type("communication")));
}

TEST(LifecycleOptions, NobodyIsToldOfWhatWasNotAskedFor) {
  const auto flow = lifecycle_flow("do:\n  - a: {set: {x: 1}}\n");
  LifecycleOptions options;
  EXPECT_FALSE(options.observes(*flow));
  options.types = {"io.serverlessworkflow.workflow.*"};
  EXPECT_TRUE(options.observes(*flow));
  EXPECT_TRUE(options.wants("io.serverlessworkflow.workflow.faulted.v1"));
  EXPECT_FALSE(options.wants("io.serverlessworkflow.task.faulted.v1"));
  options.flows = {"shop/*"};
  EXPECT_FALSE(options.observes(*flow));
  options.flows = {"shop/*", "test/fl*"};
  EXPECT_TRUE(options.observes(*flow));
}

}  // namespace
}  // namespace sb::flow
