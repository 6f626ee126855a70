/// How good a model is on labelled texts it was not trained on.
#pragma once

#include <iosfwd>
#include <span>
#include <vector>

#include "triage/confidence.h"
#include "triage/economics.h"
#include "triage/trial.h"

namespace sb::triage {

struct Evaluation {
  std::size_t count = 0;
  double accuracy = 0;           ///< right intents / all
  double in_scope_accuracy = 0;  ///< the same without out-of-scope texts
  double calibration_error = 0;  ///< expected (ECE), 15 bins of equal width, over all texts
  double chance_error = 0;       ///< the same, expected were each text right exactly as often as its confidence says
  /// Root of the bins' mean squared error less what chance adds to it (Kumar et al., "Verified uncertainty
  /// calibration", 2019); 0 where chance explains it all.
  double debiased_error = 0;
  std::vector<Reliability> bins;
  double out_of_scope_auroc = 0;  ///< of the score; 0.5 where none is out of scope
  double out_of_scope_found = 0;  ///< share above the score that 95 % of the texts in scope stay below or at
  double latency_us_mean = 0;     ///< of predict, one thread
  double latency_us_p50 = 0;
  double latency_us_p99 = 0;

  // With routes only.
  bool has_routes = false;
  double scripted_right = 0;  ///< of scriptable texts, the share run with the right script
  double wrong_scripts = 0;   ///< of scripted texts
  double wrong_scripts_of_all = 0;
  double out_of_scope_scripted = 0;  ///< of out-of-scope texts
  std::size_t human_scripted = 0;    ///< texts for people only that ran a script
  double human_recall = 0;
  double needless_human = 0;  ///< of in-scope texts that need no person
  double abstained = 0;
};

/// `has_routes`: of the model; without them nothing is said of scripts and people.
Evaluation evaluate(std::span<const Trial> trials, bool has_routes);

/// A few lines for people.
void print(const Evaluation& evaluation, std::ostream& out);
/// The same as one JSON object and a line end. `economics` may be null.
void print_json(const Evaluation& evaluation, const Economics* economics, std::ostream& out);

}  // namespace sb::triage
