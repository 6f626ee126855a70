// What a flow makes by expressions: halves of a value come in, and no guard has seen the whole.
#include <fmt/format.h>

#include "flow/engine_testing.h"

namespace sb::flow {
namespace {

class Made : public EngineTest {
 protected:
  Made() { policy_of("both", "tokenise"); }

  void policy_of(std::string_view direction, std::string_view action) {
    policy_ = *policy::Policy::load(
        fmt::format("{{name: made, version: 1, rules: [{{types: [EMAIL, IBAN], direction: {}, action: {}}}]}}",
                    direction, action),
        "test");
  }
  /// A run of these tasks, whose input has the two halves of kMail and of an IBAN.
  std::shared_ptr<LiveRun> run_of(std::string_view tasks, const std::function<void(RunRequest&)>& change = {}) {
    const auto flow = add_flow(fmt::format(
        "document: {{dsl: '1.0.3', namespace: test, name: made{}, version: '1.0.0'}}\nuse: {{secrets: [token]}}\n{}",
        ++flows_made_, tasks));
    auto run =
        prepare(R"({"a":"jane.roe","b":"@acme.org","i":"DE8937040044","j":"0532013000"})", [&](RunRequest& request) {
          request.flow = flow;
          request.profile = policy::JsonProfile::any;
          request.requested_model.clear();
          if (change) change(request);
        });
    EXPECT_TRUE(drive(run));
    return run;
  }
  int flows_made_ = 0;
};

TEST_F(Made, AnOutputIsLookedAtAsItIs) {
  for (const char* tasks : {"do:\n  - join: {set: {to: '${ .a + .b }'}}\n",
                            "do:\n  - join: {set: {to: '${ \"amFuZS5yb2VAYWNtZS5vcmc=\" | @base64d }'}}\n",
                            "do:\n  - same: {set: {x: 1}}\noutput: {as: '${ {to: ($workflow.input | .a + .b)} }'}\n"}) {
    const auto run = run_of(tasks);
    ASSERT_FALSE(run->problem) << run->problem->detail;
    const auto row = row_of(run->row.id);
    EXPECT_EQ(row.output, R"({"to":"[EMAIL_1]"})") << tasks;
    EXPECT_EQ(run->guard.restore(run->output.text()), R"({"to":"jane.roe@acme.org"})");
    EXPECT_EQ(step_names(row.id).back(), "guard.outbound");
    const auto again = engine_->reopen(*wait(store_->load_run(row.id)));
    EXPECT_EQ((*again)->guard.restore((*again)->output.text()), R"({"to":"jane.roe@acme.org"})");
  }
}

TEST_F(Made, AnOutputThatIsATextAloneIsLookedAt) {
  const auto run = run_of("do:\n  - join: {set: '${ .a + .b }'}\n");
  EXPECT_EQ(row_of(run->row.id).output, R"("[EMAIL_1]")");
}

TEST_F(Made, AnOutputThatThePolicyBlocksIsNone) {
  policy_of("outbound", "block");
  const auto run = run_of("do:\n  - join: {set: {to: '${ .i + .j }'}}\n");
  ASSERT_TRUE(run->problem);
  EXPECT_EQ(run->error_code, Errc::policy_denied);
  EXPECT_NE(run->problem->detail.find("IBAN"), std::string::npos) << run->problem->detail;
  const auto row = row_of(run->row.id);
  EXPECT_EQ(row.status, RunStatus::faulted);
  EXPECT_EQ((row.output + row.error).find("DE8937"), std::string::npos) << row.error;
}

TEST_F(Made, AChatsOutputPassesAsAnAnswerWithItsChecks) {
  policy_ = *policy::Policy::load(
      "{name: made, version: 1, rules: [], checks: [{name: size, kind: length, direction: outbound, max_chars: 10, "
      "action: block}]}",
      "test");
  const char* tasks =
      "do:\n  - say: {set: {choices: [{index: 0, message: {role: assistant, content: more than ten characters}}]}}\n";
  EXPECT_FALSE(run_of(tasks)->problem);
  const auto run = run_of(tasks, [](RunRequest& request) { request.profile = policy::JsonProfile::chat_request; });
  ASSERT_TRUE(run->problem);
  EXPECT_NE(run->problem->detail.find("check size"), std::string::npos) << run->problem->detail;
}

TEST_F(Made, WhatTheGuardLetPassIsNotLookedAtTwice) {
  auto run = prepare(request_of("hello"));
  ASSERT_TRUE(drive(run));
  EXPECT_EQ(step_names(run->row.id),
            (std::vector<std::string>{"guard.inbound", "triage", "byRoute", "guard.outbound", "model"}));
}

TEST_F(Made, AnErrorIsToldAsThePolicyLeavesIt) {
  const char* raise =
      "do:\n  - no: {raise: {error: {type: 'https://a.example/no', status: 400, title: '${ .a + .b }', detail: '${ "
      "\"not \" + .a + .b }'}}}\n";
  const auto run = run_of(raise);
  ASSERT_TRUE(run->problem);
  EXPECT_EQ(run->problem->type, "https://a.example/no");
  EXPECT_EQ(run->problem->instance, "/do/0/no");
  EXPECT_EQ(run->problem->detail, "not [EMAIL_1]");
  EXPECT_EQ(run->guard.restore_plain(run->problem->detail), "not jane.roe@acme.org");
  EXPECT_EQ(row_of(run->row.id).error.find("jane.roe@"), std::string::npos);

  policy_of("outbound", "block");
  const auto blocked = run_of("do:\n  - no: {raise: {error: {type: '${ .i + .j }', status: 400, title: No}}}\n");
  ASSERT_TRUE(blocked->problem);
  EXPECT_EQ(blocked->problem->title, "Blocked by policy");
  EXPECT_EQ(row_of(blocked->row.id).error.find("DE8937"), std::string::npos) << row_of(blocked->row.id).error;
}

TEST_F(Made, WhatAStepSaysWhenItFailsIsTreated) {
  policy_of("outbound", "redact");
  const auto run = run_of(
      "do:\n  - ask: {call: http, with: {method: get, endpoint: '${ \"http://\" + .i + .j + \".example/\" }'}}\n");
  ASSERT_TRUE(run->problem);
  auto row = *wait(store_->load_run(run->row.id));
  auto steps = *wait(store_->load_steps(row.id));
  ASSERT_TRUE(engine_->unseal(row, steps));
  EXPECT_FALSE(steps.back().error.empty());
  for (const auto& text : {row.error, steps.back().error})
    EXPECT_EQ(to_lower(text).find("de8937"), std::string::npos) << text;
}

TEST_F(Made, AProcessSeesWhatAModelWouldSee) {
  policy_of("inbound", "redact");
  const auto run = run_of(
      "do:\n  - count:\n      run:\n        shell:\n          command: 'cat; echo \" $1 $MAIL $KEY own@acme.org\"'\n"
      "          stdin: '${ .a + .b }'\n          arguments: ['${ .i + .j }']\n"
      "          environment: {MAIL: '${ .a + .b }', KEY: '${ \"Key \" + $secrets.token }'}\n");
  ASSERT_FALSE(run->problem) << to_text(run->problem->to_json());
  EXPECT_EQ(run->output.text(), R"("[EMAIL] [IBAN] [EMAIL] Key 0123456789-of-the-operator own@acme.org")");

  policy_of("inbound", "block");
  const auto blocked = run_of("do:\n  - x: {run: {shell: {command: cat, stdin: '${ .a + .b }'}}}\n");
  ASSERT_TRUE(blocked->problem);
  EXPECT_EQ(blocked->problem->status, 403);
}

TEST_F(Made, AScriptSeesWhatAModelWouldSee) {
  policy_of("inbound", "redact");
  std::ofstream(folder_.file("scripts.yaml")) << "back: {kind: jq, inline: '.input.to'}\n";
  script_registry_ = *script::ScriptRegistry::load(std::filesystem::path(folder_.file("scripts.yaml")).parent_path());
  restart();
  const auto run = run_of("do:\n  - ask: {call: script, with: {name: back, input: {to: '${ .a + .b }'}}}\n");
  ASSERT_FALSE(run->problem) << run->problem->detail;
  EXPECT_NE(run->output.text().find(R"("content":"[EMAIL]")"), std::string::npos) << run->output.text();
  const auto unknown = run_of("do:\n  - ask: {call: script, with: {name: '${ .a + .b }'}}\n");
  const auto steps = *wait(store_->load_steps(unknown->row.id));
  EXPECT_EQ(steps[1].decision.find("jane.roe@"), std::string::npos) << steps[1].decision;
}

TEST_F(Made, APersonSeesWhatAModelWouldSee) {
  const auto run = run_of(
      "do:\n  - ask: {call: review, with: {reason: '${ \"for \" + .a + .b }', proposal: '${ \"pay \" + .i + .j }', "
      "holding: '${ \"wait, \" + .a + .b }'}}\n");
  ASSERT_TRUE(run->review) << to_text(run->problem->to_json());
  const auto review = *wait(store_->load_review(*run->review));
  EXPECT_EQ(review.reason, "") << "it is computed, and sealed";
  const auto question = to_text(engine_->open_question(review, *wait(store_->load_run(run->row.id))));
  EXPECT_NE(question.find("for [EMAIL_1]"), std::string::npos) << question;
  EXPECT_NE(question.find("pay [IBAN_1]"), std::string::npos) << question;
  EXPECT_NE(row_of(run->row.id).output.find("wait, [EMAIL_1]"), std::string::npos);
  EXPECT_NE(run->guard.restore(run->output.text()).find("wait, jane.roe@acme.org"), std::string::npos);
}

TEST_F(Made, APlaceholderIsNotTreatedAgainAndARunTakenUpAgainSaysTheSame) {
  provider_->fake.otherwise["l"].body = answer_of("hello");
  const auto flow = add_flow(
      "document: {dsl: '1.0.3', namespace: test, name: twice, version: '1.0.0'}\n"
      "do:\n  - one: {set: {to: '${ .to }', more: '${ .a + .b }'}, export: {as: .}}\n  - ask: {call: chat, with: "
      "{model: large}}\n  - two: {set: {to: '${ $context.to }', more: '${ $context.more }'}}\n");
  auto run = prepare(R"({"to":"max.moe@acme.org","a":"jane.roe","b":"@acme.org"})", [&](RunRequest& request) {
    request.flow = flow;
    request.profile = policy::JsonProfile::any;
    request.requested_model.clear();
  });
  provider_->forever = true;
  asio::co_spawn(*io_, engine_->drive(run), asio::detached);
  io_->restart();
  while (provider_->seen.empty()) io_->run_one();
  const RunId id = run->row.id;
  run.reset();
  restart();
  provider_->fake.otherwise["l"].body = answer_of("hello");
  engine_->recover({id});
  io_->restart();
  io_->run();
  const auto row = row_of(id);
  EXPECT_EQ(row.output, R"({"to":"[EMAIL_1]","more":"[EMAIL_2]"})") << row.error;
  const auto again = engine_->reopen(*wait(store_->load_run(id)));
  EXPECT_EQ((*again)->guard.restore((*again)->output.text()),
            R"({"to":"max.moe@acme.org","more":"jane.roe@acme.org"})");
}

}  // namespace
}  // namespace sb::flow
