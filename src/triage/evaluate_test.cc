#include "triage/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace sb::triage {
namespace {

Trial judged(double confidence, bool right) {
  Trial out;
  out.said.confidence = confidence;
  out.right = right;
  return out;
}

Trial scored(double out_of_scope, bool outside) {
  Trial out;
  out.said.out_of_scope = out_of_scope;
  out.outside = outside;
  return out;
}

TEST(Evaluate, TellsWhatChanceAloneWouldAddToTheCalibrationError) {
  std::vector<Trial> trials;
  for (int i = 0; i < 100; ++i) trials.push_back(judged(0.5, i % 2 == 0));
  const auto e = evaluate(trials, false);
  EXPECT_NEAR(e.calibration_error, 0, 1e-12);
  // The mean distance of a fair coin's 100 throws from 50 is 50 * C(100, 50) / 2^100 = 3.98.
  EXPECT_NEAR(e.chance_error, 0.0398, 0.003);
  EXPECT_EQ(e.debiased_error, 0) << "chance explains it all";
}

TEST(Evaluate, DebiasingLeavesAnErrorThatIsNoChance) {
  std::vector<Trial> trials;
  for (int i = 0; i < 2000; ++i) trials.push_back(judged(0.9, i % 10 < 6));
  const auto e = evaluate(trials, false);
  EXPECT_NEAR(e.calibration_error, 0.3, 1e-9);
  EXPECT_NEAR(e.debiased_error, 0.3, 1e-3);
  EXPECT_LT(e.chance_error, 0.01);
}

TEST(Evaluate, CountsWhatIsFoundOutOfScopeWhileNineteenOfTwentyOthersAreKept) {
  std::vector<Trial> trials;
  for (int i = 1; i <= 20; ++i) trials.push_back(scored(i * 0.01, false));
  // The cut is the nineteenth of them, .19: a text at it is kept, whatever it is.
  for (const double score : {0.05, 0.19, 0.195, 0.9}) trials.push_back(scored(score, true));
  EXPECT_EQ(evaluate(trials, false).out_of_scope_found, 0.5);
  EXPECT_EQ(evaluate(std::vector{scored(0.5, false)}, false).out_of_scope_found, 0);
}

TEST(Evaluate, PrintsTheMeanTimeBesideTheQuantiles) {
  std::vector<Trial> trials(4);
  for (int i = 0; i < 4; ++i) trials[static_cast<std::size_t>(i)].latency_us = i < 3 ? 2 : 1000;
  const auto e = evaluate(trials, false);
  EXPECT_EQ(e.latency_us_mean, 251.5);
  std::ostringstream out;
  print(e, out);
  EXPECT_THAT(out.str(), testing::HasSubstr("1000.0 / 251.5 us"));
}

TEST(Evaluate, SaysNothingOfNoTexts) {
  const auto e = evaluate({}, true);
  EXPECT_EQ(e.calibration_error + e.chance_error + e.debiased_error + e.out_of_scope_found + e.latency_us_mean, 0);
}

}  // namespace
}  // namespace sb::triage
