#include "triage/confidence.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/split_mix.h"

namespace sb::triage {
namespace {

const std::vector<Level> kTwoLevels{{.from = 0.5, .mean = 0.6, .right = 0.5},
                                    {.from = 0.7, .mean = 0.9, .right = 0.95}};

TEST(Confidence, LinesRunThroughTheMiddlesOfTheLevels) {
  const Confidence lines{kTwoLevels, true};
  EXPECT_NEAR(confidence_of(0.3, lines), 0.25, 1e-9) << "from nothing at probability 0";
  EXPECT_NEAR(confidence_of(0.6, lines), 0.5, 1e-9);
  EXPECT_NEAR(confidence_of(0.75, lines), 0.725, 1e-9) << "half of the way";
  EXPECT_NEAR(confidence_of(0.9, lines), 0.95, 1e-9);
  for (double probability = 0.01; probability < 0.99; probability += 0.01) {
    EXPECT_GT(confidence_of(probability + 0.005, lines), confidence_of(probability, lines)) << probability;
  }
}

TEST(Confidence, StepsSayOneThingOfALevelInOrder) {
  const Confidence steps{kTwoLevels, false};
  EXPECT_NEAR(confidence_of(0.3, steps), 0.25, 1e-9) << "from nothing at probability 0";
  EXPECT_NEAR(confidence_of(0.69, steps), 0.5, 1e-2);
  EXPECT_NEAR(confidence_of(0.7, steps), 0.95, 1e-2);
  EXPECT_GT(confidence_of(0.8, steps), confidence_of(0.75, steps)) << "the surest stand in order";
}

TEST(Confidence, LevelsThatAreOnePointDivideByNothing) {
  for (const bool lines : {false, true}) {
    const Confidence rule{std::vector<Level>(3, {.from = 0.8, .mean = 0.8, .right = 0.9}), lines};
    EXPECT_NEAR(confidence_of(0.8, rule), 0.9, 1e-3);
    EXPECT_LE(confidence_of(1, rule), 1);
  }
}

TEST(Confidence, IsTheProbabilityWhereNothingWasLearnt) {
  EXPECT_EQ(confidence_of(0.37, {}), 0.37);
  EXPECT_TRUE(learn_confidence(std::vector<Sure>(119, {0.5, true}), 1).levels.empty());
}

// Answers that are right less often than the softmax says.
std::vector<Sure> too_sure(std::size_t count, std::uint64_t seed) {
  SplitMix random(seed);
  const auto uniform = [&] { return static_cast<double>(random.next() >> 11) * 0x1p-53; };
  std::vector<Sure> out(count, Sure{});
  for (auto& answer : out) {
    answer.confidence = 0.2 + 0.8 * uniform();
    answer.right = uniform() < answer.confidence * answer.confidence;
  }
  return out;
}

TEST(LearnConfidence, WhatItSaysOfUnseenAnswersIsTrue) {
  const auto rule = learn_confidence(too_sure(6000, 1), 1);
  auto fresh = too_sure(6000, 2);
  EXPECT_GT(calibration_error(fresh), 0.1);
  for (auto& answer : fresh) answer.confidence = confidence_of(answer.confidence, rule);
  EXPECT_LT(calibration_error(fresh), 0.03);
}

// Right three times in ten below, nine in ten above: a line between the two says what is true of nothing.
TEST(LearnConfidence, StepsAreTakenWhereTheTruthHasOne) {
  auto answers = too_sure(6000, 5);
  SplitMix random(6);
  for (auto& answer : answers) answer.right = random.below(10) < (answer.confidence < 0.6 ? 3 : 9);
  EXPECT_FALSE(learn_confidence(answers, 1).lines);
}

TEST(LearnConfidence, LinesWhereItRisesAndThereAreFewAnswers) {
  int lines = 0;
  for (std::uint64_t seed = 10; seed < 20; ++seed) lines += learn_confidence(too_sure(130, seed), 1).lines;
  EXPECT_GT(lines, 5);
}

TEST(LearnConfidence, ALevelHasTwentyAnswers) {
  EXPECT_EQ(learn_confidence(too_sure(120, 3), 1).levels.size() % 2, 0U);
  EXPECT_LE(learn_confidence(too_sure(120, 3), 1).levels.size(), 6U);
}

TEST(LearnConfidence, ALevelKeepsTheMistakesThatAreLeft) {
  const auto all = learn_confidence(too_sure(1000, 4), 1);
  const auto half = learn_confidence(too_sure(1000, 4), 0.5);
  ASSERT_EQ(all.levels.size(), half.levels.size());
  for (std::size_t i = 0; i < all.levels.size(); ++i)
    EXPECT_NEAR(1 - half.levels[i].right, (1 - all.levels[i].right) / 2, 1e-5);
}

TEST(CalibrationError, IsTheBinsDistanceFromTheTruth) {
  EXPECT_EQ(calibration_error({}), 0);
  const std::vector<Sure> half_right{{0.9, true}, {0.9, false}, {0.1, false}, {0.1, false}};
  EXPECT_NEAR(calibration_error(half_right), (0.4 * 2 + 0.1 * 2) / 4, 1e-9);
}

}  // namespace
}  // namespace sb::triage
