#include "triage/tune.h"

#include <gtest/gtest.h>

#include <algorithm>
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

TEST(Tune, MoreTrafficAllowsMore) {
  const auto little = tune(traffic(2000, 1), {0.03, 0.95, 0});
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

TEST(Tune, RehearsalsAreTheSameForTheSameSeed) {
  const auto texts = traffic(4000, 5);
  const auto shares = rehearse_tuning(texts, {0.03, 0.95, 0}, 50, 9);
  EXPECT_EQ(shares, rehearse_tuning(texts, {0.03, 0.95, 0}, 50, 9));
  EXPECT_GE(std::ranges::count_if(shares, [](double share) { return share <= 0.03; }), 40);
}

}  // namespace
}  // namespace sb::triage
