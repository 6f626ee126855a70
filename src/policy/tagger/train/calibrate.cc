#include "policy/tagger/train/calibrate.h"

#include <algorithm>
#include <cmath>

namespace sb::policy::tagger {

std::pair<float, float> fit_calibration(std::span<const Outcome> outcomes) {
  const auto right = static_cast<std::size_t>(std::ranges::count_if(outcomes, &Outcome::right));
  if (std::min(right, outcomes.size() - right) < 50) return {1.0F, 0.0F};
  double slope = 1;
  double shift = 0;
  // Newton's method on the log likelihood; the prior pulls the slope towards 1 and keeps the matrix regular.
  for (int round = 0; round < 50; ++round) {
    double g_slope = slope - 1, g_shift = 0, h_ss = 1, h_st = 0, h_tt = 1e-6;
    for (const auto& outcome : outcomes) {
      const double p = std::clamp(static_cast<double>(outcome.score), 0.001, 0.999);
      const double x = std::log(p / (1 - p));
      const double q = 1 / (1 + std::exp(-(slope * x + shift)));
      const double error = q - (outcome.right ? 1.0 : 0.0);
      g_slope += error * x, g_shift += error;
      h_ss += q * (1 - q) * x * x, h_st += q * (1 - q) * x, h_tt += q * (1 - q);
    }
    const double determinant = h_ss * h_tt - h_st * h_st;
    const double d_slope = (h_tt * g_slope - h_st * g_shift) / determinant;
    const double d_shift = (h_ss * g_shift - h_st * g_slope) / determinant;
    // Far from the optimum a full step overshoots.
    slope -= std::clamp(d_slope, -0.5, 0.5), shift -= std::clamp(d_shift, -0.5, 0.5);
    if (std::abs(d_slope) + std::abs(d_shift) < 1e-9) break;
  }
  return {static_cast<float>(slope), static_cast<float>(shift)};
}

}  // namespace sb::policy::tagger
