#include "triage/tune.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>

namespace sb::triage {
namespace {

// Texts whose scripts are wrong more often the lower the score: with probability (1 - score) / 5.
std::vector<Tried> traffic(std::size_t count, std::uint64_t seed, double outside = 0) {
  std::mt19937_64 rng(seed);
  std::uniform_real_distribution<double> draw;
  std::vector<Tried> out;
  for (std::size_t i = 0; i < count; ++i) {
    const double score = draw(rng);
    if (draw(rng) < outside)
      out.push_back({score * 0.3, false, true, false});
    else
      out.push_back({score, draw(rng) > (1 - score) / 5, false, true});
  }
  return out;
}

TEST(Tune, KeepsItsPromiseInNineteenOfTwentyTrials) {
  const TuneTarget target{0.03, 0.95, 0};
  int kept = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto tuned = tune(traffic(4000, seed), target);
    if (!tuned) {
      ++kept;  // nothing promised, nothing broken
      continue;
    }
    // Scores are uniform above the threshold: the true share is (1 - threshold) / 10.
    kept += (1 - tuned->threshold) / 10 <= target.wrong_scripts;
  }
  EXPECT_GE(kept, 190);
}

TEST(Tune, AFewWrongOnesAmongTheSurestDoNotEndTheSearch) {
  auto texts = traffic(20000, 1);
  for (auto& one : texts) one.right = true;
  for (std::size_t i = 0; i < 40; ++i) texts[i] = {1, false, false, true};  // labels that are wrong
  const auto tuned = tune(texts, {0.01, 0.95, 0});
  ASSERT_TRUE(tuned) << tuned.error().detail;
  EXPECT_GT(tuned->scripted_share, 0.9);
}

TEST(Tune, MoreTrafficAllowsMore) {
  const auto little = tune(traffic(4000, 1), {0.03, 0.95, 0});
  const auto much = tune(traffic(40000, 1), {0.03, 0.95, 0});
  ASSERT_TRUE(little && much);
  EXPECT_GT(much->scripted_share, little->scripted_share);
}

TEST(Tune, RefusesWhatTheDataCannotSupportAndSaysWhatItTakes) {
  const auto tuned = tune(traffic(200, 1), {0.01, 0.95, 0});
  ASSERT_FALSE(tuned);
  EXPECT_EQ(tuned.error().code, Errc::invalid_argument);
  EXPECT_NE(tuned.error().detail.find("299"), std::string::npos) << tuned.error().detail;
  EXPECT_FALSE(tune({}, {0.01, 0.95, 0}));
}

TEST(Tune, AnotherMixIsBoundedByItsOwnTexts) {
  const TuneTarget shifted{0.05, 0.95, 0.12};
  EXPECT_FALSE(tune(traffic(4000, 1), shifted)) << "no out-of-scope text was seen, and yet it promises";
  const auto tuned = tune(traffic(20000, 1, 0.05), shifted);
  ASSERT_TRUE(tuned) << tuned.error().detail;
  EXPECT_GT(tuned->threshold, 0.3);
}

// One text in a hundred is wrong, whatever the score.
std::vector<Tried> one_in_a_hundred(std::size_t count) {
  std::vector<Tried> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back({1.0 / static_cast<double>(i + 1), i % 100 != 50, false, true});
  return out;
}

TEST(Tune, SaysHowManyTextsLikeTheseWouldDo) {
  const TuneTarget target{0.012, 0.95, 0};
  const auto refused = tune(one_in_a_hundred(2000), target);
  ASSERT_FALSE(refused);
  const auto& detail = refused.error().detail;
  const auto about = detail.find("about ");
  ASSERT_NE(about, detail.npos) << detail;
  const auto needed = std::stoul(detail.substr(about + 6));
  const auto enough = tune(one_in_a_hundred(2 * needed), target);
  EXPECT_TRUE(enough) << enough.error().detail;
  EXPECT_FALSE(tune(one_in_a_hundred(needed / 3), target)) << needed;
}

TEST(Tune, SaysThatNoNumberOfTextsWouldDo) {
  std::vector<Tried> half_wrong(40000);
  for (std::size_t i = 0; i < half_wrong.size(); ++i) half_wrong[i] = {0.9, i % 2 == 0, false, true};
  const auto refused = tune(half_wrong, {0.01, 0.95, 0});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().detail.find("50.00 % are wrong, and more"), std::string::npos) << refused.error().detail;
}

TEST(Tune, ShowsEveryThresholdAlsoThoseBelowTheChosenOne) {
  std::vector<TuneStep> steps;
  const TuneTarget target{0.03, 0.95, 0};
  const auto tuned = tune(traffic(4000, 1), target, &steps);
  ASSERT_TRUE(tuned);
  EXPECT_LT(steps.back().threshold, tuned->threshold);
  EXPECT_TRUE(std::ranges::is_sorted(steps, std::greater(), &TuneStep::threshold));
  EXPECT_TRUE(std::ranges::all_of(steps, [](const TuneStep& step) { return step.bound > step.wrong_share; }));
}

TEST(Tune, RehearsalsKeepThePromiseInNineteenOfTwentyDraws) {
  const auto texts = traffic(4000, 5);
  for (const std::size_t size : {4000U, 8000U, 16000U}) {
    const auto rehearsals = rehearse_tuning(texts, {0.03, 0.95, 0}, size, 200, 9);
    const auto sum = summary_of(rehearsals, 0.03);
    EXPECT_GE(sum.kept, 0.95) << size;
    EXPECT_GT(sum.promised, 0.5) << size;
  }
  EXPECT_EQ(rehearse_tuning(texts, {0.03, 0.95, 0}, 4000, 20, 9).wrong,
            rehearse_tuning(texts, {0.03, 0.95, 0}, 4000, 20, 9).wrong);
}

TEST(Tune, RehearsalsInAnotherMixAreHeldAgainstThatMix) {
  const auto texts = traffic(20000, 1, 0.05);
  const TuneTarget shifted{0.05, 0.95, 0.12};
  const auto sum = summary_of(rehearse_tuning(texts, shifted, 20000, 100, 3), shifted.wrong_scripts);
  EXPECT_GE(sum.kept, 0.95);
  EXPECT_GT(sum.promised, 0.9);
}

TEST(Tune, HistogramsPutEachRecalibrationIntoOneBar) {
  const Rehearsals rehearsals{.texts = 10, .wrong = {0, 0.0099, 0.0101, 0.5}, .scripted = {0, 0, 0, 0}, .times = 5};
  const auto bars = histogram_of(rehearsals, 0.01);
  ASSERT_EQ(bars.size(), 12U);
  EXPECT_EQ(bars[0].count, 1U);
  EXPECT_EQ(bars[7].count, 1U);
  EXPECT_EQ(bars[8].count, 1U);
  EXPECT_EQ(bars[11].count, 1U);
  const auto sum = summary_of(rehearsals, 0.01);
  EXPECT_DOUBLE_EQ(sum.promised, 0.8);
  EXPECT_DOUBLE_EQ(sum.kept, 0.6);
  EXPECT_DOUBLE_EQ(sum.kept_promises, 0.5);
}

}  // namespace
}  // namespace sb::triage
