/// Scores that mean what they say: log odds fitted to how often spans were right (Platt 1999).
#pragma once

#include <span>
#include <utility>

namespace sb::policy::tagger {

struct Outcome {
  float score = 0;  ///< as the weights gave it, in (0, 1)
  bool right = false;
};

/// slope and shift of right's log odds over score's. The identity where there are fewer than 50 outcomes of either
/// kind.
std::pair<float, float> fit_calibration(std::span<const Outcome> outcomes);

}  // namespace sb::policy::tagger
