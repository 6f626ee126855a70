// What a run leaves in clear, beside sealed columns and in the public log: no text that came with it.
#include "flow/engine_testing.h"

namespace sb::flow {
namespace {

constexpr std::string_view kCanary = "zqcanary Jane Roe";

class Record : public EngineTest {
 protected:
  /// A run of a flow with these tasks; `input` is {"who": kCanary}.
  std::shared_ptr<LiveRun> run_of(const std::string& tasks) {
    const auto flow = add_flow("document: {dsl: '1.0.3', namespace: test, name: record" +
                               std::to_string(++flows_made_) + ", version: '1.0.0'}\ndo:\n" + tasks);
    auto run = prepare(to_text(json::object{{"who", kCanary}}), [&](RunRequest& request) {
      request.flow = flow;
      request.profile = policy::JsonProfile::any;
    });
    EXPECT_TRUE(drive(run));
    return run;
  }
  std::vector<store::StepRow> steps_of(const LiveRun& run) { return *wait(store_->load_steps(run.row.id)); }
  std::string decision_of(const LiveRun& run, std::string_view kind) {
    const auto steps = steps_of(run);
    const auto found = std::ranges::find(steps, kind, &store::StepRow::kind);
    return found == steps.end() ? std::string() : found->decision;
  }
  /// Every leaf so far, as text.
  const std::vector<std::string>& leaves() {
    restart();
    return log_.read;
  }
  void expect_no_leaf_has(std::string_view text) {
    ASSERT_FALSE(leaves().empty());
    for (const auto& leaf : log_.read) EXPECT_EQ(leaf.find(text), std::string::npos) << leaf;
  }

  int flows_made_ = 0;
};

TEST_F(Record, AReasonThatAFlowComputesStandsInTheSealedQuestionAlone) {
  const auto run = run_of("  - ask: {call: review, with: {reason: '${ \"refund for \" + .who }', proposal: p}}\n");
  ASSERT_TRUE(run->review);
  const auto review = *wait(store_->load_review(*run->review));
  EXPECT_EQ(review.reason, "");
  EXPECT_EQ(string_member(engine_->open_question(review, row_of(run->row.id)), "reason"),
            "refund for " + std::string(kCanary));
  EXPECT_NE(steps_of(*run).back().decision.find(R"("reasons":["computed by the flow"])"), std::string::npos);
  expect_no_leaf_has("zqcanary");
}

TEST_F(Record, AReasonThatAFlowsAuthorWroteIsTold) {
  const auto run = run_of("  - ask: {call: review, with: {reason: large refund, proposal: '${ .who }'}}\n");
  const auto review = *wait(store_->load_review(*run->review));
  EXPECT_EQ(review.reason, "large refund");
  EXPECT_EQ(find_member(engine_->open_question(review, row_of(run->row.id)), "reason"), nullptr);
  EXPECT_NE(steps_of(*run).back().decision.find(R"("reasons":["large refund"])"), std::string::npos);
  expect_no_leaf_has("zqcanary");
}

TEST_F(Record, WhyTriageAsksForAPersonIsToldAgain) {
  auto run = prepare(request_of("my card is 4000056655665556"));  // the policy asks for a person
  ASSERT_TRUE(drive(run));
  EXPECT_EQ(wait(store_->load_review(*run->review))->reason, "policy");
}

TEST_F(Record, ANameThatIsNoScriptIsNotTold) {
  const auto run = run_of("  - ask: {call: script, with: {name: '${ .who }'}}\n");
  EXPECT_NE(decision_of(*run, "script").find("no script is called that"), std::string::npos);
  expect_no_leaf_has("zqcanary");
}

TEST_F(Record, AModelThatIsNoneIsNotTold) {
  const auto run = run_of("  - ask: {call: chat, with: {model: '${ .who }'}}\n");
  EXPECT_EQ(row_of(run->row.id).status, RunStatus::faulted);
  expect_no_leaf_has("zqcanary");
}

TEST_F(Record, AStepThatIsTooLongForALeafFailsTheRun) {
  const std::string many(40'000, 'n');
  for (const auto& tasks : {"  - ? " + many + "\n    : {set: {a: 1}}\n  - after: {set: {b: 2}}\n",
                            "  - ask: {call: review, with: {reason: " + many + ", proposal: p}}\n"}) {
    const auto run = run_of(tasks);
    const auto row = row_of(run->row.id);
    EXPECT_EQ(row.status, RunStatus::faulted);
    EXPECT_NE(row.error.find("The step could not be recorded"), std::string::npos) << row.error;
    const auto steps = steps_of(*run);
    const auto omitted = std::ranges::find(steps, R"({"omitted":true})", &store::StepRow::decision);
    ASSERT_NE(omitted, steps.end());
    EXPECT_LE(omitted->name.size(), 256U);
    EXPECT_FALSE(run->review);
    EXPECT_EQ(in_flight_->size(), 0U);
  }
}

TEST_F(Record, EveryLeafOfARunSaysForWhomAndByWhichVersions) {
  auto run = prepare(request_of("hello"));
  ASSERT_EQ(run->leaves.size(), 2U);
  for (const auto& leaf : run->leaves) {
    EXPECT_EQ(leaf.actor, Pseudonyms("pseudonym secret").actor(key_.to_string())) << leaf.kind;
    EXPECT_EQ(leaf.versions, R"({"flow":"signalbox/chat@1.2.0","policy":")" + policy_->hash().substr(0, 16) + "\"}");
  }
}

TEST_F(Record, AHashOfAValueIsTheRunsOwn) {
  const auto hash_of = [&](const LiveRun& run) {
    const auto& decision = run.steps.front().decision;
    const auto at = decision.find(R"("value_hash":")");
    EXPECT_NE(at, std::string::npos) << decision;
    return decision.substr(at + 14, 16);
  };
  const std::string request = request_of("write to " + std::string(kMail) + ", yes: " + std::string(kMail));
  auto one = prepare(request), other = prepare(request);
  EXPECT_NE(hash_of(*one), hash_of(*other)) << "two runs with one value have nothing in common";
  const auto& decision = one->steps.front().decision;
  EXPECT_NE(decision.find(hash_of(*one)), decision.rfind(hash_of(*one))) << "in one run the same value has one hash";
}

TEST_F(Record, ACallSaysItsTokensAndThePriceThatTheyWereCountedBy) {
  provider_->fake.otherwise["l"].usage = {100, 40, 5, false};
  auto run = prepare(request_of("hello"));
  ASSERT_TRUE(drive(run));
  const auto decision = parse_json(decision_of(*run, "chat"));
  ASSERT_TRUE(decision);
  const auto& attempt = decision->at("attempts").at(0);
  EXPECT_EQ(to_text(attempt.at("price")), "[1000000,0,2000000]");
  EXPECT_EQ(int_member(attempt, "cached_tokens"), 40);
  EXPECT_EQ(int_member(attempt, "cost_micro"), 60 + 10);
}

TEST_F(Record, AQuestionToAPersonSaysItsTokens) {
  auto run = prepare(request_of("my card is 4000056655665556"));
  ASSERT_TRUE(drive(run));
  const auto decision = parse_json(decision_of(*run, "review"));
  ASSERT_TRUE(decision);
  EXPECT_GT(int_member(*decision, "input_tokens"), 0);
  EXPECT_GT(int_member(*decision, "output_tokens"), 0);
}

}  // namespace
}  // namespace sb::flow
