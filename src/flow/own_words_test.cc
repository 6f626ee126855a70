// What flows say in their own words: to models, to triage, to the guard.
#include <fmt/format.h>

#include "flow/engine_testing.h"

namespace sb::flow {
namespace {

constexpr std::string_view kInput = R"({"who":"jane.roe","at":"@acme.org","n":3})";

class OwnWords : public EngineTest {
 protected:
  std::shared_ptr<const Flow> flow_of(std::string_view tasks) {
    return add_flow(fmt::format("document: {{dsl: '1.0.3', namespace: test, name: own{}, version: '1.0.0'}}\n{}",
                                ++flows_made_, tasks));
  }
  std::shared_ptr<LiveRun> prepared(std::string_view tasks, const std::function<void(RunRequest&)>& change = {}) {
    const auto flow = flow_of(tasks);
    return prepare(std::string(kInput), [&](RunRequest& request) {
      request.flow = flow;
      request.profile = policy::JsonProfile::any;
      request.requested_model.clear();
      if (change) change(request);
    });
  }
  std::shared_ptr<LiveRun> run_of(std::string_view tasks) {
    auto run = prepared(tasks);
    EXPECT_TRUE(drive(run));
    return run;
  }
  void answers(std::initializer_list<std::string_view> contents) {
    for (const auto content : contents) {
      FakeReply reply;
      reply.body = answer_of(content);
      provider_->fake.then("l", reply);
    }
  }
  json::value output_of(const LiveRun& run) { return *parse_json(row_of(run.row.id).output); }
  json::value body(std::size_t call) { return *parse_json(provider_->seen.at(call).body); }
  int flows_made_ = 0;
};

constexpr std::string_view kTwoQuestions = R"(
do:
  - draft:
      call: chat
      with:
        model: large
        temperature: 0.5
        messages:
          - {role: system, content: Be short.}
          - {role: user, content: '${ "Write to " + .who + .at }'}
      export: {as: '${ {draft: .choices[0].message.content} }'}
  - better:
      call: chat
      with:
        model: large
        messages: '${ [{role: "user", content: ("Better: " + $context.draft)}] }'
  - last:
      set: {text: '${ .choices[0].message.content }'}
)";

TEST_F(OwnWords, GoToTheModelThroughThePolicyAndTheAnswersComeBack) {
  answers({"Dear [EMAIL_1]", "Dearest [EMAIL_1]"});
  const auto run = run_of(kTwoQuestions);
  ASSERT_FALSE(run->problem) << run->problem->detail;
  ASSERT_EQ(provider_->seen.size(), 2U);
  EXPECT_EQ(to_text(*find_member(body(0), "messages")),
            R"([{"role":"system","content":"Be short."},{"role":"user","content":"Write to [EMAIL_1]"}])");
  EXPECT_EQ(to_text(*find_member(body(0), "temperature")), "5E-1");
  EXPECT_EQ(to_text(*find_member(body(1), "messages")), R"([{"role":"user","content":"Better: Dear [EMAIL_1]"}])");
  EXPECT_NE(provider_->seen[0].key, provider_->seen[1].key);
  EXPECT_EQ(to_text(output_of(*run)), R"({"text":"Dearest [EMAIL_1]"})");
  EXPECT_EQ(run->guard.restore(run->output.text()), R"({"text":"Dearest jane.roe@acme.org"})");
  const auto row = row_of(run->row.id);
  EXPECT_EQ(row.cost, 40) << "both are paid";
  EXPECT_EQ(row.cost_all_large, 40) << "and both would have been";
  EXPECT_EQ(step_names(run->row.id),
            (std::vector<std::string>{"guard.inbound", "guard.outbound", "guard.inbound", "draft", "guard.outbound",
                                      "guard.inbound", "better", "last", "guard.outbound"}));
}

TEST_F(OwnWords, EachRoundIsAQuestionOfItsOwn) {
  answers({"one", "two", "three"});
  const auto run = run_of(R"(
do:
  - all:
      for: {each: i, in: '${ [1, 2, 3] }'}
      do:
        - ask: {call: chat, with: {model: large, messages: [{role: user, content: '${ "number \($i)." }'}]}}
)");
  ASSERT_FALSE(run->problem) << run->problem->detail;
  ASSERT_EQ(provider_->seen.size(), 3U);
  std::set<std::string> keys;
  for (const auto& seen : provider_->seen) keys.insert(seen.key);
  EXPECT_EQ(keys.size(), 3U) << "a provider that heeds them would answer the first question three times";
}

TEST_F(OwnWords, AToolThatAModelAsksForAnswersAndIsHeard) {
  FakeReply calls;
  calls.body =
      R"({"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",)"
      R"("function":{"name":"rate","arguments":"{\"from\":\"EUR\",\"to\":\"USD\",\"for\":\"jane.roe@acme.org\"}"}}]},)"
      R"("finish_reason":"tool_calls"}]})";
  provider_->fake.then("l", calls);
  answers({"44 dollars."});
  auto run = prepare(R"({"question":"What do I get for 40 EUR? jane.roe@acme.org"})", [&](RunRequest& request) {
    request.flow = add_flow(file_text("examples/flows/tools.yaml"));
    request.profile = policy::JsonProfile::any;
    request.requested_model.clear();
  });
  ASSERT_TRUE(drive(run));
  ASSERT_FALSE(run->problem) << run->problem->detail;
  ASSERT_EQ(provider_->seen.size(), 2U);
  const auto second = body(1);
  const auto& messages = find_member(second, "messages")->as_array();
  ASSERT_EQ(messages.size(), 4U);
  EXPECT_EQ(to_text(messages[3]), R"({"tool_call_id":"c1","content":"1.1","role":"tool"})");
  EXPECT_EQ(provider_->seen[1].body.find("jane.roe@acme.org"), std::string::npos) << "in the arguments either";
  EXPECT_NE(provider_->seen[0].key, provider_->seen[1].key);
  EXPECT_EQ(to_text(output_of(*run)), R"({"answer":"44 dollars."})");
}

