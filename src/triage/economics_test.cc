#include "triage/economics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "triage/evaluate.h"
#include "triage/report.h"
#include "triage/testing_data.h"

namespace sb::triage {
namespace {

using testing::HasSubstr;
using testing::Not;

Trial trial(AnswerKind truth, Route route, bool right = true, double score = 0) {
  static const Example example{"text", "intent", ""};
  Trial out;
  out.example = &example;
  out.truth = truth;
  out.outside = truth == AnswerKind::none;
  out.right = right;
  out.route = route;
  out.unscripted = route == Route::script ? Route::small : route;
  out.scriptable = score > 0;
  out.said.script_score = score;
  out.said.intent = right ? "intent" : "other";
  return out;
}

// A right and a wrong script, a poem from the small model, a maths question from the large one, a theft handed over and
// one that was not, and an out-of-scope question.
std::vector<Trial> some_trials() {
  return {trial(AnswerKind::script, Route::script, true, 0.9),
          trial(AnswerKind::script, Route::script, false, 0.8),
          trial(AnswerKind::generative, Route::small),
          trial(AnswerKind::generative, Route::large),
          trial(AnswerKind::human, Route::human),
          trial(AnswerKind::human, Route::small),
          trial(AnswerKind::none, Route::small)};
}

const Prices kPrices{.script = 0, .small = 1, .large = 20, .human = 500, .wrong_script = 200, .missed_human = 2000};

TEST(Economics, BothControlsAndTheBestPossibleStandBesideTheRouter) {
  const auto e = economics(some_trials(), kPrices);
  EXPECT_EQ(e.all_large.models, 140);
  EXPECT_EQ(e.all_small.models, 7);
  EXPECT_EQ(e.routed.models, 1 + 20 + 1 + 1);
  EXPECT_EQ(e.without_small.models, 4 * 20);
  EXPECT_EQ(e.best.models, 3);
  EXPECT_DOUBLE_EQ(e.routed.saved(e.all_large), 1 - 23.0 / 140);
  EXPECT_LT(e.routed.saved(e.all_small), 0) << "more than the small model alone costs";
}

TEST(Economics, FaultsAreCountedOnceAndPriced) {
  const auto e = economics(some_trials(), kPrices);
  EXPECT_EQ(e.routed.wrong_scripts, 1U);
  EXPECT_EQ(e.routed.missed, 1U);
  EXPECT_EQ(e.routed.harm, 200 + 2000);
  EXPECT_EQ(e.routed.people, 500);
  EXPECT_DOUBLE_EQ(e.routed.quality(), 1 - 2.0 / 7);
  EXPECT_EQ(e.all_large.missed, 2U);
  EXPECT_DOUBLE_EQ(e.best.quality(), 1);

  const auto people_only = economics(std::vector{trial(AnswerKind::human, Route::script, false, 0.9)}, kPrices);
  EXPECT_EQ(people_only.routed.wrong_scripts + people_only.routed.missed, 2U);
  EXPECT_DOUBLE_EQ(people_only.routed.quality(), 0) << "one text, one fault";
}

TEST(Economics, TheSweepRunsFromNoScriptToAll) {
  const auto e = economics(some_trials(), kPrices);
  EXPECT_EQ(e.sweep.front().scripted, 0U);
  EXPECT_EQ(e.sweep.back().scripted, 2U);
}

TEST(Trials, GoWhereTheRouterOfTheModelSends) {
  const auto router = Router::of_model(test_model());
  const auto trials = try_texts(*router, test_dataset().examples, {});
  ASSERT_EQ(trials.size(), test_dataset().examples.size());
  std::size_t scripted = 0;
  for (const auto& one : trials) {
    EXPECT_EQ(one.route, router->route({.text = one.example->text, .prompt_bytes = one.example->text.size()}).route);
    EXPECT_EQ(one.route == Route::script, one.said.route == AnswerKind::script) << one.example->text;
    EXPECT_EQ(one.route == Route::human, one.said.route == AnswerKind::human) << one.example->text;
    EXPECT_EQ(one.route == Route::script, one.score() >= one.said.limits.script) << one.example->text;
    scripted += one.route == Route::script;
  }
  EXPECT_GT(scripted, 50U);
}

TEST(Report, IsOnePageThatLoadsNothing) {
  const auto trials = try_texts(*Router::of_model(test_model()), test_dataset().examples, {});
  const auto e = economics(trials, {});
  const TuneReport tuning{.target = {},
                          .refusal = "too few <texts>",
                          .steps = {{0.9, 0.5, 0.01, 0.02}, {0.8, 0.6, 0.02, 0.03}},
                          .rehearsals = {{.texts = 100, .wrong = {0.005, 0.02}, .scripted = {0.5, 0.6}, .times = 3}}};
  const auto page = html_report("test", trials, evaluate(trials, true), &e, &tuning);
  for (const auto* part : {"Reliability", "Coverage against error", "Cost against quality", "all small",
                           "best possible", "Who should answer, who does", "100 texts", "too few &lt;texts&gt;"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  for (const auto* part : {"<script", "src=", "@import", "url(", "<link"}) EXPECT_THAT(page, Not(HasSubstr(part)));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme:dark"));
}

}  // namespace
}  // namespace sb::triage
