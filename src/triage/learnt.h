/// Intents learnt since a model was trained: weights beside its own, which stay as they are.
///
/// What stands beside a model takes probability away from its labels and never gives them any: a text that the model
/// would not have scripted is not scripted, and who would have been sent to a person still is. So whatever the model's
/// thresholds were tuned to keep is kept for the share of all queries that they speak of (learn.h).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "triage/classifier.h"
#include "triage/model_data.h"

namespace sb::triage {

/// Intents that can be learnt beside one model.
inline constexpr std::size_t kMaxLearnt = 64;

struct Learnt {
  std::string base;           ///< version of the model they were learnt beside (IntentModel::version)
  std::vector<Label> labels;  ///< a label of the model may be among them: then it is known in more ways than one
  /// For a text's place (Remembered::places), gate inputs and 1: [labels][dimension + kGateInputs + 1].
  std::vector<float> weights;
  /// Of tier 1, likewise: [labels][inputs + dimension + kGateInputs + 1]; empty without it.
  std::vector<float> sentence_weights;
  std::vector<std::uint32_t> texts;  ///< [labels]: labelled texts that each was learnt from
};

/// The file: "SBLEARNT", as sealed_file.h. Equal data gives equal bytes.
std::string encode_learnt(const Learnt& learnt);
/// Errors: corrupt, unsupported.
Result<Learnt> decode_learnt(std::string_view bytes);

/// Probability of each learnt label; what is left of 1 is the model's.
struct LearntShares {
  std::array<float, kMaxLearnt> of{};
  float left = 1;
};

/// `parts`: what the weights are for, in order. REQUIRES: together as long as a label's weights but for the last.
LearntShares shares_of(std::span<const float> weights, std::size_t labels,
                       std::initializer_list<std::span<const float>> parts);

/// A prediction of the model as it is beside learnt labels.
void set_beside(const LearntShares& shares, std::span<const Label> learnt, Prediction& prediction);

}  // namespace sb::triage
