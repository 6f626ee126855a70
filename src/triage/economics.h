/// What a way of routing costs, and how much of the traffic it treats as its labels ask; beside both controls (the
/// large model for everything, the best single cheaper model) and the best possible.
///
/// Labels tell whether a script was the right one and whether a person was needed. They do not tell whether a model's
/// answer was right: here both models pass, and the report says so (outcomes.h measures it where answers are on
/// record).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "triage/trial.h"

namespace sb::triage {

/// What a way of routing did to some texts; sums, not means.
struct Bill {
  std::string name;
  double models = 0;  ///< scripts and models
  double people = 0;  ///< their time
  double harm = 0;    ///< what wrong scripts, missed and needless people cost
  std::size_t texts = 0;
  std::size_t scripted = 0;
  std::size_t wrong_scripts = 0;
  std::size_t missed = 0;    ///< needed a person and got none
  std::size_t needless = 0;  ///< in scope, needed none and got one
  std::size_t faults = 0;    ///< texts with any of the three

  /// Share without a fault.
  double quality() const;
  /// Share of `control`'s bill for models that is saved; negative where it costs more.
  double saved(const Bill& control) const;
};

struct Economics {
  Bill all_large;
  Bill all_small;
  Bill routed;              ///< as the router decides
  Bill without_small;       ///< the same, but the large model answers whatever a model answers
  Bill best;                ///< the oracle: right scripts, people where needed, else the small model
  std::vector<Bill> sweep;  ///< as the router decides with other thresholds for scripts, from none scripted to all
};

Economics economics(std::span<const Trial> trials, const Prices& prices);

/// The rows of a table, "name", "models, per 1,000" and so on, for terminal and page alike; the first row is the head.
std::vector<std::vector<std::string>> rows_of(const Economics& economics);

}  // namespace sb::triage
