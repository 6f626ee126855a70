/// Learns when the word of who looks first is enough: where the next look would change nothing worth its time.
///
/// Pure function; deterministic.
#pragma once

#include <span>

#include "triage/calibrate.h"
#include "triage/model_data.h"

namespace sb::triage {

/// How far the first word went on the unseen texts the rule was picked on.
struct CertaintyReport {
  double enough = 0;  ///< share of the texts that nobody else was asked about
  double lost = 0;    ///< right answers that this cost, of all texts; below 0: that it gained
};

/// Of rules on the first look's probability and its out-of-scope gate the one that asks the second least and
/// - loses no right answer, on balance,
/// - makes more wrong scripts by at most a tenth of what `target` allows (in traffic with its share out of scope),
/// - keeps no text from a person that needs one and that the second would have given one,
/// - holds of at most one in 200 texts out of scope that the second would have known.
/// None such: the rule of models that have none. `first`, `second`: what each says of the unseen texts.
Certainty fit_certainty(std::span<const Unseen> unseen, std::span<const Prediction> first,
                        std::span<const Prediction> second, const Target& target, std::span<const Label> labels,
                        CertaintyReport& report);

}  // namespace sb::triage
