/// Learns the tagger's weights: a linear-chain conditional random field over hashed features, by AdaGrad.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "policy/tagger/model.h"

namespace sb::policy::tagger {

/// A text to learn from. `allowed[i]`: bit per label that token i may have; more than one where a set does not say.
struct Example {
  std::vector<Token> tokens;
  std::vector<std::uint8_t> allowed;
  float weight = 1;
};

struct LearnOptions {
  std::uint32_t row_bits = 18;
  int epochs = 5;
  float rate = 0.15F;
  float decay = 1e-6F;
  float feature_dropout = 0.15F;
  float list_dropout = 0.15F;  ///< share of texts that are read as if no name were on a list
  std::uint64_t seed = 1;
};

/// Fills row_bits, scale, weights and next; calibration is the identity. Deterministic in its arguments.
ModelData learn(std::span<const Example> examples, const LearnOptions& options);

}  // namespace sb::policy::tagger
