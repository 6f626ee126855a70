/// Thresholds from labelled traffic that keep a promise: with the stated confidence, the share of wrong answers among
/// the scripted ones stays below the target in traffic like it.
///
/// Learn then Test (Angelopoulos et al., 2021) with fixed-sequence testing: thresholds are tried from the strictest
/// down, each by an exact binomial test (Clopper and Pearson, 1934); the first that fails ends the search, so that many
/// tries cost no confidence. Pure and deterministic.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/errors.h"

namespace sb::triage {

/// One labelled text as the model saw it.
struct Tried {
  double score = 0;      ///< script score; 0: the model would never script it
  bool right = false;    ///< the script would be the right one
  bool outside = false;  ///< out of scope
  bool scriptable = false;
};

struct TuneTarget {
  double wrong_scripts = 0.01;  ///< most wrong ones among the scripted
  double confidence = 0.95;
  double out_of_scope = 0;  ///< share of the traffic that is out of scope; 0: as in the data
};

struct Tuned {
  double threshold = 1.1;
  std::size_t scripted = 0;  ///< of the texts given
  std::size_t wrong = 0;
  double bound = 1;           ///< upper bound of the wrong share, at the target's confidence
  double scripted_share = 0;  ///< rightly scripted, of the scriptable
};

/// Scripted texts without one wrong among them that the target needs at the least.
std::size_t least_samples(const TuneTarget& target);

/// The lowest threshold the data supports.
/// Errors: invalid_argument where it supports none: `detail` says how many texts there were and how many it takes.
Result<Tuned> tune(std::span<const Tried> tried, const TuneTarget& target);

/// Shares of wrong scripts that were realised when thresholds tuned on a random half met the other half, `times` times.
/// -1 for a half that supports no threshold: nothing was promised there.
std::vector<double> rehearse_tuning(std::span<const Tried> tried, const TuneTarget& target, std::size_t times,
                                    std::uint64_t seed);

}  // namespace sb::triage