TEST_F(OwnWords, ALetterBecomesAReplyThatAPersonHasRead) {
  const auto flow = add_flow(file_text("examples/flows/complaint.yaml"));
  FakeReply shape, draft;
  shape.body = answer_of(R"({"about":"delivery","wants":"a new parcel"})");
  draft.body = answer_of("We are sorry, [EMAIL_1].");
  provider_->fake.then("s", shape).then("l", draft);
  auto run = prepare(R"({"letter":"It came broken. jane.roe@acme.org"})", [&](RunRequest& request) {
    request.flow = flow;
    request.profile = policy::JsonProfile::any;
    request.requested_model.clear();
  });
  ASSERT_TRUE(drive(run));
  ASSERT_TRUE(run->review);
  ASSERT_TRUE(wait(engine_->decide(*run->review, "rita", {{"verdict", "approve"}})));
  EXPECT_EQ(row_of(run->row.id).status, RunStatus::completed);
  EXPECT_EQ(to_text(output_of(*run)), R"({"reply":"We are sorry, [EMAIL_1]."})");
}

TEST_F(OwnWords, WhatThePolicyBlocksReachesNoModel) {
  const auto run = run_of(
      "do:\n  - ask: {call: chat, with: {model: large, messages: [{role: user, content: '${ \"DE8937040044\" + "
      "\"0532013000\" }'}]}}\n");
  ASSERT_TRUE(run->problem);
  EXPECT_EQ(run->problem->type, error_type("authorization"));
  EXPECT_EQ(run->problem->detail.find("DE89"), std::string::npos);
  EXPECT_TRUE(provider_->seen.empty());
  EXPECT_EQ(row_of(run->row.id).status, RunStatus::faulted);
}

TEST_F(OwnWords, AreAskedAgainUnderTheSameKeyAfterAKill) {
  answers({"Dear [EMAIL_1]"});
  auto run = prepared(kTwoQuestions);
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
  engine_->recover({id});
  io_->restart();
  io_->run();
  ASSERT_EQ(provider_->seen.size(), 1U) << "the first has its answer";
  EXPECT_EQ(provider_->seen[0].key, second.key);
  EXPECT_EQ(provider_->seen[0].body, second.body);
  EXPECT_EQ(row_of(id).status, RunStatus::completed);
  EXPECT_EQ(row_of(id).cost, 40);
}

