// Runs that went through the engine, and what a candidate makes of them.
#include "replay/replay.h"

#include "policy/json_guard.h"
#include "replay/replay_testing.h"
#include "replay/report.h"
#include "triage/decision_record.h"
#include "triage/testing_verifier.h"

namespace sb::replay {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::shared_ptr<const triage::Router> looking_router(std::string_view cascade) {
  auto router = triage::Router::from_text(fmt::format("version: 1\n{}", cascade), "triage.yaml", std::nullopt,
                                          triage::test_verifier());
  EXPECT_TRUE(router) << router.error().detail;
  return *router;
}

TEST_F(ReplayTest, UnderTheUnchangedConfigurationNothingDiffers) {
  ask_everything();
  const auto report = replay(candidate());
  EXPECT_EQ(report.runs, texts().size() + 5);
  EXPECT_EQ(report.choices, report.runs) << "the blocked one is a choice too";
  EXPECT_EQ(report.exact, report.choices);
  EXPECT_EQ(report.unknown_count(), 0U);
  EXPECT_EQ(report.bill.known, report.recorded_cost);
  EXPECT_GT(report.recorded_cost, 0);
  EXPECT_EQ(report.bill.changed_runs, 0U);
  EXPECT_TRUE(report.nothing_differs());
  for (const auto* route : {"script", "small", "large", "human", "direct", "blocked"})
    EXPECT_TRUE(report.routes.contains({route, route})) << route << " was not tried";
  EXPECT_EQ(report.inbound_before, report.inbound_after);
  EXPECT_FALSE(report.inbound_before.empty());
}

TEST_F(ReplayTest, TheTextsGiveTheSameDecisionsToTheByte) {
  ask_everything();
  const auto report = replay(candidate(), true, forget_basis);
  EXPECT_GT(opened_, 70);
  EXPECT_EQ(report.exact, report.choices);
  EXPECT_TRUE(report.nothing_differs());
}

/// Beside a placeholder a number may be one that beside the value itself was none: what was stored is not treated
/// again.
TEST_F(ReplayTest, WhatWasStoredIsLookedAtAsItWas) {
  policy_ = *policy::Policy::load(
      "name: p\nversion: 1\nrules: [{name: r, types: [IBAN, EMAIL, PHONE], direction: inbound, action: tokenise, "
      "min_score: 0.4}]\n",
      "p");
  const std::string text =
      "Contact me at kaya_yilmaz+bank@example.com or 020 7946 0958 and tell me why my card was declined.";
  ask(text);
  const auto stored = row_of(asked_.begin()->first).input;
  flow::GuardSession again(policy_, {"acme", key_.to_string(), "signalbox/chat", "auto", {}, true},
                           std::string(32, 't'));
  again.read_request(stored);
  ASSERT_NE(again.last_user_text(), policy::last_user_text(stored)) << "another text is needed here";
  const auto look_again = [](RecordedRun& run) { run.choices[0].decision.basis.sight = "another"; };
  EXPECT_TRUE(replay(candidate(), true, look_again).nothing_differs());
  EXPECT_EQ(opened_, 1);
}

TEST_F(ReplayTest, NoTextIsOpenedWhereTheRecordTellsEnough) {
  ask_everything();
  EXPECT_TRUE(replay(candidate(), true).nothing_differs());
  EXPECT_EQ(opened_, 0);
}

/// The replay against the truth: the same texts, asked under the candidate.
TEST_F(ReplayTest, TellsWhatTheCandidateThenReallyDecides) {
  struct Case {
    const char* name;
    std::shared_ptr<const triage::Router> router;
    bool texts;
  };
  const auto first = router_;
  std::uint64_t changed = 0;
  const std::string other_words = "rules:\n  - {name: legal, when: {phrases: [going to sue, rain]}, route: human}\n";
  const Case cases[] = {{"thresholds", router_of(document("{script: 0.97, human: 0.2, veto: 0.1}")), false},
                        {"nothing scripted", router_of(document("{script: 1.1}")), false},
                        {"other words", router_of(document(kThresholds, other_words)), true},
                        {"another model", router_of(document(kThresholds), true), true}};
  for (const auto& [name, router, texts] : cases) {
    router_ = first;
    asked_anew(ReplayTest::texts());
    Candidate with = candidate();
    with.router = router;
    std::map<std::string, std::string> told;
    for (const auto& run : recorded()) {
      const auto chosen = choose(with, run, texts ? opener() : flow::OpenInput());
      ASSERT_TRUE(chosen);
      ASSERT_TRUE(chosen->choices.at(0)) << name << ": " << asked_[run.id];
      told[asked_[run.id]] = chosen->choices[0]->record;
    }
    const auto report = replay(with, texts);
    EXPECT_LT(report.exact, report.choices) << name;
    changed += report.changed;
    router_ = router;
    EXPECT_EQ(told, asked_anew(ReplayTest::texts())) << name;
  }
  EXPECT_GT(changed, 30U) << "else nothing was tried";
}

TEST_F(ReplayTest, AnotherPolicyIsHeldAgainstTheTexts) {
  ask_everything();
  Candidate with = candidate();
  with.policy = *policy::Policy::load(R"(
name: other
version: 2
rules:
  - {name: mail, types: [EMAIL], direction: inbound, action: block}
  - {name: iban, types: [IBAN], direction: both, action: redact}
)",
                                      "other");
  const auto closed = replay(with);
  EXPECT_EQ(closed.unknown[static_cast<std::size_t>(Reason::other_policy)], closed.choices);
  EXPECT_EQ(closed.findings_unknown_runs, closed.runs);
  const auto report = replay(with, true);
  EXPECT_EQ(report.unknown_count(), 0U);
  EXPECT_TRUE(report.routes.contains({"small", "blocked"})) << "the mail address";
  EXPECT_FALSE(report.routes.contains({"human", "blocked"}));
  EXPECT_FALSE(report.routes.contains({"blocked", "blocked"})) << "the IBAN is taken out, and somebody answers";
  EXPECT_EQ(report.inbound_after.at({"EMAIL", "block"}), 1U);
  EXPECT_FALSE(report.inbound_after.contains({"IBAN", "redact"})) << "it was taken out when it was recorded";
  EXPECT_EQ(report.taken_out, 2U) << "the IBAN and the card";
  EXPECT_FALSE(report.nothing_differs());
}

