/// Whether a version that has learnt from labels is better than the one in force: told by labels that it has not
/// learnt.
///
/// Pure and deterministic.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "triage/classifier.h"
#include "triage/learn.h"

namespace sb::triage {

/// Of all labels a quarter, by their content: whoever learns again withholds the same ones, and no person chose them.
/// `id`: of a label, hex digits of a hash.
bool is_withheld(std::string_view id);

struct Match {
  std::size_t texts = 0;
  std::size_t right = 0;         ///< of the candidate's
  std::size_t right_before = 0;  ///< of the one in force
  std::size_t won = 0;           ///< right where the one in force is not
  std::size_t lost = 0;          ///< the other way round
  /// That of two equal ones the candidate would win as many of those on which they differ (exact sign test; McNemar,
  /// "Note on the sampling error of the difference between correlated proportions", 1947).
  double chance = 1;
  /// Better by a chance of at most one in twenty. Where they never differ there is nothing to win.
  bool wins() const { return chance <= 0.05; }
};

Match match(const IntentModel& in_force, const IntentModel& candidate, std::span<const LabelledText> withheld);

}  // namespace sb::triage
