/// Thresholds from labelled traffic that keep a promise: with the stated confidence, the share of wrong answers among
/// the scripted ones stays below the target in traffic like it.
///
/// Learn then Test (Angelopoulos et al., 2021) with fixed-sequence testing: thresholds are tried from two beginnings
/// down, each by an exact binomial test (Clopper and Pearson, 1934); the first that fails ends the search, so that many
/// tries cost no confidence. Pure and deterministic.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
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
  double out_of_scope = 0;               ///< share of the traffic that is out of scope; 0: as in the data
  std::string_view answers = "scripts";  ///< what may be wrong, in messages
};

struct Tuned {
  double threshold = 1.1;
  std::size_t scripted = 0;  ///< of the texts given
  std::size_t wrong = 0;
  double bound = 1;           ///< upper bound of the wrong share, at the target's confidence
  double scripted_share = 0;  ///< rightly scripted, of the scriptable
};

/// One threshold that was tried.
struct TuneStep {
  double threshold = 0;
  double scripted_share = 0;  ///< rightly scripted, of the scriptable
  double wrong_share = 0;     ///< wrong ones among the scripted, as counted; in the target's mix
  double bound = 0;           ///< ... at most, with the target's confidence
};

/// Scripted texts without one wrong among them that the target needs at the least.
std::size_t least_samples(const TuneTarget& target);

/// The lowest threshold the data supports. `steps`, where given, gets what every threshold would have shown, those
/// after the first failure too.
/// Errors: invalid_argument where the data supports none: `detail` says how many texts there were, and about how many
/// like them it would take.
Result<Tuned> tune(std::span<const Tried> tried, const TuneTarget& target, std::vector<TuneStep>* steps = nullptr);

/// What came true when thresholds tuned on a sample met everything the sample was drawn from.
struct Rehearsals {
  std::size_t texts = 0;              ///< in each sample
  std::vector<double> wrong = {};     ///< share of wrong scripts, of those that promised something
  std::vector<double> scripted = {};  ///< share of scriptable texts scripted rightly, likewise
  std::size_t times = 0;
};

/// Draws `texts` at random, with replacement, `times` times; tunes on them; and holds the threshold against all of
/// `tried`, in the target's mix. The truth is thereby known exactly, and a sample may be larger than the data: then it
/// tells what as many texts of the same kind would do.
Rehearsals rehearse_tuning(std::span<const Tried> tried, const TuneTarget& target, std::size_t texts, std::size_t times,
                           std::uint64_t seed);

struct RehearsalSummary {
  double promised = 0;        ///< share of the samples that supported a threshold
  double kept = 0;            ///< share of all samples that promised nothing, or kept it
  double kept_promises = 0;   ///< share of the promises that were kept
  double scripted_share = 0;  ///< mean over the promises
};

RehearsalSummary summary_of(const Rehearsals& rehearsals, double target);

struct HistogramBar {
  double from = 0;  ///< share of wrong scripts; up to the next bar's
  std::size_t count = 0;
};

/// Eight bars up to the target, four beyond; the last takes the rest.
std::vector<HistogramBar> histogram_of(const Rehearsals& rehearsals, double target);

}  // namespace sb::triage
