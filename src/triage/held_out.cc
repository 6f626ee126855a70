#include "triage/held_out.h"

#include <algorithm>
#include <cmath>

namespace sb::triage {
namespace {

// P(X >= wins) where each of `all` is a win with probability one half.
double chance_of(std::size_t wins, std::size_t all) {
  double total = 0;
  double log_share = -static_cast<double>(all) * std::log(2.0);  // of the ways in which `lost` of all are lost
  for (std::size_t lost = 0; lost + wins <= all; ++lost) {
    total += std::exp(log_share);
    log_share += std::log(static_cast<double>(all - lost)) - std::log(static_cast<double>(lost + 1));
  }
  return std::min(total, 1.0);
}

}  // namespace

bool is_withheld(std::string_view id) {
  return !id.empty() && id.front() >= '0' && id.front() <= '3';
}

Match match(const IntentModel& in_force, const IntentModel& candidate, std::span<const LabelledText> withheld) {
  Match out;
  for (const auto& text : withheld) {
    const bool before = in_force.predict(text.text).intent == text.intent;
    const bool now = candidate.predict(text.text).intent == text.intent;
    ++out.texts;
    out.right += now;
    out.right_before += before;
    out.won += now && !before;
    out.lost += before && !now;
  }
  out.chance = chance_of(out.won, out.won + out.lost);
  return out;
}

}  // namespace sb::triage
