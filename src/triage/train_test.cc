#include "triage/train.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "triage/evaluate.h"
#include "triage/testing_data.h"

namespace sb::triage {
namespace {

const auto kQuiet = [](double) {};

TEST(MistakesLeft, FollowThePowerByWhichTheyFell) {
  const auto errors = [](double texts) { return 100 / std::sqrt(texts); };
  EXPECT_NEAR(mistakes_left(errors(3), errors(4), 5), errors(5) / errors(4), 1e-9);
  EXPECT_NEAR(mistakes_left(errors(8), errors(9), 10), errors(10) / errors(9), 1e-9);
  EXPECT_DOUBLE_EQ(mistakes_left(1000, 10, 5), 0.8) << "at most as the inverse of the number";
  EXPECT_EQ(mistakes_left(10, 10, 5), 1);
  EXPECT_EQ(mistakes_left(0, 0, 5), 1);
  EXPECT_EQ(mistakes_left(20, 10, 2), 1) << "nothing can be left out of one part";
}

TEST(Train, IsTheSameByteForByte) {
  const auto again = train(test_dataset(), nullptr, test_options(), kQuiet);
  ASSERT_TRUE(again);
  EXPECT_TRUE(encode_model(again->data) == encode_model(test_model().data()));
}

TEST(Train, AnotherSeedIsAnotherModel) {
  auto options = test_options();
  options.seed = 2;
  const auto other = train(test_dataset(), nullptr, options, kQuiet);
  ASSERT_TRUE(other);
  EXPECT_FALSE(encode_model(other->data) == encode_model(test_model().data()));
}

TEST(Train, ReportsProgressUpToTheEnd) {
  double last = 0;
  ASSERT_TRUE(train(test_dataset(), nullptr, test_options(), [&](double share) {
    EXPECT_GE(share, last);
    last = share;
  }));
  EXPECT_DOUBLE_EQ(last, 1);
}

TEST(Train, ThresholdsKeepPeopleAndScriptsApart) {
  const auto evaluation = evaluate(try_texts(*Router::of_model(test_model()), test_dataset().examples, {}), true);
  EXPECT_TRUE(evaluation.has_routes);
  EXPECT_GT(evaluation.accuracy, 0.95);
  EXPECT_GT(evaluation.scripted_right, 0.3);
  EXPECT_EQ(evaluation.human_scripted, 0U);
  EXPECT_GT(evaluation.human_recall, 0.9);
}

TEST(Train, RefusesWhatItCannotLearnFrom) {
  const auto code = [](const Dataset& dataset, const TrainOptions& options) {
    const auto trained = train(dataset, nullptr, options, kQuiet);
    return trained ? Errc::internal : trained.error().code;
  };
  EXPECT_EQ(code({}, test_options()), Errc::invalid_argument);
  EXPECT_EQ(code({.examples = {{"a b", "one", ""}, {"a c", "one", ""}}, .files = {}}, test_options()),
            Errc::invalid_argument);
  EXPECT_EQ(code({.examples = {{"a", "one", "script"}, {"b", "one", "human"}, {"c", "two", "human"}}, .files = {}},
                 test_options()),
            Errc::invalid_argument);
  EXPECT_EQ(code({.examples = {{"a", "one", "wizard"}, {"b", "two", ""}}, .files = {}}, test_options()),
            Errc::invalid_argument);
  auto options = test_options();
  options.learn.dimension = 7;
  EXPECT_EQ(code(test_dataset(), options), Errc::invalid_argument);
}

TEST(Train, AMissingRouteIsNamed) {
  RouteMap routes;
  routes.kinds["hours"] = AnswerKind::script;
  const auto trained = train(test_dataset(), &routes, test_options(), kQuiet);
  ASSERT_FALSE(trained);
  EXPECT_NE(trained.error().detail.find("has no route"), std::string::npos) << trained.error().detail;
}

Unseen unseen(std::uint32_t label, std::vector<float> logits) {
  Unseen out;
  out.logits = std::move(logits);
  out.label = label;
  return out;
}

TEST(Calibrate, WhoWouldHaveBeenMissedInRehearsalMakesTheVetoStricter) {
  const std::vector<Label> labels{{"script", AnswerKind::script}, {"person", AnswerKind::human}};
  std::vector<Unseen> texts;
  for (int i = 0; i < 3000; ++i) texts.push_back(unseen(0, {10, 0}));
  for (int i = 0; i < 300; ++i) texts.push_back(unseen(1, {0, 10}));
  const auto missed = unseen(1, {5, 0});  // seven in a thousand for a person, and yet for people only
  const Target target{.out_of_scope = 0};
  const auto scripted = [&](const Thresholds& thresholds) {
    return conclude(missed.evidence(), labels, {}, thresholds).route == AnswerKind::script;
  };
  Thresholds before;
  fit_thresholds(texts, target, nullptr, labels, {}, before);
  EXPECT_EQ(before.veto, 0.05);
  before.script = 0.9;
  EXPECT_TRUE(scripted(before));

  texts.push_back(missed);
  Thresholds after;
  const auto report = fit_thresholds(texts, target, nullptr, labels, {}, after);
  EXPECT_NEAR(after.veto, 1 / (1 + std::exp(5)) / 5, 1e-5);
  EXPECT_FALSE(scripted(after));
  EXPECT_GT(report.scripted, 0.99) << "the others are scripted as before";
}

TEST(Calibrate, LevelsKeepOnlyTheMistakesThatMoreTextsLeave) {
  const std::vector<Label> labels{{"a"}, {"b"}};
  std::vector<Unseen> texts;
  for (std::uint32_t i = 0; i < 3000; ++i) texts.push_back(unseen(i % 10 == 0 ? 1 : 0, {2, 0}));
  Calibration all;
  Calibration half;
  fit_confidence(texts, 1, labels, all);
  fit_confidence(texts, 0.5, labels, half);
  ASSERT_EQ(all.confidence.levels.size(), half.confidence.levels.size());
  double right = 0;
  for (std::size_t i = 0; i < all.confidence.levels.size(); ++i) {
    EXPECT_NEAR(1 - half.confidence.levels[i].right, (1 - all.confidence.levels[i].right) / 2, 1e-6);
    right += all.confidence.levels[i].right / static_cast<double>(all.confidence.levels.size());
  }
  EXPECT_NEAR(right, 0.9, 1e-6);
}

// Texts of one label, and some out of scope that the logits take for it. Most of the former's words are known and few
// of the latter's; with one in twenty and one in ten it is the other way round.
std::vector<Unseen> with_foreign_texts(int foreign) {
  std::vector<Unseen> texts;
  const auto add = [&](std::uint32_t label, int i, bool known) {
    auto& text =
        texts.emplace_back(unseen(label, {(label == 0 ? 3.0F : 2.0F) + static_cast<float>(i * 3 % 10) * 0.2F, 0}));
    text.coverage = {(known ? 0.8 : 0.3) + 0.01 * (i * 7 % 20), (known ? 0.85 : 0.4) + 0.01 * (i * 11 % 15)};
    text.out_of_scope = label == 1;
  };
  for (int i = 0; i < 1000; ++i) add(0, i, i % 20 != 0);
  for (int i = 0; i < foreign; ++i) add(1, i, i % 10 == 0);
  return texts;
}

struct Named {
  int outside = 0;  // of the texts out of scope, those that get that label
  int inside = 0;   // of the others
};

Named named(std::span<const Unseen> texts, std::span<const Label> labels, const Calibration& calibration) {
  Named out;
  for (const auto& text : texts) {
    const auto p = conclude(text.evidence(), labels, calibration, {});
    if (!p.alternatives[0].intent.empty()) EXPECT_EQ(p.alternatives[0].intent, p.intent);
    if (p.intent != labels[1].name) continue;
    ++(text.out_of_scope ? out.outside : out.inside);
    EXPECT_EQ(p.script_score, 0);
    EXPECT_EQ(p.alternatives[1].intent, labels[0].name);
    EXPECT_GE(p.confidence, calibration.outside_at) << "the gate's probability, not the label's small one";
  }
  return out;
}

const std::vector<Label> kTwoLabels{{"a"}, {"oos", AnswerKind::none, true}};

TEST(Calibrate, WhatTheGateIsSureOfGetsTheOutOfScopeLabel) {
  const auto texts = with_foreign_texts(100);
  Calibration calibration;
  fit_gate(texts, 0.1, kTwoLabels, calibration);
  EXPECT_EQ(named(texts, kTwoLabels, calibration).outside, 0) << "what the logits say";
  fit_outside(texts, 0.1, kTwoLabels, calibration);
  const auto after = named(texts, kTwoLabels, calibration);
  EXPECT_GE(after.outside, 30) << "by their words; with the logits half of them look like texts in scope";
  EXPECT_LE(after.inside, 2) << "one in 400";
}

TEST(Calibrate, FewOutOfScopeTextsDoNotSpeakForAll) {
  const auto texts = with_foreign_texts(49);
  Calibration calibration;
  fit_gate(texts, 0.1, kTwoLabels, calibration);
  fit_outside(texts, 0.1, kTwoLabels, calibration);
  EXPECT_GT(calibration.outside_at, 1);
}

// Both coverages say the same, the two logits too: each text of them all out of scope lies apart from each in scope.
TEST(Calibrate, TheGateIsFoundWhereItsInputsSayTheSame) {
  std::vector<Unseen> texts;
  for (int i = 0; i < 200; ++i) {
    auto& text = texts.emplace_back(unseen(i % 4 == 0 ? 1 : 0, {3.0F + static_cast<float>(i % 9) * 0.2F, 0}));
    const double coverage = (i % 4 == 0 ? 0.3 : 0.9) + 0.01 * (i % 10);
    text.coverage = {coverage, coverage};
    text.out_of_scope = i % 4 == 0;
  }
  Calibration calibration;
  fit_gate(texts, 0.1, kTwoLabels, calibration);
  for (const auto& text : texts) {
    const auto p = conclude(text.evidence(), kTwoLabels, calibration, {});
    EXPECT_EQ(p.out_of_scope > 0.5, text.out_of_scope);
  }
}

TEST(Calibrate, ClopperPearsonMatchesItsClosedForms) {
  // No error in n: 1 - (1 - confidence)^(1/n). All but none: the table's values (Clopper and Pearson, 1934).
  EXPECT_NEAR(upper_bound(0, 100, 0.95), 1 - std::pow(0.05, 0.01), 1e-9);
  EXPECT_NEAR(upper_bound(0, 10, 0.975), 0.3085, 1e-4);
  EXPECT_NEAR(upper_bound(5, 10, 0.975), 0.8129, 1e-4);
  EXPECT_EQ(upper_bound(3, 3, 0.95), 1);
  EXPECT_EQ(upper_bound(0, 0, 0.95), 1);
  EXPECT_NEAR(upper_bound(3000, 6000, 0.95), 0.5 + 1.645 * 0.5 / std::sqrt(6000.0), 1e-3)
      << "the first term is below any double";
}

TEST(Calibrate, TheBoundGrowsWithErrorsAndFallsWithTrials) {
  for (std::uint64_t errors = 0; errors < 20; ++errors) {
    EXPECT_LT(upper_bound(errors, 1000, 0.95), upper_bound(errors + 1, 1000, 0.95));
    EXPECT_GT(upper_bound(errors, 1000, 0.95), upper_bound(errors, 2000, 0.95));
    EXPECT_GT(upper_bound(errors, 1000, 0.95), static_cast<double>(errors) / 1000);
  }
}

TEST(Calibrate, TheTemperatureUndoesOverconfidence) {
  // Two labels, logits +-3 (95 % sure), right in four of five: the honest temperature gives 80 %, i.e. 6 / ln 4.
  ModelData data;
  data.labels = {{"a", AnswerKind::none, false}, {"b", AnswerKind::none, false}};
  std::vector<Unseen> unseen;
  for (std::uint32_t i = 0; i < 1000; ++i) unseen.push_back({{3, -3}, {}, i % 5 == 0 ? 1U : 0U, false, false, {}});
  Calibration calibration;
  fit_temperature(unseen, calibration);
  EXPECT_NEAR(calibration.temperature, 6 / std::log(4.0), 0.02);
}

struct PublicSet {
  const char* name;
  double accuracy;  // fastText's on the held-out tests of these sets; ours must not be below it on validation
};

class PublicData : public testing::TestWithParam<PublicSet> {};

TEST_P(PublicData, ReachesTheAccuracyAndIsCalibrated) {
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "too slow under sanitizers; the arithmetic is the same";
#endif
  const std::filesystem::path folder = "../shared/data/triage";
  const auto file = [&](const char* part) {
    return (folder / (std::string("intent-") + GetParam().name + part)).string();
  };
  if (!std::filesystem::exists(file("-train.jsonl.gz"))) GTEST_SKIP() << "no " << file("-train.jsonl.gz");
  const auto training = read_dataset({file("-train.jsonl.gz")});
  const auto validation = read_dataset({file("-val.jsonl.gz")});
  ASSERT_TRUE(training && validation);
  const auto trained = train(*training, nullptr, TrainOptions{}, kQuiet);
  ASSERT_TRUE(trained) << trained.error().detail;
  const auto e =
      evaluate(try_texts(*Router::of_model(IntentModel::from_data(trained->data)), validation->examples, {}), false);
  EXPECT_GE(e.accuracy, GetParam().accuracy);
  EXPECT_LE(e.calibration_error, 0.03);
}

INSTANTIATE_TEST_SUITE_P(Sets, PublicData, testing::Values(PublicSet{"hwu64", 0.860}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sb::triage