TEST_F(OwnWords, LeaveTheRequestThatTheRunWasGivenAsItWas) {
  answers({"a summary", "an answer"});
  const auto flow = flow_of(R"(
do:
  - own: {call: chat, with: {model: large, messages: [{role: user, content: 'Sum up.'}]}}
  - given: {call: chat, with: {model: large}}
)");
  auto run = prepare(request_of("write to " + std::string(kMail)), [&](RunRequest& request) { request.flow = flow; });
  ASSERT_TRUE(drive(run));
  ASSERT_FALSE(run->problem) << run->problem->detail;
  run->guard.recall_user_text(run->input.text());
  EXPECT_EQ(run->guard.last_user_text(), "write to [EMAIL_1]");
  EXPECT_EQ(run->guard.inbound_types(), std::vector<std::string_view>{"EMAIL"});
  EXPECT_EQ(string_member(find_member(body(0), "messages")->as_array().at(0), "content"), "Sum up.");
  EXPECT_EQ(string_member(find_member(body(1), "messages")->as_array().at(0), "content"), "write to [EMAIL_1]");
}

TEST_F(OwnWords, ASchemaIsAskedOfTheAnswerToThatQuestionAlone) {
  policy_ = *policy::Policy::load(
      "{name: p, version: 1, rules: [], checks: [{name: form, kind: json_schema, direction: outbound, repair: true, "
      "action: block}]}",
      "test");
  answers({"no JSON", R"({"total":3})", "no JSON either"});
  const auto run = run_of(R"(
do:
  - sum:
      call: chat
      with:
        model: large
        messages: [{role: user, content: Add up.}]
        response_format: {type: json_schema, json_schema: {name: t, schema: {type: object, required: [total]}}}
  - say: {call: chat, with: {model: large, messages: [{role: user, content: Say it.}]}}
)");
  ASSERT_FALSE(run->problem) << run->problem->detail;
  EXPECT_EQ(provider_->seen.size(), 3U) << "one round of correction, for the first";
}

TEST_F(OwnWords, AVerdictIsTheFlowsToActOn) {
  const auto run = run_of(R"(
do:
  - mail: {call: guard, with: {value: {to: '${ .who + .at }'}, direction: inbound}, export: {as: '${ {mail: .} }'}}
  - bank: {call: guard, with: {value: 'DE89 3704 0044 0532 0130 00'}, export: {as: '${ $context + {bank: .} }'}}
  - none: {call: guard, with: {value: 7}, export: {as: '${ $context + {none: .} }'}}
  - all: {set: '${ $context }'}
)");
  ASSERT_FALSE(run->problem) << run->problem->detail;
  EXPECT_EQ(to_text(output_of(*run)), R"({"mail":{"value":{"to":"[EMAIL_1]"},"verdict":"changed","types":["EMAIL"]},)"
                                      R"("bank":{"value":null,"verdict":"block","types":["IBAN"]},)"
                                      R"("none":{"value":7,"verdict":"allow","types":[]}})");
}

TEST_F(OwnWords, AValueIsHeldAgainstAShape) {
  const auto run = run_of(R"(
do:
  - fits: {call: validate, with: {value: '${ . }', schema: {type: object, required: [n]}}}
  - tried:
      try:
        - not: {call: validate, with: {value: '${ .n }', schema: {type: string}}}
      catch:
        errors: {with: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/validation'}}
        as: e
        do:
          - told: {set: {status: '${ $e.status }', at: '${ $e.instance }', why: '${ $e.detail }'}}
)");
  ASSERT_FALSE(run->problem) << run->problem->detail;
  const auto output = output_of(*run);
  EXPECT_EQ(int_member(output, "status"), 400);
  EXPECT_EQ(string_member(output, "at"), "/do/1/tried/try/0/not/with/value");
  EXPECT_NE(string_member(output, "why").find("string"), std::string_view::npos);
}

TEST_F(OwnWords, AnArgumentThatAnExpressionGaveHasToFit) {
  const auto run = run_of("do:\n  - ask: {call: chat, with: {model: large, messages: '${ .who }'}}\n");
  ASSERT_TRUE(run->problem);
  EXPECT_EQ(run->problem->status, 400);
  EXPECT_EQ(run->problem->instance, "/do/0/ask/with/messages");
  EXPECT_TRUE(provider_->seen.empty());
}

TEST_F(OwnWords, ATextIsTriagedWithoutARequest) {
  router_ = *triage::Router::from_text(R"(
version: 1
scripts: {}
rules: [{name: court, when: {phrases: [my lawyer]}, route: human}]
generative: {otherwise: small}
)",
                                       "triage.yaml", std::nullopt);
  const auto run = run_of(R"(
do:
  - one: {call: triage, with: {text: 'my lawyer will write'}, export: {as: '${ {one: .route} }'}}
  - two: {call: triage, with: {text: '${ .target + " talk" }'}, export: {as: '${ $context + {two: .route} }'}}
  - all: {set: '${ $context }'}
)");
  ASSERT_FALSE(run->problem) << run->problem->detail;
  EXPECT_EQ(to_text(output_of(*run)), R"({"one":"human","two":"small"})");
}

