#include "flow/machine.h"

#include <gtest/gtest.h>

namespace sb::flow {
namespace {

const std::vector<std::string> kFunctions = {"triage", "script", "chat", "review"};

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
      call: chat
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
            call: chat
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
    testing::Values(Refused{"unknown_function", "do:\n  - a: {call: chatt}\n", "did you mean `chat`"},
                    Refused{"unsupported_task", "do:\n  - a: {wait: {seconds: 1}}\n", "`wait` is not supported"},
                    Refused{"unknown_key", "do:\n  - a: {call: chat, wiht: {}}\n", "did you mean `with`"},
                    Refused{"unknown_target", "do:\n  - a: {set: {x: 1}, then: b}\n", "no task `b`"},
                    Refused{"bad_expression", "do:\n  - a: {set: {x: '${ .a | }'}}\n", "3:"},
                    Refused{"duplicate_name", "do:\n  - a: {set: {x: 1}}\n  - a: {set: {x: 2}}\n", "appears twice"},
                    Refused{"no_tasks", "do: []\n", "list of tasks"},
                    Refused{"timeout", "do:\n  - a: {call: chat, timeout: {after: {seconds: 1}}}\n",
                            "`timeout` is not supported"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sb::flow
