// Runs that went through the engine, and what a candidate makes of them.
#include "replay/replay.h"
#include "replay/trial_report.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "flow/engine_testing.h"
#include "policy/json_guard.h"
#include "replay/report.h"
#include "triage/decision_record.h"
#include "triage/testing_verifier.h"
#include "triage/train.h"

namespace sb::replay {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kRules = R"(
rules:
  - {name: legal, when: {phrases: [going to sue]}, route: large}
  - {name: mail, when: {findings: [EMAIL]}, route: small}
)";

std::string document(std::string_view thresholds, std::string_view rules = kRules) {
  return fmt::format("version: 1\nmodel: m\nthresholds: {}\nscripts: {{hours: opening-hours}}\n{}", thresholds, rules);
}

const std::vector<std::string>& texts_of(const std::string& intent) {
  static const std::map<std::string, std::vector<std::string>> all = [] {
    const std::map<std::string, std::pair<std::vector<std::string>, std::vector<std::string>>> recipes{
        {"hours",
         {{"what are", "tell me", "when are", "i need", "show"},
          {"your opening hours", "the hours you open", "opening times", "the hours of the shop",
           "your hours on sunday"}}},
        {"poem",
         {{"write me", "please write", "compose", "i would like", "make up"},
          {"a poem about rain", "a poem on summer", "some verses", "a short poem", "a poem for her"}}},
        {"stolen",
         {{"somebody stole", "a thief took", "i was robbed of", "they took", "help someone stole"},
          {"my wallet", "my purse", "my phone", "my bag", "all my money"}}}};
    std::map<std::string, std::vector<std::string>> out;
    for (const auto& [name, parts] : recipes) {
      for (const auto& begin : parts.first) {
        for (const auto& end : parts.second) out[name].push_back(begin + " " + end);
      }
    }
    return out;
  }();
  return all.at(intent);
}

triage::IntentModel learn(std::uint32_t dimension) {
  triage::Dataset dataset;
  for (const auto& [intent, route] : {std::pair("hours", "script"), {"poem", "generative"}, {"stolen", "human"}}) {
    for (const auto& text : texts_of(intent)) dataset.examples.push_back({text, intent, route});
  }
  triage::TrainOptions options;
  options.learn.dimension = dimension;
  options.text_folds = 3;
  return triage::IntentModel::from_data(triage::train(dataset, nullptr, options, [](double) {}).value().data);
}

std::shared_ptr<const triage::Router> router_of(const std::string& yaml, bool other_model = false) {
  static const auto model = learn(16), other = learn(8);
  auto router = triage::Router::from_text(yaml, "triage.yaml", other_model ? other : model);
  EXPECT_TRUE(router) << router.error().detail;
  return *router;
}

std::shared_ptr<const triage::Router> looking_router(std::string_view cascade) {
  auto router = triage::Router::from_text(fmt::format("version: 1\n{}", cascade), "triage.yaml", std::nullopt,
                                          triage::test_verifier());
  EXPECT_TRUE(router) << router.error().detail;
  return *router;
}

constexpr std::string_view kThresholds = "{script: 0.5, human: 0.6, veto: 0.5}";

class ReplayTest : public flow::EngineTest {
 protected:
  ReplayTest() {
    std::ofstream(folder_.file("scripts.yaml")) << "opening-hours: {kind: jq, inline: '\"we open at nine\"'}\n";
    script_registry_ = *script::ScriptRegistry::load(std::filesystem::path(folder_.file("scripts.yaml")).parent_path());
    router_ = router_of(document(kThresholds));
    restart();
  }