/// Ten plain answers and ten that hedge; two that are cut.
class LookedAtReplay : public ReplayTest {
 protected:
  LookedAtReplay() {
    router_ = looking_router("cascade: {verifier: v.sbo, checks: [cut]}");
    for (int i = 0; i < 22; ++i) {
      provider_->fake.otherwise["s"].body = flow::answer_of(i % 2 == 0 ? triage::kHedged : triage::kPlain);
      if (i >= 20) {
        flow::FakeReply cut;
        cut.body =
            R"({"choices":[{"index":0,"message":{"role":"assistant","content":"It is"},"finish_reason":"length"}]})";
        provider_->fake.then("s", cut);
      }
      ask(fmt::format("where is number {}", i));
    }
  }
  Report under(std::string_view cascade) {
    Candidate with = candidate();
    with.router = looking_router(cascade);
    return replay(with);
  }
  MicroMoney cost_of(std::string_view deployment) {
    MicroMoney sum = 0;
    for (const auto& run : recorded()) {
      for (const auto& call : run.calls) sum += call.answer()->deployment == deployment ? call.cost : 0;
    }
    return sum;
  }
};

TEST_F(LookedAtReplay, TheSameCascadeGivesExactlyWhatIsOnRecord) {
  const auto same = replay(candidate());
  EXPECT_TRUE(same.nothing_differs());
  EXPECT_EQ(same.looks.recorded, 22U);
  EXPECT_EQ(same.looks.recorded_passed, 12U) << "ten doubted, two cut";
  EXPECT_EQ(same.looks.exact, 22U);
  EXPECT_EQ(same.bill.known, cost_of("fake/s") + cost_of("fake/l"));
}

TEST_F(LookedAtReplay, AnotherLimitIsKnownAndWhatWouldBePassedOnIsExpected) {
  const auto trusting = under("cascade: {verifier: v.sbo, checks: [cut], gain_over: 1}");
  EXPECT_EQ(trusting.looks.passed_on, 2U);
  EXPECT_EQ(trusting.looks.given, 20U);
  EXPECT_EQ(trusting.bill.known_runs, 22U);
  EXPECT_EQ(trusting.exact + trusting.same, 22U) << "the routes are the same";
  EXPECT_LT(trusting.bill.known, trusting.recorded_cost);
  EXPECT_GT(trusting.bill.known, cost_of("fake/s"));
  EXPECT_FALSE(trusting.nothing_differs());
  const auto wary = under("cascade: {verifier: v.sbo, checks: [cut], gain_over: -1}");
  EXPECT_EQ(wary.looks.passed_on, 22U);
  EXPECT_EQ(wary.bill.known_runs, 12U);
  EXPECT_EQ(wary.bill.expected_runs, 10U) << "nobody knows what the large model would have said";
  EXPECT_GT(wary.bill.total(), static_cast<double>(wary.recorded_cost));
}

