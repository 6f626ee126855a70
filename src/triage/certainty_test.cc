#include "triage/certainty.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sb::triage {
namespace {

// A model of two labels, whose tier 1 knows texts out of scope by what the encoder sees.
class WhereTierZeroIsEnough : public ::testing::Test {
 protected:
  WhereTierZeroIsEnough() {
    data_.labels = {{"balance", AnswerKind::generative, false}, {"fraud", AnswerKind::human, false}};
    auto& heads = data_.sentence.emplace();
    heads.calibration.out_of_scope.assign(kGateInputs, 0);
    const auto plain = gate_inputs(text(0, 0.9).evidence(), data_.labels, heads.calibration);
    auto strange = text(0, 0.9);
    strange.sentence[0] = 1;
    const auto seen = gate_inputs(strange.evidence(), data_.labels, heads.calibration);
    for (std::size_t i = 0; i < kGateInputs; ++i) {
      if (seen[i] != plain[i]) heads.calibration.out_of_scope[i] = 40 / (seen[i] - plain[i]);
    }
    heads.calibration.out_of_scope[0] -= 20;  // the bias
  }

  // Of the label `truth`, which the tier gives that probability.
  static Unseen text(std::uint32_t truth, double probability) {
    Unseen out;
    out.logits = {0, 0};
    out.logits[truth] = static_cast<float>(std::log(probability / (1 - probability)));
    out.label = truth;
    return out;
  }
  void add(const Unseen& first, const Unseen& second, int times = 1) {
    for (int i = 0; i < times; ++i) {
      unseen_.push_back(first);
      fused_.push_back(second);
    }
  }
  Certainty learn() {
    const auto& heads = *data_.sentence;
    std::vector<Prediction> first;
    std::vector<Prediction> second;
    for (const auto& one : unseen_)
      first.push_back(conclude(one.evidence(), data_.labels, data_.calibration, data_.thresholds));
    for (const auto& one : fused_)
      second.push_back(conclude(one.evidence(), data_.labels, heads.calibration, heads.thresholds));
    return fit_certainty(unseen_, first, second, target_, data_.labels, report_);
  }

  Target target_;
  ModelData data_;
  std::vector<Unseen> unseen_, fused_;
  CertaintyReport report_;
};

TEST_F(WhereTierZeroIsEnough, IsAboveWhatTierOneAloneHasRight) {
  add(text(0, 0.999), text(0, 0.999), 500);
  add(text(0, 0.93), text(0, 0.9), 300);
  add(text(0, 0.15), text(0, 0.9), 200);  // tier 0 says the other, at 0.85
  const auto rule = learn();
  EXPECT_EQ(rule.probability, 0.9);
  EXPECT_DOUBLE_EQ(report_.enough, 0.8);
  EXPECT_EQ(report_.lost, 0);
}

TEST_F(WhereTierZeroIsEnough, LosesNothingOnBalance) {
  add(text(0, 0.93), text(0, 0.9), 1000);
  add(text(0, 0.02), text(0, 0.9));  // tier 1 alone has it right
  add(text(0, 0.97), text(0, 0.1));  // tier 0 alone
  EXPECT_EQ(learn().probability, 0.5);
  add(text(0, 0.02), text(0, 0.9));
  add(text(0, 0.992), text(0, 0.9), 10);
  EXPECT_EQ(learn().probability, 0.99) << "tier 0 was sure of the two at 0.98";
}

TEST_F(WhereTierZeroIsEnough, IsNotWhereAPersonWouldBeMissed) {
  add(text(0, 0.93), text(0, 0.9), 9999);
  add(text(1, 0.08), text(1, 0.9));  // tier 0 says the other, at 0.92
  add(text(0, 0.96), text(0, 0.9), 10);
  EXPECT_EQ(learn().probability, 0.95);
}

TEST_F(WhereTierZeroIsEnough, IsNotWhereTierOneKnowsThatNothingFits) {
  add(text(0, 0.93), text(0, 0.9), 1000);
  auto nothing = text(0, 0.93);
  nothing.withheld = nothing.out_of_scope = true;
  auto known = nothing;
  known.sentence[0] = 1;
  add(nothing, known);
  add(nothing, nothing, 199);
  EXPECT_EQ(learn().probability, 0.5) << "one in two hundred";
  add(nothing, known, 2);
  add(text(0, 0.96), text(0, 0.9), 10);
  EXPECT_EQ(learn().probability, 0.95);
}

TEST_F(WhereTierZeroIsEnough, MakesATenthOfTheWrongScriptsThatAreAllowed) {
  data_.labels[0].kind = AnswerKind::script;
  data_.thresholds.script = 0.5;
  data_.sentence->thresholds.script = 0.92;
  target_ = {.wrong_scripts = 0.011, .out_of_scope = 0.2};
  add(text(0, 0.93), text(0, 0.9), 1'600);
  add(text(0, 0.97), text(0, 0.97), 10);
  auto nothing = text(0, 0.93);  // tier 0 has a script for what no label fits, and tier 1 is not as sure
  nothing.withheld = nothing.out_of_scope = true;
  const auto unsure = [&] {
    auto seen = nothing;
    seen.logits = text(0, 0.9).logits;
    return seen;
  }();
  add(nothing, unsure, 1);
  add(nothing, nothing, 99);
  EXPECT_EQ(learn().probability, 0.95) << "of so few out of scope each stands for many in the traffic: for 1 in 500";
  add(nothing, nothing, 100);
  EXPECT_EQ(learn().probability, 0.5) << "for one in a thousand";
  add(nothing, unsure, 1);
  EXPECT_EQ(learn().probability, 0.95) << "two are too many";
  add(nothing, nothing, 1'000);
  EXPECT_EQ(learn().probability, 0.5) << "of so many out of scope each stands for a few in the traffic";
}

TEST_F(WhereTierZeroIsEnough, StaysAsItWasWhereNothingIsKnown) {
  const auto rule = learn();
  EXPECT_EQ(rule.probability, Certainty().probability);
  EXPECT_EQ(rule.out_of_scope, Certainty().out_of_scope);
}

}  // namespace
}  // namespace sb::triage
