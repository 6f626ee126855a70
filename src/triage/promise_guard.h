/// Watches whether the traffic is still what a threshold was tuned for, and tightens it when it is not.
///
/// A promise of few wrong scripts holds for a share of queries that are out of scope (tune.h); a new intent raises that
/// share, and nobody labels it. The classifier's out-of-scope probability tells: queries above a cut are flagged, rare
/// among those in scope and common among the others, and a CUSUM over the flags (Page, 1954; of the likelihood ratio
/// between the share that was promised for and a larger one) rises as soon as there are too many. Then the share is
/// estimated from the queries since the CUSUM last stood at zero (corrected for how often the flag is wrong), and the
/// threshold is tuned anew for the upper end of what it may be, on the labelled texts that the promise rests on. Where
/// they support none, nothing is scripted.
///
/// It knows shifts that the out-of-scope probability shows. Others take verdicts on scripted answers: a second CUSUM
/// holds their share of wrong ones against the promised one. Where it rises, the labelled texts are no measure of the
/// traffic any more, and must show as many times fewer wrong ones as the traffic shows more.
///
/// It loosens by one rule alone: after `relax_after` queries, once a CUSUM the other way round is as certain that the
/// share is what the threshold was tuned for as it was that it is not, and while no verdict speaks against it, the
/// first threshold comes back. What verdicts tightened a person loosens, or a new `tune`.
///
/// Pure: no clock, no randomness; one thread at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "base/errors.h"
#include "triage/tune.h"

namespace sb::triage {

/// A labelled text that the model was not trained on.
struct Watched {
  Tried tried;
  double out_of_scope = 0;  ///< as the classifier says
};

struct PromiseGuardOptions {
  TuneTarget target;                   ///< out_of_scope: the share that the threshold in force was tuned for
  double rise = 0.05;                  ///< the least rise of that share that is to be noticed soon
  double false_alarms = 1e-5;          ///< about so many a query, while the share is what it was tuned for
  double flagged_inside = 0.05;        ///< share of queries in scope that the cut flags
  std::uint64_t relax_after = 0;       ///< queries since it was tightened last, at the least; 0: it never loosens
  double false_verdict_alarms = 1e-4;  ///< about so many a verdict, while wrong scripts are as promised
};

/// Where a guard stands: what a restart must not forget.
struct PromiseState {
  double threshold = 1.1;    ///< for scripts; above 1: nothing is scripted
  double tuned_for = 0;      ///< share of queries out of scope
  double wrong_scripts = 0;  ///< most wrong ones among the scripted that the labelled texts may show
  std::uint64_t changes = 0;
  friend bool operator==(const PromiseState&, const PromiseState&) = default;
};

/// Verdicts since there was nothing to suspect.
struct Suspicion {
  std::uint64_t judged = 0;
  std::uint64_t wrong = 0;
};

class PromiseGuard {
 public:
  /// Errors: invalid_argument (too few labelled texts, or the flag tells nothing), and tune's, for the first threshold.
  static Result<PromiseGuard> create(std::vector<Watched> labelled, const PromiseGuardOptions& options);

  /// The next query of the traffic, by its out-of-scope probability. True: the state is another one.
  bool observe(double out_of_scope);
  /// Of a scripted answer, drawn at random. `errs`: of right answers, the share that this judge takes for wrong ones;
  /// not below 0, and so much below 1 that a verdict says something. True: the state is another one.
  bool judged(bool wrong, double errs = 0);
  /// Goes on where a guard with the same labelled texts and options stood.
  void resume(const PromiseState& state);

  const PromiseState& state() const { return now_; }
  /// What the last change by verdicts rests on.
  const Suspicion& proved() const { return proved_; }
  /// For scripts; above 1: nothing is scripted.
  double threshold() const { return now_.threshold; }
  /// The share of queries out of scope that it is tuned for.
  double tuned_for() const { return now_.tuned_for; }
  bool tightened() const { return now_.threshold > first_.threshold; }
  std::uint64_t observed() const { return observed_; }

 private:
  PromiseGuard(std::vector<Tried> tried, const PromiseGuardOptions& options)
      : tried_(std::move(tried)), options_(options) {}
  Result<> learn_flag(const std::vector<Watched>& labelled);
  /// Of all queries where `share` is out of scope.
  double flagged_at(double share) const;
  /// How much likelier `flagged` is where the share is the rise above `share` than where it is `share`; its logarithm.
  double evidence_of_rise(bool flagged, double share) const;
  /// The largest share that would still flag as few as were flagged since the CUSUM stood at zero.
  double share_at_most() const;
  bool too_many_flagged(bool flagged);
  bool calm_again(bool flagged);
  void tighten();
  void start_again();
  void forget_verdicts();
  void changed();

  std::vector<Tried> tried_;
  PromiseGuardOptions options_;
  double cut_ = 1;
  double flagged_inside_ = 0;  ///< of queries in scope: the upper end of what the labelled texts show
  double flagged_inside_least_ = 0;
  double flagged_outside_ = 1;  ///< of the others: the lower end
  PromiseState first_, now_;
  double sum_ = 0;
  double calm_ = 0;  ///< of the CUSUM that speaks for the first share
  std::uint64_t since_change_ = 0;
  double suspicion_ = 0;        ///< of the CUSUM over verdicts
  std::uint64_t verdicts_ = 0;  ///< since it stood at zero
  std::uint64_t wrong_ = 0;     ///< of these
  Suspicion proved_;
  std::uint64_t since_ = 0;    ///< queries since the sum stood at zero
  std::uint64_t flagged_ = 0;  ///< of these
  std::uint64_t observed_ = 0;
};

}  // namespace sb::triage