TEST_F(LookedAtReplay, WithoutALookEveryRunCostsItsSmallCall) {
  const auto report = under("");
  EXPECT_EQ(report.looks.not_looked_at, 22U);
  EXPECT_EQ(report.bill.known, cost_of("fake/s"));
  EXPECT_EQ(report.bill.known_runs, 22U);
  EXPECT_THAT(to_lines(report, {"data", "candidate.yaml", "EUR"}), HasSubstr("given without a look"));
}

TEST_F(LookedAtReplay, WhatNobodyLookedForIsNotKnown) {
  const auto more = under("cascade: {verifier: v.sbo, checks: [cut, repeats]}");
  EXPECT_EQ(more.looks.unknown[0], 20U);
  EXPECT_EQ(more.looks.passed_on, 2U) << "a veto is one, whatever else there is to find";
  EXPECT_EQ(more.bill.unknown_runs, 20U);
  EXPECT_FALSE(more.nothing_differs());
  router_ = looking_router("");
  ask("and where is this?");
  const auto later = under("cascade: {checks: [cut]}");
  EXPECT_EQ(later.looks.unknown[0], 1U) << "it was given as it came";
  const auto machine = to_json(later, {"data", "candidate.yaml", "EUR"});
  EXPECT_EQ(machine.at("looks").at("unknown").at("not_looked").as_uint64(), 1U);
}

TEST_F(ReplayTest, PricesAreThoseOfTheCandidate) {
  ask_everything();
  Candidate with = candidate();
  with.catalog = catalog_of({3'000'000, 0, 6'000'000});
  const auto report = replay(with);
  EXPECT_EQ(report.exact, report.choices);
  EXPECT_FALSE(report.nothing_differs());
  MicroMoney expected = 0;
  for (const auto& run : recorded()) {
    for (const auto& call : run.calls) expected += call.answer()->deployment == "fake/l" ? 3 * call.cost : call.cost;
  }
  EXPECT_EQ(report.bill.known, expected);
  EXPECT_GT(expected, report.recorded_cost);
}

TEST_F(ReplayTest, CallsThatWereNotMadeAreExpectedWithAnInterval) {
  ask_everything();
  Candidate with = candidate();
  with.router = router_of(document("{script: 1.1, human: 1.1}"));
  const auto report = replay(with);
  const auto moved = report.bill.expected_runs;
  EXPECT_GE(moved, 40U) << "what scripts and people answered";
  EXPECT_EQ(report.bill.known_runs + moved, report.runs);
  EXPECT_GT(report.bill.expected, 0);
  EXPECT_GT(report.bill.margin(), 0);
  // The same asked of models: within the interval, but for the tokens of questions, which are estimated on record.
  double asked = 0;
  for (const auto& run : recorded()) asked += run.tokens ? static_cast<double>(run.tokens->input_tokens) : 0;
  const double answers = report.bill.expected - asked;  // 1 micro a token asked, 2 a token answered
  EXPECT_NEAR(answers / static_cast<double>(moved), 2 * 8, 4);
  EXPECT_EQ(report.controls.size(), 2U);
}

TEST_F(ReplayTest, WithFewAnswersOnRecordNothingIsExpected) {
  for (int i = 0; i < 5; ++i) ask("what are your opening hours");
  Candidate with = candidate();
  with.router = router_of(document("{script: 1.1}"));
  const auto report = replay(with);
  EXPECT_EQ(report.changed, 5U);
  EXPECT_EQ(report.bill.expected_runs, 0U);
  EXPECT_EQ(report.bill.unknown_runs, 5U);
  EXPECT_EQ(report.untimed, 5);
}

TEST_F(ReplayTest, AModelThatIsGoneIsSaid) {
  ask_everything();
  Candidate with = candidate();
  with.catalog = catalog_of({1'000'000, 0, 2'000'000}, false);
  const auto report = replay(with);
  EXPECT_GT(report.bill.refused_runs, 20U);
  EXPECT_GT(report.bill.recorded_of_unknown, 0);
  EXPECT_FALSE(report.nothing_differs());
}

TEST_F(ReplayTest, AnotherDeploymentInTheTierIsExpectedToCostOtherwise) {
  ask_everything();
  model::CatalogConfig config;
  model::ProviderConfig provider;
  provider.name = "fake";
  provider.base_url = "http://127.0.0.1:1/v1";
  provider.models = {{"l", "", {1'000'000, 0, 2'000'000}, 0}, {"new", "", {0, 0, 1'000'000}, 0}};
  config.providers.push_back(std::move(provider));
  config.tiers = {{"large", {{"fake", "l", 1, 0}}}, {"small", {{"fake", "new", 1, 0}}}};
  Candidate with = candidate();
  with.catalog = std::make_shared<model::Catalog>(*model::Catalog::create(std::move(config)));
  const auto report = replay(with);
  EXPECT_EQ(report.exact, report.choices);
  EXPECT_GT(report.bill.expected_runs, 20U);
  EXPECT_LT(report.bill.total(), static_cast<double>(report.recorded_cost));
}

