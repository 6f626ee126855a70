/// Watches whether the traffic is still what a threshold was tuned for, and tightens it when it is not.
///
/// A promise of few wrong scripts holds for a share of queries that are out of scope (tune.h); a new intent raises that
/// share, and nobody labels it. The classifier's out-of-scope probability tells: queries above a cut are flagged, rare
/// among those in scope and common among the others, and a CUSUM over the flags (Page, 1954; of the likelihood ratio
/// between the share that was promised for and a larger one) rises as soon as there are too many. Then the share is
/// estimated from the queries since the CUSUM last stood at zero (corrected for how often the flag is wrong), and the
/// threshold is tuned anew for the upper end of what it may be, on the labelled texts that the promise rests on. Where
/// they support none, nothing is scripted. It never loosens: a person does, or a new `tune`.
///
/// Pure: no clock, no randomness; one thread at a time. It knows shifts that the out-of-scope probability shows. Others
/// take labels: verdicts, double answers.
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
  TuneTarget target;             ///< out_of_scope: the share that the threshold in force was tuned for
  double rise = 0.05;            ///< the least rise of that share that is to be noticed soon
  double false_alarms = 1e-5;    ///< about so many a query, while the share is what it was tuned for
  double flagged_inside = 0.05;  ///< share of queries in scope that the cut flags
};

class PromiseGuard {
 public:
  /// Errors: invalid_argument (too few labelled texts, or the flag tells nothing), and tune's, for the first threshold.
  static Result<PromiseGuard> create(std::vector<Watched> labelled, const PromiseGuardOptions& options);

  /// The next query of the traffic, by its out-of-scope probability. True: the threshold was tightened.
  bool observe(double out_of_scope);

  /// For scripts; above 1: nothing is scripted.
  double threshold() const { return threshold_; }
  /// The share of queries out of scope that it is tuned for.
  double tuned_for() const { return tuned_for_; }
  std::uint64_t observed() const { return observed_; }

 private:
  PromiseGuard(std::vector<Tried> tried, const PromiseGuardOptions& options)
      : tried_(std::move(tried)), options_(options) {}
  Result<> learn_flag(const std::vector<Watched>& labelled);
  /// Of all queries where `share` is out of scope.
  double flagged_at(double share) const;
  /// The largest share that would still flag as few as were flagged since the CUSUM stood at zero.
  double share_at_most() const;
  void tighten();
  void start_again();

  std::vector<Tried> tried_;
  PromiseGuardOptions options_;
  double cut_ = 1;
  double flagged_inside_ = 0;  ///< of queries in scope: the upper end of what the labelled texts show
  double flagged_inside_least_ = 0;
  double flagged_outside_ = 1;  ///< of the others: the lower end
  double threshold_ = 1.1;
  double tuned_for_ = 0;
  double sum_ = 0;
  std::uint64_t since_ = 0;    ///< queries since the sum stood at zero
  std::uint64_t flagged_ = 0;  ///< of these
  std::uint64_t observed_ = 0;
};

}  // namespace sb::triage
