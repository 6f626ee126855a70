/// Learns when tier 0's word is enough: where tier 1 would change nothing worth its millisecond.
///
/// Pure function; deterministic.
#pragma once

#include <span>

#include "triage/calibrate.h"
#include "triage/model_data.h"

namespace sb::triage {

/// How far tier 0's word went on the unseen texts the rule was picked on.
struct CertaintyReport {
  double enough = 0;  ///< share of the texts that tier 1 was not asked about
  double lost = 0;    ///< right answers that this cost, of all texts; below 0: that it gained
};

/// Of rules on tier 0's probability and its out-of-scope gate the one that asks tier 1 least and
/// - loses no right answer, on balance,
/// - makes more wrong scripts by at most a tenth of what `target` allows (in traffic with its share out of scope),
/// - keeps no text from a person that needs one and that tier 1 would have given one,
/// - holds of at most one in 200 texts out of scope that tier 1 would have known.
/// `fused`: the same texts as tier 1 has them, by `data.sentence`. None such: the rule of models that have none.
Certainty fit_certainty(std::span<const Unseen> unseen, std::span<const Unseen> fused, const Target& target,
                        const ModelData& data, CertaintyReport& report);

}  // namespace sb::triage