TEST_F(ReplayTest, WhatPeopleDecidedStandsBesideWhatWouldSpareThem) {
  const char* verdicts[] = {"approve", "approve", "approve", "edit", "reject", ""};
  for (std::size_t i = 0; i < std::size(verdicts); ++i) {
    auto run = prepare(flow::request_of(texts_of("stolen")[i]));
    ASSERT_TRUE(drive(run));
    ASSERT_TRUE(run->review);
    const json::object verdict{{"verdict", verdicts[i]}, {"text", "call us"}};
    if (*verdicts[i] != '\0') ASSERT_TRUE(wait(engine_->decide(*run->review, "rita", verdict)));
  }
  ask("write me a poem about rain");
  const auto same = replay(candidate());
  EXPECT_EQ(same.people_stay.approved, 3U);
  EXPECT_EQ(same.people_stay.edited, 1U);
  EXPECT_EQ(same.people_stay.rejected, 1U);
  EXPECT_EQ(same.people_stay.open, 1U);
  EXPECT_EQ(same.unjudged, 1U);
  EXPECT_TRUE(same.nothing_differs());
  Candidate with = candidate();
  with.router = router_of(document("{script: 0.5, human: 1.1}"));
  const auto report = replay(with);
  EXPECT_EQ(report.people_spared.decided(), 5U);
  const auto lines = to_lines(report, {"data", "candidate.yaml", "EUR"});
  EXPECT_THAT(lines, HasSubstr("14.7 to 94.7 %")) << "Clopper-Pearson of 3 in 5";
}

TEST_F(ReplayTest, ErasedRunsKeepTheirDecisionsAndLoseTheirTexts) {
  ask_everything();
  store::Commit commit;
  for (const auto& run : recorded()) {
    if (run.status == store::RunStatus::completed) commit.erase.push_back(run.id);
  }
  const auto erased = commit.erase.size();
  ASSERT_TRUE(wait(store_->commit(std::move(commit))));
  EXPECT_TRUE(replay(candidate(), true).nothing_differs());
  Candidate with = candidate();
  with.router = router_of(document(kThresholds), true);
  const auto report = replay(with, true);
  EXPECT_EQ(report.erased, erased);
  EXPECT_GT(report.unknown[static_cast<std::size_t>(Reason::erased)], 40U);
  EXPECT_EQ(report.unknown[static_cast<std::size_t>(Reason::other_sight)], 0U);
}

TEST_F(ReplayTest, RecordsOfBeforeSayNothing) {
  ask_everything();
  const auto report = replay(candidate(), false, forget_basis);
  EXPECT_GT(report.unknown[static_cast<std::size_t>(Reason::not_recorded)], 70U);
  EXPECT_FALSE(report.nothing_differs());
  Candidate without = candidate();
  without.router = nullptr;
  const auto all_large = replay(without, false, forget_basis);
  EXPECT_EQ(all_large.unknown_count(), 0U) << "without triage nobody has to look";
  EXPECT_TRUE(all_large.routes.contains({"script", "large"}));
}

TEST_F(ReplayTest, TheReportSaysTheSameInThreeForms) {
  ask_everything();
  const Subject subject{"<data>", "candidate.yaml", "EUR"};
  Candidate with = candidate();
  with.router = router_of(document("{script: 1.1}"));
  const auto report = replay(with);
  const auto lines = to_lines(report, subject);
  EXPECT_THAT(lines, HasSubstr("decisions would differ"));
  EXPECT_THAT(lines, HasSubstr("+-"));
  const auto page = to_html(report, subject);
  EXPECT_THAT(page, HasSubstr("&lt;data&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  const auto machine = to_json(report, subject);
  EXPECT_EQ(machine.at("decisions").at("changed").as_uint64(), report.changed);
  EXPECT_EQ(machine.at("cost").at("candidate").at("known_micro").as_int64(), report.bill.known);
  for (const auto& text : {lines, page, to_text(machine)}) EXPECT_THAT(text, Not(HasSubstr("jane.roe")));
}

TEST(Spread, QuantilesAreWithinAnEighth) {
  Durations durations;
  for (Micros i = 1; i <= 100'000; ++i) durations.add(i);
  for (const double share : {0.5, 0.95, 0.99})
    EXPECT_NEAR(static_cast<double>(durations.quantile(share)), share * 1e5, share * 1e5 / 8);
  Durations other;
  other.add(durations, 10);
  EXPECT_EQ(other.quantile(0.5), durations.quantile(0.5));
  EXPECT_EQ(other.count(), 10);
  EXPECT_EQ(Durations().quantile(0.5), 0);
}

}  // namespace
}  // namespace sb::replay
