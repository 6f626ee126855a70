// The promise of triage on the server's own path: chats go through an engine, the guard sees what they are.
#include <cstdio>
#include <random>

#include "flow/engine_testing.h"
#include "triage/dataset.h"

namespace sb::flow {
namespace {

constexpr const char* kData = "../shared/data/triage/";
constexpr double kBudget = 0.01;

/// The support desk of examples/, with its classifier and scripts.
class Promise : public EngineTest {
 protected:
  Promise() {
    router_ = *triage::Router::load("examples/support-desk/triage.yaml");
    script_registry_ = *script::ScriptRegistry::load("examples/support-desk/scripts");
    restart();
  }

  void promise(std::vector<triage::Watched> labelled, triage::PromiseGuardOptions options) {
    auto guard = triage::PromiseGuard::create(std::move(labelled), options);
    ASSERT_TRUE(guard) << guard.error().detail;
    live_ = std::make_unique<triage::LiveRouter>(router_, *std::move(guard), "desk");
    promise_ = live_.get();
    on_verdict_ = [this](std::string_view route, bool wrong) {
      verdicts_.push_back(std::string(route) + (wrong ? " wrong" : " right"));
    };
    restart();
  }
  /// Texts of our own that the desk knows, and some that it does not, as drawn scores.
  void promise_by_drawn_scores(triage::PromiseGuardOptions options) { promise(drawn_scores(), options); }

  std::shared_ptr<LiveRun> ask(std::string_view text) {
    auto run = prepare(request_of(text), [](RunRequest& request) { request.durability = Durability::async; });
    EXPECT_TRUE(drive(run));
    return run;
  }
  /// Summaries of the record's leaves of that kind.
  std::vector<json::value> leaves_of(std::string_view kind) {
    restart();  // the log reads what is stored
    std::vector<json::value> out;
    const auto before = fmt::format(" {} ", kind);
    for (const auto& leaf : log_.read) {
      if (const auto at = leaf.find(before); at != std::string::npos && at < leaf.find('{'))
        out.push_back(*parse_json(std::string_view(leaf).substr(at + before.size())));
    }
    return out;
  }

