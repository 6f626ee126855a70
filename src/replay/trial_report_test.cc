// Splits and shadows: decided again by whom they were decided, and compared from the record.
#include "replay/trial_report.h"
#include "replay/replay_testing.h"

namespace sb::replay {
namespace {

/// Half of the people are in a split, and a shadow looks at all of them.
class ReplayOfTrials : public ReplayTest {
 protected:
  ReplayOfTrials() {
    std::vector<std::unique_ptr<triage::LiveTrial>> trials;
    trials.push_back(std::make_unique<triage::LiveTrial>(
        triage::TrialRules{.name = "half", .mode = triage::TrialMode::split, .weight_per_mille = 500},
        std::make_unique<triage::LiveRouter>(careful_), "identity"));
    trials.push_back(std::make_unique<triage::LiveTrial>(triage::TrialRules{.name = "watch"},
                                                         std::make_unique<triage::LiveRouter>(other_), "identity"));
    trials_ = std::make_unique<triage::Trials>(std::move(trials));
    restart();
    int i = 0;
    for (const auto& text : texts())
      ask(text, [&](flow::RunRequest& request) { request.subject = fmt::format("person {}", ++i); });
  }
  Candidate with_trials() const {
    auto out = candidate();
    out.splits["half"] = careful_;
    out.shadows["watch"] = other_;
    return out;
  }
  TrialSums sums_of(std::string_view name, const RunVerdicts& verdicts = {}) {
    TrialSums sums(*trials_->find(name));
    for (const auto& run : recorded()) sums.add(run, verdicts);
    return sums;
  }

  std::shared_ptr<const triage::Router> careful_ = router_of(document("{script: 1.1, human: 0.6, veto: 0.5}"));
  std::shared_ptr<const triage::Router> other_ = router_of(document(kThresholds), true);
};

TEST_F(ReplayOfTrials, WithTheSameCandidatesNothingDiffers) {
  const auto report = replay(with_trials());
  EXPECT_EQ(report.exact, report.choices);
  EXPECT_TRUE(report.nothing_differs());
  const auto looked = replay(with_trials(), true, forget_basis);
  EXPECT_EQ(looked.exact, looked.choices) << "from the texts, too";
}

TEST_F(ReplayOfTrials, WithoutTheSplitTheRouterInForceDecidesForEverybody) {
  const auto moved = replay(candidate()).changed;
  EXPECT_GT(moved, 0U) << "what the candidate did not script is scripted";
  auto bolder = with_trials();
  bolder.splits["half"] = router_;
  EXPECT_EQ(replay(bolder).changed, moved) << "a candidate that is the router in force is one, too";
}

TEST_F(ReplayOfTrials, SplitsAreComparedByWhatTheRecordSays) {
  const auto report = sums_of("half").to_json();
  const auto& arms = report.at("arms");
  const auto in_force = int_member(arms.at("in_force"), "queries"),
             candidate = int_member(arms.at("candidate"), "queries");
  EXPECT_EQ(static_cast<std::size_t>(in_force + candidate), texts().size());
  EXPECT_GT(in_force, 20);
  EXPECT_GT(candidate, 20);
  EXPECT_GT(int_member(arms.at("in_force").at("routes"), "script"), 0);
  EXPECT_EQ(int_member(arms.at("candidate").at("routes"), "script"), 0) << "it asks for more than any score";
  MicroMoney cost = 0;
  for (const auto& run : recorded()) cost += run.cost;
  EXPECT_EQ(int_member(arms.at("in_force"), "cost_micro") + int_member(arms.at("candidate"), "cost_micro"), cost);
  EXPECT_EQ(string_member(report, "state"), "running");
}

TEST_F(ReplayOfTrials, VerdictsStandByTheSideThatAnsweredWithWhatTheyLeaveOpen) {
  RunVerdicts verdicts;
  std::int64_t scripted = 0;
  for (const auto& run : recorded()) {
    if (run.choices.empty() || run.choices[0].decision.by_candidate || run.route != "script") continue;
    // Two of three have been judged; what a second voice of the same kind says does not count again.
    if (++scripted % 3 != 0)
      verdicts[run.id] = {{JudgedBy::people, scripted % 3 == 1}, {JudgedBy::people, true}, {JudgedBy::models, false}};
  }
  ASSERT_GT(scripted, 5);
  const auto report = sums_of("half", verdicts).to_json();
  const auto& script = report.at("arms").at("in_force").at("answers").at("script");
  const std::int64_t judged = scripted - (scripted / 3), wrong = (scripted + 2) / 3;
  EXPECT_EQ(int_member(script, "answers"), scripted);
  EXPECT_EQ(int_member(script, "judged"), judged);
  EXPECT_EQ(int_member(script, "wrong"), wrong);
  EXPECT_EQ(int_member(script.at("people"), "wrong"), wrong);
  EXPECT_EQ(int_member(script.at("models"), "judged"), judged);
  EXPECT_EQ(int_member(script.at("models"), "wrong"), 0);
  // Clopper and Pearson: the true share is not below `low`, nor above `high`, with 97.5 % confidence each.
  const auto share = static_cast<double>(wrong) / static_cast<double>(judged);
  const double low = script.at("wrong_share").at("low").as_double(),
               high = script.at("wrong_share").at("high").as_double();
  EXPECT_LT(low, share);
  EXPECT_GT(high, share);
  EXPECT_GT(low, 0);
  EXPECT_LT(high, 1);
  const auto said = to_text(report.at("not_known"));
  EXPECT_NE(said.find("in force: whether"), std::string::npos) << said;
  EXPECT_NE(said.find("candidate: whether"), std::string::npos) << said;
}

TEST_F(ReplayOfTrials, AShadowIsHeldAgainstWhatWasDecided) {
  const auto report = sums_of("watch").to_json();
  const auto& shadow = report.at("shadow");
  std::int64_t queries = 0;
  for (const auto& one : shadow.at("agreement").as_array()) queries += int_member(one, "queries");
  EXPECT_EQ(queries, int_member(shadow, "queries"));
  EXPECT_EQ(static_cast<std::size_t>(queries), texts().size());
  EXPECT_EQ(int_member(shadow.at("agrees"), "queries") + int_member(shadow.at("differs"), "queries"), queries);
  const auto lines = trial_lines(json::object{{"currency", "EUR"}, {"trials", json::array{report}}});
  EXPECT_NE(lines.find("watch (shadow, 1000 per mille, running)"), std::string::npos) << lines;
}

}  // namespace
}  // namespace sb::replay