// Whatever a flow finds in texts of its own, and whatever the run's route is called.
TEST_F(OwnWords, DoNotTakeAwayThatAPersonMustSeeTheRequestFirst) {
  auto run = prepare(request_of("my card is 4012 8888 8888 1881"));
  const RunId id = run->row.id;
  ASSERT_TRUE(run->needs_person);
  run->row.route = "small";
  ASSERT_TRUE(wait(engine_->accept(run)));
  run.reset();
  restart();
  const auto again = engine_->resume(*wait(store_->load_run(id)), nullptr);
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_TRUE((*again)->needs_person);
}

TEST_F(OwnWords, WhatIsMadeOfAnAnswerIsNobodyElsesAnswer) {
  answers_ = std::make_unique<AnswerCache>(AnswerCacheOptions{60'000'000});
  restart();
  const auto shown = flow_of(R"(
do:
  - ask: {call: chat, with: {model: large}}
  - verify: {call: verify}
  - mine: {set: '${ . + {"for": $workflow.id} }'}
)");
  answers({"one", "two"});
  for (int i = 0; i < 2; ++i) {
    auto run = prepare(request_of("what is it?"), [&](RunRequest& request) { request.flow = shown; });
    ASSERT_TRUE(drive(run));
    ASSERT_FALSE(run->problem) << run->problem->detail;
    EXPECT_FALSE(run->model_call.again);
    EXPECT_NE(run->output.text().find(run->row.id.to_string()), std::string::npos);
  }
  EXPECT_EQ(provider_->seen.size(), 2U);
}

TEST_F(OwnWords, CostsAtTheLargeTierAreOfTheCallsThatWereAnswered) {
  FakeReply refused = model::testing::fake_status(400, {}, R"({"error":{"message":"no"}})");
  answers({"one"});
  provider_->fake.then("l", refused);
  answers({"three"});
  const auto run = run_of(R"(
do:
  - one: {call: chat, with: {model: large, messages: [{role: user, content: a}]}}
  - two:
      try: [{ask: {call: chat, with: {model: large, messages: [{role: user, content: b}]}}}]
      catch: {do: [{none: {set: {x: 1}}}]}
  - three: {call: chat, with: {model: large, messages: [{role: user, content: c}]}}
)");
  ASSERT_FALSE(run->problem) << run->problem->detail;
  EXPECT_EQ(provider_->seen.size(), 3U);
  EXPECT_EQ(row_of(run->row.id).cost_all_large, 40);
}

struct RefusedCall {
  const char* name;
  const char* call;
  const char* says;
};
class Arguments : public ::testing::TestWithParam<RefusedCall> {};
TEST_P(Arguments, ThatDoNotFitAreRefusedWhereTheyStand) {
  const auto flow =
      load_flow(fmt::format("document: {{dsl: '1.0.3', namespace: t, name: f, version: '1.0.0'}}\ndo:\n  - a: {{{}}}\n",
                            GetParam().call),
                "f.yaml", builtin_functions());
  ASSERT_FALSE(flow);
  EXPECT_NE(flow.error().detail.find(GetParam().says), std::string::npos) << flow.error().detail;
  EXPECT_NE(flow.error().detail.find("f.yaml:3:"), std::string::npos) << flow.error().detail;
}
INSTANTIATE_TEST_SUITE_P(
    Each, Arguments,
    testing::Values(
        RefusedCall{"typo", "call: chat, with: {model: large, mesages: []}", "did you mean `messages`?"},
        RefusedCall{"no_model", "call: chat, with: {messages: [{role: user, content: x}]}", "needs `model`"},
        RefusedCall{"no_messages", "call: chat, with: {model: large, messages: []}", "1"},
        RefusedCall{"stream", "call: chat, with: {model: large, stream: true, messages: [{role: user, content: x}]}",
                    "false"},
        RefusedCall{"no_name", "call: script", "needs `name`"},
        RefusedCall{"direction", "call: guard, with: {value: 1, direction: sideways}", "one of"},
        RefusedCall{"no_value", "call: validate, with: {schema: {}}", "needs `value`"},
        RefusedCall{"priority", "call: review, with: {priority: high}", "integer"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sb::flow