  std::unique_ptr<triage::LiveRouter> live_;
  std::vector<std::string> verdicts_;
};

std::vector<triage::Example> some_of(const std::string& file,
                                     const std::function<bool(const triage::Example&)>& wanted) {
  const auto all = triage::read_dataset({kData + file});
  std::vector<triage::Example> out;
  for (const auto& example : all ? all->examples : std::vector<triage::Example>()) {
    if (wanted(example)) out.push_back(example);
  }
  return out;
}

/// Of a traffic where a share of `turned` is of the new intent, under the router in force: wrong ones of scripted.
double wrong_scripts(const triage::Router& router, std::span<const triage::Example> usual,
                     std::span<const triage::Example> fresh, double turned, const triage::RouteMap& routes) {
  const auto count = [&](std::span<const triage::Example> texts, double weight, double& scripted, double& wrong) {
    for (const auto& one : texts) {
      const auto made = router.route({.text = one.text, .prompt_bytes = one.text.size()});
      if (made.route != triage::Route::script || !made.basis.seen) continue;
      scripted += weight / static_cast<double>(texts.size());
      if (!routes.same_intent(made.intent, one.intent)) wrong += weight / static_cast<double>(texts.size());
    }
  };
  double scripted = 0, wrong = 0;
  count(usual, 1 - turned, scripted, wrong);
  count(fresh, turned, scripted, wrong);
  return scripted > 0 ? wrong / scripted : 0;
}

/// A fifth of the desk's customers begin to ask it to write e-mails for them, which it never heard of.
TEST_F(Promise, AFifthOfTheTrafficThatIsNewIsNoticedWithin500Queries) {
  const auto routes = triage::read_routes(std::string(kData) + "supportdesk-routes.json");
  if (!routes) GTEST_SKIP() << "the support desk's labelled texts are not here: " << kData;
  std::size_t n = 0;
  std::vector<triage::Example> usual;  // every fourth text is traffic, the others are what the promise rests on
  const auto labelled = some_of("supportdesk-val.jsonl.gz", [&](const triage::Example& example) {
    if (++n % 4 != 0) return true;
    usual.push_back(example);
    return false;
  });
  const auto is_new = [](const triage::Example& example) { return example.intent == "hwu:email_sendemail"; };
  auto fresh = some_of("intent-hwu64-train.jsonl.gz", is_new);
  std::ranges::copy(some_of("intent-hwu64-val.jsonl.gz", is_new), std::back_inserter(fresh));
  promise(triage::watched(*router_, labelled, *routes), {.target = {.wrong_scripts = kBudget}});

  const auto error = [&](double turned) { return wrong_scripts(*live_->current(), usual, fresh, turned, *routes); };
  const double before = error(0), broken = error(0.2), first = live_->state().threshold;
  std::mt19937_64 random(11);
  const auto any_of = [&](const std::vector<triage::Example>& texts) { return texts[random() % texts.size()].text; };
  for (int i = 0; i < 1'000; ++i) (void)ask(any_of(usual));
  EXPECT_EQ(live_->state().changes, 0U) << "the traffic was what it was tuned for";
  int noticed = 0;
  std::shared_ptr<LiveRun> last;
  for (int i = 1; i <= 500; ++i) {
    last = ask(random() % 5 == 0 ? any_of(fresh) : any_of(usual));
    if (noticed == 0 && live_->state().changes > 0) noticed = i;
  }
  const double after = error(0.2);
  std::printf(
      "wrong scripts %.2f %%, of the traffic that turned %.2f %%; noticed after %d queries; threshold %.4f -> %.4f: "
      "%.2f %%\n",
      100 * before, 100 * broken, noticed, first, live_->state().threshold, 100 * after);
  EXPECT_GT(broken, kBudget) << "else the shift does no harm, and nothing is shown";
  EXPECT_GT(noticed, 0);
  EXPECT_GT(live_->state().threshold, first);
  EXPECT_LE(after, kBudget);
  const auto leaves = leaves_of("promise.tighten");
  ASSERT_GE(leaves.size(), 1U);
  EXPECT_EQ(string_member(leaves.front(), "cause"), "traffic");
  // Decisions from then on say what was asked of them.
  const auto steps = *wait(store_->load_steps(last->row.id));
  const auto decision = std::ranges::find(steps, "triage", &store::StepRow::kind);
  EXPECT_EQ(string_member(*parse_json(decision->decision), "floor"), fmt::format("{}", live_->state().threshold));
}

TEST_F(Promise, WhatWasTightenedStaysSoOverARestart) {
  promise_by_drawn_scores({.target = {.wrong_scripts = kBudget}});
  const double first = live_->state().threshold;
  for (int i = 0; i < 400 && live_->state().changes == 0; ++i)
    (void)ask(fmt::format("zxqv {} frobnicate the wibble grommet", i));
  const auto tightened = live_->state();
  ASSERT_GT(tightened.threshold, first);
  promise_by_drawn_scores({.target = {.wrong_scripts = kBudget}});
  EXPECT_EQ(live_->state().threshold, first);
  live_->resume(**wait(store_->load_document(kPromiseDocument)));
  EXPECT_EQ(live_->state(), tightened);
}

TEST_F(Promise, SecondOpinionsAreRunsOfTheirOwnAndMoveTheGuard) {
  double_answers_ = {.per_mille = 1000, .judge = "large", .errs = 0};
  add_flow(file_text("flows/second-opinion.yaml"));
  promise_by_drawn_scores({.target = {.wrong_scripts = kBudget}});
  provider_->fake.otherwise["l"].body = answer_of("WRONG.");
  const auto before = live_->state();
  const auto run = ask("how do I activate my card");
  ASSERT_EQ(run->row.route, "script");
  EXPECT_EQ(verdicts_, std::vector<std::string>{"script wrong"});
  ASSERT_EQ(provider_->seen.size(), 1U) << "the caller's answer took no model";
  EXPECT_NE(provider_->seen[0].body.find("activate my card"), std::string::npos);
  const auto feedback = leaves_of("run.feedback");
  ASSERT_EQ(feedback.size(), 1U);
  const auto& said = feedback[0];
  EXPECT_EQ(string_member(said, "by"), "model");
  EXPECT_FALSE(bool_member(said, "correct", true));
  const auto opinion = row_of(*RunId::parse(string_member(said, "opinion")));
  EXPECT_EQ(opinion.flow, kSecondOpinion);
  EXPECT_GT(opinion.cost, 0);
  EXPECT_EQ(run->row.cost, 0);
  EXPECT_EQ(booked(), 0) << "the server asked, not the caller's key";
  provider_->fake.otherwise["l"].body = answer_of("WRONG.");
  for (int i = 0; i < 20 && live_->state() == before; ++i) (void)ask("how do I activate my card");
  EXPECT_GT(live_->state().threshold, before.threshold);
  EXPECT_EQ(string_member(leaves_of("promise.tighten").at(0), "cause"), "verdicts");
}

TEST_F(Promise, RightAnswersAndUnclearOpinionsMoveNothing) {
  double_answers_ = {.per_mille = 1000, .judge = "large", .errs = 0};
  add_flow(file_text("flows/second-opinion.yaml"));
  promise_by_drawn_scores({.target = {.wrong_scripts = kBudget}});
  const auto before = live_->state();
  provider_->fake.otherwise["l"].body = answer_of("right");
  for (int i = 0; i < 20; ++i) (void)ask("how do I activate my card");
  EXPECT_EQ(verdicts_.size(), 20U);
  provider_->fake.otherwise["l"].body = answer_of("I cannot say whether that is WRONG");
  for (int i = 0; i < 20; ++i) (void)ask("how do I activate my card");
  EXPECT_EQ(verdicts_.size(), 20U);
  EXPECT_EQ(live_->state(), before);
}

}  // namespace
}  // namespace sb::flow
