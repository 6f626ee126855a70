/// What a prediction is made of.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "triage/classifier.h"
#include "triage/model_data.h"

namespace sb::triage {

/// A training text, by its number: the model keeps where it lies, not its words.
struct NearExample {
  double likeness = 0;  ///< cosine
  std::uint32_t text = 0;
  std::string_view intent;
};

/// Of the likeliest intent and the runner-up, in this order.
struct Insight {
  Prediction said;
  std::array<std::size_t, 2> labels{};  ///< their numbers
  /// Of tier 0's logit: by the feature's name (feature_names), what all features of that name add.
  std::map<std::string, std::array<double, 2>> features = {};
  std::array<double, 2> bias{};
  /// The logit in its parts (the opinions of SentenceHeads::fusion), and how they are weighed.
  std::array<std::array<double, kOpinionCount>, 2> logits{};
  Fusion fusion = {1, 0, 0, 0};
  std::vector<NearExample> near = {};  ///< nearest first; empty where tier 0 alone looked
};

}  // namespace sb::triage
