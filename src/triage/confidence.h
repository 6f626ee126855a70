/// How sure a model is of an answer: from what the softmax says of its likeliest label to the share of such answers
/// that are right; and how far such statements are from the truth.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "triage/model_data.h"

namespace sb::triage {

/// One answer.
struct Sure {
  double confidence;
  bool right;
};

/// The answers whose confidence falls into one bin.
struct Reliability {
  double confidence = 0;  ///< mean of the bin
  double accuracy = 0;
  std::size_t count = 0;
};

/// 15 bins of equal width.
std::vector<Reliability> reliability_of(std::span<const Sure> answers);
/// Expected calibration error over these bins: the mean over all answers of their bin's |accuracy - confidence| (Naeini
/// et al., "Obtaining well calibrated probabilities using Bayesian binning", 2015); 0 without answers.
double calibration_error(std::span<const Sure> answers);

double confidence_of(double probability, const Confidence& rule);

/// Learns the rule from answers with the softmax's own probability, of a model that had not seen their texts: how many
/// levels, and steps or lines, as is nearer to the truth on answers withheld from the levels. `left`: the share of its
/// mistakes that a level keeps once the weights have learnt from all texts. No levels from fewer than 120 answers.
Confidence learn_confidence(std::vector<Sure> answers, double left);

}  // namespace sb::triage
