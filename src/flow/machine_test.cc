#include "flow/machine.h"

#include <gtest/gtest.h>

namespace sb::flow {
namespace {

const std::vector<std::string> kFunctions = {"triage", "script", "chat", "review", "probe"};

std::shared_ptr<const Flow> flow_of(std::string_view tasks) {
  auto flow =
      load_flow("document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}\n" + std::string(tasks),
                "test.yaml", kFunctions);
  EXPECT_TRUE(flow) << flow.error().detail;
  return flow ? *flow : nullptr;
}

Data data_of(std::string_view text) {
  return Data(parse_json(text).value());
}

std::string refusal(std::string_view tasks) {
  auto flow =
      load_flow("document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}\n" + std::string(tasks),
                "test.yaml", kFunctions);
  return flow ? "" : flow.error().detail;
}

// It is recorded with the effect beside it, later.
TEST(Machine, AWaitEndsWhenItsTimeHasCome) {
  const auto flow = flow_of(R"(
do:
  - both:
      fork:
        branches:
          - rest: {wait: {seconds: 2}}
          - ask: {call: probe}
)");
  constexpr Micros kStart = 1'000'000;
  Machine machine(flow, {"run", kStart}, data_of("{}"));
  ASSERT_TRUE(std::holds_alternative<Machine::Call>(machine.next()));
  machine.tick(kStart + 2'000'000);
  machine.next();
  machine.tick(kStart + 9'000'000);
  const auto pure = machine.take_pure_steps();
  ASSERT_EQ(pure.size(), 1U);
  EXPECT_EQ(pure[0].started_us, kStart);
  EXPECT_EQ(pure[0].ended_us, kStart + 2'000'000);
}

TEST(Machine, RunsPureTasksAndStopsAtEffects) {
  const auto flow = flow_of(R"(
do:
  - first:
      set: {n: '${ .n + 1 }'}
  - pick:
      switch:
        - big: {when: .n > 10, then: large}
        - small: {then: ask}
  - ask:
      call: probe
      with: {model: small, n: '${ .n }'}
      then: end
  - large:
      set: {answer: big}
)");
  Machine machine(flow, {"run", 0}, data_of(R"({"n": 1})"));
  auto action = machine.next();
  const auto* call = std::get_if<Machine::Call>(&action);
  ASSERT_NE(call, nullptr);
  EXPECT_EQ(to_text(call->with), R"({"model":"small","n":2})");
  EXPECT_EQ(call->task->ref, "/do/2/ask");
  const auto pure = machine.take_pure_steps();
  ASSERT_EQ(pure.size(), 2U);
  EXPECT_EQ(pure[1].chosen, "small");
  machine.complete(data_of(R"({"text":"hi"})"));
  action = machine.next();
  ASSERT_TRUE(std::holds_alternative<Machine::Done>(action));
  EXPECT_EQ(std::get<Machine::Done>(action).output.text(), R"({"text":"hi"})");

  Machine other(flow, {"run", 0}, data_of(R"({"n": 10})"));
  action = other.next();
  ASSERT_TRUE(std::holds_alternative<Machine::Done>(action));
  EXPECT_EQ(std::get<Machine::Done>(action).output.text(), R"({"answer":"big"})");
}

TEST(Machine, RestoredFromItsCheckpointGivesTheSameAction) {
  const auto flow = flow_of(R"(
do:
  - outer:
      do:
        - remember:
            set: {kept: '${ .x }'}
            export: {as: '{ seen: .kept }'}
        - ask:
            call: probe
            with: {from: '${ $context.seen }'}
  - last:
      set: {result: '${ .text }', seen: '${ $context.seen }'}
)");
  const Data input = data_of(R"({"x": 12345678901234567})");
  Machine machine(flow, {"run", 0}, input);
  auto action = machine.next();
  const auto before = to_text(std::get<Machine::Call>(action).with);
  auto restored = Machine::restore(flow, {"run", 0}, input, machine.checkpoint());
  ASSERT_TRUE(restored) << restored.error().detail;
  action = restored->next();
  EXPECT_EQ(to_text(std::get<Machine::Call>(action).with), before);
  EXPECT_EQ(before, R"({"from":12345678901234567})");
  restored->complete(data_of(R"({"text":"t"})"));
  action = restored->next();
  EXPECT_EQ(std::get<Machine::Done>(action).output.text(), R"({"result":"t","seen":12345678901234567})");
}

TEST(Machine, UntouchedInputPassesByteForByte) {
  const auto flow = flow_of("do:\n  - ask:\n      call: chat\n      output: {as: $input}\n");
  const Data input = Data::from_text("{ \"b\" : 1.0,\n \"a\":2 }");
  Machine machine(flow, {"run", 0}, input);
  auto action = machine.next();
  EXPECT_EQ(std::get<Machine::Call>(action).input.text(), "{ \"b\" : 1.0,\n \"a\":2 }");
  machine.complete(data_of("1"));
  action = machine.next();
  EXPECT_EQ(std::get<Machine::Done>(action).output.text(), "{ \"b\" : 1.0,\n \"a\":2 }");
}

TEST(Machine, EndlessLoopsAndBadExpressionsAreFaults) {
  const auto loop =
      flow_of("do:\n  - a:\n      set: {x: 1}\n      then: b\n  - b:\n      set: {x: 2}\n      then: a\n");
  Machine machine(loop, {"run", 0}, data_of("{}"));
  auto action = machine.next();
  ASSERT_TRUE(std::holds_alternative<Machine::Faulted>(action));
  EXPECT_NE(std::get<Machine::Faulted>(action).problem.detail.find("endless"), std::string::npos);

  const auto broken = flow_of("do:\n  - a:\n      set: {x: '${ .a.b }'}\n");
  Machine other(broken, {"run", 0}, data_of(R"({"a": 5})"));
  action = other.next();
  ASSERT_TRUE(std::holds_alternative<Machine::Faulted>(action));
  EXPECT_EQ(std::get<Machine::Faulted>(action).problem.instance, "/do/0/a");
}

TEST(Machine, RaiseFaultsWithItsError) {
  const auto flow = flow_of(R"(
do:
  - no:
      if: .stop
      raise: {error: {type: https://example.org/no, status: 409, title: 'No: ${ . }'}}
  - yes:
      set: {ok: true}
)");
  Machine stopped(flow, {"run", 0}, data_of(R"({"stop": true})"));
  auto action = stopped.next();
  EXPECT_EQ(std::get<Machine::Faulted>(action).problem.status, 409);
  Machine passed(flow, {"run", 0}, data_of(R"({"stop": false})"));
  action = passed.next();
  EXPECT_EQ(std::get<Machine::Done>(action).output.text(), R"({"ok":true})");
}

constexpr Micros kMillisecond = 1'000;

Machine run_to_rest(std::string_view tasks, std::string_view input, Micros now = 0) {
  Machine machine(flow_of(tasks), {"run", 0}, data_of(input));
  machine.next(now);
  return machine;
}

TEST(Machine, WaitsAreOverWhenTheirTimeHasCome) {
  auto machine = run_to_rest("do:\n  - rest: {wait: {milliseconds: 50}}\n", R"({"n":1})");
  EXPECT_EQ(machine.due(), 50 * kMillisecond);
  EXPECT_TRUE(std::holds_alternative<Machine::Parked>(machine.next(49 * kMillisecond)));
  const auto action = machine.next(50 * kMillisecond);
  EXPECT_EQ(std::get<Machine::Done>(action).output.text(), R"({"n":1})");
}

TEST(Machine, ARetryWaitsLongerEachTimeAndGivesUp) {
  auto machine = run_to_rest(R"(
do:
  - safe:
      try:
        - ask: {call: probe}
      catch:
        retry: {delay: {milliseconds: 10}, backoff: {exponential: {}}, limit: {attempt: {count: 2}}}
)",
                             "{}");
  Micros now = 0;
  for (const Micros delay : {10, 20}) {
    machine.fault(standard_problem("communication", 503, "Away"));
    EXPECT_TRUE(std::holds_alternative<Machine::Parked>(machine.next(now)));
    EXPECT_EQ(machine.due(), now + delay * kMillisecond);
    now = machine.due();
    EXPECT_TRUE(std::holds_alternative<Machine::Call>(machine.next(now)));
  }
  machine.fault(standard_problem("communication", 503, "Away"));
  const auto action = machine.next(now);
  EXPECT_EQ(std::get<Machine::Faulted>(action).problem.instance, "/do/0/safe/try/0/ask");
}

TEST(Machine, BranchesHandOutTheirEffectsSideBySide) {
  auto flow = flow_of(R"(
do:
  - split:
      fork:
        branches:
          - a: {call: probe, with: {n: 1}}
          - b: {call: probe, with: {n: 2}}
)");
  Machine machine(flow, {"run", 0}, data_of("{}"));
  auto first = std::get<Machine::Call>(machine.next());
  machine.started(first.id);
  auto second = std::get<Machine::Call>(machine.next());
  EXPECT_NE(first.id, second.id);
  machine.started(second.id);
  EXPECT_TRUE(std::holds_alternative<Machine::Busy>(machine.next()));
  auto restored = Machine::restore(flow, {"run", 0}, data_of("{}"), machine.checkpoint());
  ASSERT_TRUE(restored) << restored.error().detail;
  EXPECT_EQ(std::get<Machine::Call>(restored->next()).id, first.id);  // the same effect has the same number
  machine.complete(second.id, data_of("2"));
  machine.complete(first.id, data_of("1"));
  const auto action = machine.next();
  EXPECT_EQ(std::get<Machine::Done>(action).output.text(), "[1,2]");
}

// Text that was not looked into is written as it is; what cannot be read again must not keep the run from going on.
TEST(Machine, WhatDoesNotReadAsJsonIsNullInACheckpoint) {
  const auto flow = flow_of("do:\n  - ask: {call: probe}\n  - again: {call: probe, with: {last: '${ . }'}}\n");
  const std::string deep = std::string(70, '[') + std::string(70, ']');
  const std::initializer_list<std::pair<std::string, std::string>> cases = {
      {R"({ "n" : 1.50 })", R"({"last":{"n":1.5E0}})"}, {"no JSON", R"({"last":null})"}, {deep, R"({"last":null})"}};
  for (const auto& [answer, with] : cases) {
    Machine machine(flow, {"run", 0}, data_of("{}"));
    (void)machine.next();
    machine.complete(Data::from_text(answer));
    (void)machine.next();
    auto restored = Machine::restore(flow, {"run", 0}, data_of("{}"), machine.checkpoint());
    ASSERT_TRUE(restored) << restored.error().detail;
    EXPECT_EQ(to_text(std::get<Machine::Call>(restored->next()).with), with);
  }
}

// Wherever a run stands, going on from its checkpoint ends as going on without it does.
TEST(Machine, ACheckpointAtEveryStepLeadsToTheSameEnd) {
  const auto flow = flow_of(R"(
do:
  - loop:
      for: {each: x, in: '.list', at: i}
      do:
        - safe:
            try:
              - ask: {call: probe, with: {x: '${ $x }'}}
            catch:
              as: e
              retry: {delay: {milliseconds: 1}, limit: {attempt: {count: 1}}}
              do:
                - note: {call: probe, with: {failed: '${ $e.status }', at: '${ $i }'}}
        - rest: {wait: {milliseconds: 5}}
  - split:
      fork:
        branches:
          - a: {call: probe, with: {b: 1}}
          - hear: {listen: {to: {one: {with: {type: go}}}}}
)");
  const Data input = data_of(R"({"list":[1,2]})");
  const auto play = [&](std::size_t restore_at) {
    std::string seen;
    std::size_t steps = 0;
    Micros now = 0;
    Machine machine(flow, {"run", 0}, input);
    while (true) {
      if (steps++ == restore_at) {
        auto restored = Machine::restore(flow, {"run", 0}, input, machine.checkpoint());
        EXPECT_TRUE(restored) << restored.error().detail;
        machine = *std::move(restored);
      }
      auto action = machine.next(now);
      if (auto* call = std::get_if<Machine::Call>(&action)) {
        seen += to_text(call->with) + "#" + std::to_string(call->id) + " ";
        if (call->with.get_object().contains("x") && call->with.at("x") == 2)
          machine.fault(call->id, standard_problem("communication", 503, "Away"));
        else
          machine.complete(call->id, data_of(R"({"ok":true})"));
      } else if (std::holds_alternative<Machine::Parked>(action)) {
        if (machine.due() != 0)
          now = machine.due();
        else
          EXPECT_TRUE(machine.deliver(json::object{{"type", "go"}, {"data", "as it came"}},
                                      json::object{{"type", "go"}, {"data", 7}}));
      } else {
        return seen + std::get<Machine::Done>(action).output.text();
      }
    }
  };
  const auto whole = play(1000);
  EXPECT_NE(whole.find("[{\"ok\":true},[7]]"), std::string::npos) << whole;
  for (std::size_t at = 0; at < 14; ++at) EXPECT_EQ(play(at), whole) << at;
}

struct Refused {
  const char* name;
  const char* tasks;
  const char* says;
};
class Definition : public testing::TestWithParam<Refused> {};
TEST_P(Definition, RefusesByNameAndLine) {
  const auto detail = refusal(GetParam().tasks);
  EXPECT_NE(detail.find(GetParam().says), std::string::npos) << detail;
  EXPECT_TRUE(detail.starts_with("test.yaml:")) << detail;
}
INSTANTIATE_TEST_SUITE_P(
    Cases, Definition,
    testing::Values(
        Refused{"unknown_function", "do:\n  - a: {call: chatt}\n", "did you mean `chat`"},
        Refused{"unsupported_property", "do:\n  - a: {run: {container: {image: x, ports: {80: 80}}}}\n",
                "`ports` is not supported"},
        Refused{"asyncapi_subscription",
                "do:\n  - a: {call: asyncapi, with: {document: {endpoint: 'http://x'}, operation: o,\n"
                "      subscription: {consume: {amount: 1}}}}\n",
                "4:21: `subscription` is not supported"},
        Refused{"asyncapi_protocol",
                "do:\n  - a: {call: asyncapi, with: {document: {endpoint: 'http://x'}, operation: o,\n"
                "      message: {}, protocol: mqtt}}\n",
                "4:30: protocol `mqtt` is not supported"},
        Refused{"asyncapi_no_protocol",
                "do:\n  - a: {call: asyncapi, with: {document: {endpoint: 'http://x'}, operation: o,\n"
                "      message: {}, protocol: pigeon}}\n",
                "`pigeon` is no protocol"},
        Refused{"asyncapi_channel_and_operation",
                "do:\n  - a: {call: asyncapi, with: {document: {endpoint: 'http://x'}, operation: o, channel: c,\n"
                "      message: {}}}\n",
                "either `channel`"},
        Refused{"asyncapi_message",
                "do:\n  - a: {call: asyncapi, with: {document: {endpoint: 'http://x'}, operation: o,\n"
                "      message: {payload: 1, body: 2}}}\n",
                "body"},
        Refused{"unknown_key", "do:\n  - a: {call: chat, wiht: {}}\n", "did you mean `with`"},
        Refused{"unknown_target", "do:\n  - a: {set: {x: 1}, then: b}\n", "no task `b`"},
        Refused{"bad_expression", "do:\n  - a: {set: {x: '${ .a | }'}}\n", "3:"},
        Refused{"duplicate_name", "do:\n  - a: {set: {x: 1}}\n  - a: {set: {x: 2}}\n", "appears twice"},
        Refused{"no_tasks", "do: []\n", "list of tasks"},
        Refused{"timeout", "do:\n  - a: {call: probe, timeout: {after: {months: 1}}}\n", "no `months`"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Machine, SaysWhichTypesOfEventsItListensFor) {
  const auto types = [](std::string_view listen) {
    Machine machine(flow_of("do:\n  - hear: {listen: {to: " + std::string(listen) + "}}\n"), {"run", 0},
                    data_of(R"({"t": "x"})"));
    EXPECT_TRUE(std::holds_alternative<Machine::Parked>(machine.next()));
    return machine.event_types();
  };
  using Types = std::set<std::string, std::less<>>;
  EXPECT_EQ(types("{one: {with: {type: go}}}"), Types{"go"});
  EXPECT_EQ(types("{all: [{with: {type: a}}, {with: {type: b, source: /x}}]}"), (Types{"a", "b"}));
  EXPECT_EQ(types("{any: [{with: {type: a}}], until: {one: {with: {type: end}}}}"), (Types{"a", "end"}));
  EXPECT_EQ(types("{any: []}"), Types{""});
  EXPECT_EQ(types("{any: [{with: {type: a}}, {with: {source: /x}}]}"), Types{""}) << "of any type";
  EXPECT_EQ(types("{one: {with: {type: '${ . == \"x\" }'}}}"), Types{""}) << "an expression may be true of any";
}

}  // namespace
}  // namespace sb::flow