  /// Every text asked once, by whatever router_ and policy_ are in force.
  static std::vector<std::string> texts() {
    std::vector<std::string> out;
    for (const auto* intent : {"hours", "poem", "stolen"})
      out.insert(out.end(), texts_of(intent).begin(), texts_of(intent).end());
    for (const std::string_view more :
         {"", "i am going to sue you over a poem", "write a poem for jane.roe@acme.org please", "poem about 12 * 17",
          "xq zw kk vv"})
      out.emplace_back(more);
    return out;
  }
  void ask(const std::string& text, const std::function<void(flow::RunRequest&)>& change = {}) {
    provider_->fake.otherwise["s"].usage.output_tokens = provider_->fake.otherwise["l"].usage.output_tokens =
        static_cast<std::int64_t>(5 + text.size() % 7);
    auto run = prepare(flow::request_of(text), change);
    ASSERT_TRUE(drive(run));
    asked_[run->row.id] = text;
  }
  void ask_everything() {
    for (const auto& text : texts()) ask(text);
    ask("my card is 4000056655665556");    // the policy asks for a person
    ask("pay to DE89370400440532013000");  // ... and blocks this
    ask("hello", [](flow::RunRequest& request) { request.requested_model = "fake/l"; });
    ask("hello", [](flow::RunRequest& request) { request.requested_model = "small"; });
    provider_->fake.then("s", model::testing::fake_status(503));  // one try in vain
    ask("write me a poem about rain");
  }

  std::vector<RecordedRun> recorded() {
    EXPECT_TRUE(wait(store_->flush()));
    const auto scan = store::sqlite::RunScan::open(folder_.file("store.db"), {});
    EXPECT_TRUE(scan) << scan.error().detail;
    std::vector<RecordedRun> runs;
    for (;;) {
      const auto scanned = (*scan)->next();
      EXPECT_TRUE(scanned) << scanned.error().detail;
      if (!scanned || !*scanned) return runs;
      auto run = recorded_run(**scanned);
      EXPECT_TRUE(run) << run.error().detail;
      runs.push_back(*std::move(run));
    }
  }

  Candidate candidate() const { return {router_, std::make_shared<model::Catalog>(*catalog_), policy_}; }
  /// The catalog with other prices, or without a model.
  static std::shared_ptr<const model::Catalog> catalog_of(model::Price large, bool with_small = true) {
    model::CatalogConfig config;
    model::ProviderConfig provider;
    provider.name = "fake";
    provider.base_url = "http://127.0.0.1:1/v1";
    provider.models = {{"l", "", large, 0}};
    if (with_small) provider.models.push_back({"s", "", {1'000'000, 0, 2'000'000}, 0});
    config.providers.push_back(std::move(provider));
    config.tiers = {{"large", {{"fake", "l", 1, 0}}}};
    if (with_small) config.tiers.push_back({"small", {{"fake", "s", 1, 0}}});
    return std::make_shared<model::Catalog>(*model::Catalog::create(std::move(config)));
  }

  flow::OpenInput opener() {
    return [this](const RunId& id) -> Result<std::optional<flow::RecordedInput>> {
      ++opened_;
      const auto row = row_of(id);
      if (row.erased) return std::optional<flow::RecordedInput>();
      auto came = row.input;
      if (!row.vault.empty()) {
        auto vault = policy::TokenVault::from_json(*parse_json(row.vault));
        came = *policy::restore_json(*vault, row.input);
      }
      return flow::RecordedInput{row.input, came, row.key, std::string(32, 't')};
    };
  }
  Report replay(const Candidate& with, bool texts = false, const std::function<void(RecordedRun&)>& change = {}) {
    Replay replay(with, texts ? opener() : flow::OpenInput());
    for (auto run : recorded()) {
      if (change) change(run);
      EXPECT_TRUE(replay.add(run));
    }
    return replay.report();
  }
  static void forget_basis(RecordedRun& run) {
    for (auto& choice : run.choices) choice.decision.basis = {};
  }

  /// Text -> the decision on record of each.
  std::map<std::string, std::string> decisions_by_text() {
    std::map<std::string, std::string> out;
    for (const auto& run : recorded()) out[asked_[run.id]] = run.choices.empty() ? run.verdict : run.choices[0].record;
    return out;
  }
  /// The same asked anew under what is in force now, in an empty store.
  std::map<std::string, std::string> asked_anew(const std::vector<std::string>& what) {
    stop();
    for (const auto* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(folder_.file("store.db") + suffix);
    log_.read.clear();
    start();
    asked_.clear();
    for (const auto& text : what) ask(text);
    return decisions_by_text();
  }

  std::map<RunId, std::string> asked_;
  int opened_ = 0;
};

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
