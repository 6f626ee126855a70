#include "flow/engine_testing.h"

namespace sb::flow {
namespace {

TEST_F(EngineTest, ARunThatIsStoredAfterItsTenantsKeyWasRotatedIsUnderTheNewKey) {
  auto run = prepare(request_of("hello"));
  tenant_keys_.add("acme", entropy_);
  EXPECT_FALSE(tenant_keys_.is_current("acme", run->row.data_key));
  ASSERT_TRUE(drive(run));
  EXPECT_TRUE(tenant_keys_.is_current("acme", wait(store_->load_run(run->row.id))->data_key));
  EXPECT_NE(row_of(run->row.id).input.find("hello"), std::string::npos);
}

TEST_F(EngineTest, StoreAndModelSeePlaceholdersTheCallerItsValues) {
  auto run = prepare(request_of("write to " + std::string(kMail)));
  ASSERT_TRUE(drive(run));
  EXPECT_FALSE(run->problem);
  ASSERT_EQ(provider_->seen.size(), 1U);
  EXPECT_EQ(provider_->seen[0].body.find(kMail), std::string::npos);
  const auto row = row_of(run->row.id);
  EXPECT_EQ(row.status, RunStatus::completed);
  EXPECT_NE(row.input.find("[EMAIL_1]"), std::string::npos);
  EXPECT_EQ(row.input.find(kMail), std::string::npos);
  EXPECT_EQ(row.output.find(kMail), std::string::npos);
  EXPECT_NE(run->guard.restore(run->output.text()).find(kMail), std::string::npos);
  EXPECT_EQ(step_names(row.id),
            (std::vector<std::string>{"guard.inbound", "triage", "byRoute", "guard.outbound", "model"}));
  EXPECT_EQ(row.cost, 20);  // 10 tokens in at 1, 5 out at 2
  EXPECT_EQ(booked(), 20);
  EXPECT_EQ(in_flight_->size(), 0U);
}

TEST_F(EngineTest, AProvidersErrorIsTheRunsOutcomeAndPassesThePolicy) {
  provider_->fake.then(
      "l", model::testing::fake_status(400, {}, R"({"error":{"message":"bad IBAN DE89370400440532013000"}})"));
  auto run = prepare(request_of("hello"));
  ASSERT_TRUE(drive(run));
  ASSERT_TRUE(run->failure);
  EXPECT_EQ(run->failure->body.find("DE8937"), std::string::npos);
  const auto row = row_of(run->row.id);
  EXPECT_EQ(row.status, RunStatus::faulted);
  EXPECT_EQ(row.error.find("DE8937"), std::string::npos);
}

TEST_F(EngineTest, WhatStepsSayWhenTheyFailIsSealed) {
  const auto flow = add_flow(
      "document: {dsl: '1.0.3', namespace: test, name: unknown, version: '1.0.0'}\n"
      "do:\n  - ask: {call: chat, with: {model: violet-canary}}\n");
  auto run = prepare(request_of("hello"), [&](RunRequest& request) { request.flow = flow; });
  ASSERT_TRUE(drive(run));
  auto row = *wait(store_->load_run(run->row.id));
  auto steps = *wait(store_->load_steps(row.id));
  ASSERT_FALSE(steps.back().error.empty());
  EXPECT_EQ((row.error + steps.back().error).find("violet"), std::string::npos);
  ASSERT_TRUE(engine_->unseal(row, steps));
  EXPECT_NE(steps.back().error.find("violet-canary"), std::string::npos);
  row.erased = true;
  ASSERT_TRUE(engine_->unseal(row, steps));
  EXPECT_EQ(steps.back().error, "null");
}

TEST_F(EngineTest, AnAnswerThatIsNotSaidIsPaidAllTheSame) {
  for (const char* text : {"pay to DE89370400440532013000", "card 4000056655665556"}) {  // block, person
    const MicroMoney before = booked();
    FakeReply reply;
    reply.body = to_text(json::object{
        {"choices", json::array{json::object{{"index", 0},
                                             {"message", json::object{{"role", "assistant"}, {"content", text}}}}}}});
    provider_->fake.then("l", reply);
    auto run = prepare(request_of("hello"));
    ASSERT_TRUE(drive(run));
    EXPECT_EQ(run->error_code, Errc::policy_denied) << text;
    const auto row = row_of(run->row.id);
    EXPECT_EQ(row.status, RunStatus::faulted);
    EXPECT_EQ(row.cost, 20);
    EXPECT_EQ(booked() - before, 20);
    EXPECT_EQ(row.error.find("DE8937"), std::string::npos);
  }
}

TEST_F(EngineTest, WhatStandsBesideVectorsPassesThePolicy) {
  const auto flow = add_flow(
      "document: {dsl: '1.0.3', namespace: test, name: vectors, version: '1.0.0'}\ndo:\n  - embed: {call: embed, with: "
      "{model: large}}\n");
  const auto embed = [&](std::string_view body) {
    FakeReply reply;
    reply.body = body;
    provider_->fake.then("l", reply);
    auto run = prepare(R"({"input":"hello"})", [&](RunRequest& request) {
      request.flow = flow;
      request.profile = policy::JsonProfile::any;
    });
    EXPECT_TRUE(drive(run));
    return row_of(run->row.id);
  };
  constexpr std::string_view kVectors = R"({"data":[{"index":0,"embedding":[0.5,-4.1e-05]}],"id":"to )";
  const std::string clean = std::string(kVectors) + "nobody\"}";
  EXPECT_EQ(embed(clean).output, clean);
  const auto refused = embed(std::string(kVectors) + "DE89370400440532013000\"}");
  EXPECT_EQ(refused.status, RunStatus::faulted);
  EXPECT_EQ(refused.output.find("DE8937"), std::string::npos);
}

TEST_F(EngineTest, WhatThePolicyBlocksReachesNobody) {
  auto run = prepare(request_of("pay to DE89370400440532013000"));
  ASSERT_TRUE(drive(run));
  EXPECT_EQ(run->error_code, Errc::policy_denied);
  EXPECT_TRUE(provider_->seen.empty());
  EXPECT_EQ(row_of(run->row.id).input.find("DE8937"), std::string::npos);
}

TEST_F(EngineTest, AFlowThatAsksNoPersonCannotPassAPolicyThatDoes) {
  const auto flow = add_flow(
      "document: {dsl: '1.0.3', namespace: test, name: bold, version: '1.0.0'}\ndo:\n  - ask: {call: chat, with: "
      "{model: large}}\n");
  auto run = prepare(request_of("card 4000056655665556"), [&](RunRequest& request) { request.flow = flow; });
  ASSERT_TRUE(drive(run));
  EXPECT_EQ(run->error_code, Errc::policy_denied);
  EXPECT_TRUE(provider_->seen.empty());
}

TEST_F(EngineTest, AScriptThatHasNoAnswerLeavesItToTheSmallModel) {
  const auto flow = add_flow(
      "document: {dsl: '1.0.3', namespace: test, name: scripted, version: '1.0.0'}\n"
      "do:\n  - try: {call: script, with: {name: none}}\n  - ask: {call: chat, with: {model: script}}\n");
  auto run = prepare(request_of("hello"), [&](RunRequest& request) { request.flow = flow; });
  ASSERT_TRUE(drive(run));
  EXPECT_EQ(calls_, std::vector<std::string>{"s"});
  EXPECT_EQ(row_of(run->row.id).route, "small");
}

TEST_F(EngineTest, ABudgetThatIsTooSmallCallsNobody) {
  spend_limit_ = 5;
  auto run = prepare(request_of("hello"));
  ASSERT_TRUE(drive(run));
  EXPECT_EQ(run->error_code, Errc::budget_exceeded);
  EXPECT_TRUE(provider_->seen.empty());
  EXPECT_EQ(ledger_.reserved(key_, utc_day(clock_.now_us())), 0);
}

TEST_F(EngineTest, ACallThatFailsTellsWhatWasTried) {
  provider_->fake.otherwise["l"] = model::testing::fake_error(Errc::upstream_timeout);
  auto run = prepare(request_of("hello"));
  ASSERT_TRUE(drive(run));
  ASSERT_TRUE(run->problem);
  const auto row = row_of(run->row.id);
  EXPECT_GT(row.cost, 0);  // what was read may be billed
  EXPECT_EQ(booked(), row.cost);
  const auto steps = wait(store_->load_steps(row.id));
  ASSERT_TRUE(steps);
  EXPECT_NE(steps->back().decision.find(R"("cause":"timeout")"), std::string::npos) << steps->back().decision;
}

TEST_F(EngineTest, WithoutThePermissionPlaceholdersStay) {
  auto run =
      prepare(request_of("write to " + std::string(kMail)), [](RunRequest& request) { request.may_restore = false; });
  ASSERT_TRUE(drive(run));
  const auto told = run->guard.restore(run->output.text());
  EXPECT_EQ(told.find(kMail), std::string::npos);
  EXPECT_NE(told.find("[EMAIL_1]"), std::string::npos);
  EXPECT_FALSE(run->guard.restores());
}

TEST_F(EngineTest, ATenantsPlaceholderIsKnownInAnotherRun) {
  policy_ = *policy::Policy::load(
      "{name: t, version: 1, rules: [{types: [EMAIL], direction: inbound, action: tokenise, consistent: tenant}]}",
      "test");
  auto first = prepare(request_of("write to " + std::string(kMail)));
  ASSERT_TRUE(drive(first));
  const auto input = row_of(first->row.id).input;
  const auto token = input.substr(input.find("[EMAIL_T"), std::string_view("[EMAIL_T0123456789AB]").size());
  restart();
  FakeReply reply;
  reply.body = answer_of("That is " + token);
  provider_->fake.then("l", reply);
  auto second = prepare(request_of("who is " + token + "?"));
  ASSERT_TRUE(drive(second));
  EXPECT_NE(second->guard.restore(second->output.text()).find(kMail), std::string::npos);
}

}  // namespace
}  // namespace sb::flow
