/// From scores on unseen texts to probabilities, and from probabilities to thresholds that keep a promise.
///
/// Pure functions; deterministic.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "triage/classifier.h"
#include "triage/dataset.h"
#include "triage/model_data.h"
#include "triage/scorer.h"

namespace sb::triage {

/// `some` of `all`; 0 of nothing.
constexpr double part(std::uint64_t some, std::uint64_t all) {
  return all > 0 ? static_cast<double>(some) / static_cast<double>(all) : 0;
}

/// A text as weights saw it that were learnt without it.
struct Unseen {
  std::vector<float> logits;
  Coverage coverage;
  std::uint32_t label = 0;    ///< the true one
  bool out_of_scope = false;  ///< its label is the out-of-scope one, or was withheld from the weights
  bool withheld = false;      ///< the latter
  std::array<double, kSentenceInputs> sentence{};  ///< of tier 1; zeros without it

  Evidence evidence() const { return {logits, coverage.word, coverage.total, sentence}; }
};

/// What the thresholds must keep: limits on rates.
struct Target {
  double wrong_scripts = 0.01;   ///< of scripted queries, at most this share may be wrong ...
  double out_of_scope = 0.12;    ///< ... in traffic of which this share is out of scope
  double needless_human = 0.01;  ///< of the others, at most this share may go to a person; within it, none is missed
  double wrong_answers = 0.05;   ///< models without routes: of the answers not abstained from, this share may be wrong
};

/// How the thresholds did on the unseen texts they were picked on.
struct ThresholdReport {
  double scripted = 0;             ///< share of scriptable queries that pass
  double wrong_scripts = 0;        ///< of scripted queries, at the target's share of out-of-scope traffic
  double wrong_scripts_bound = 0;  ///< of all queries, upper 95 % bound; above the target: the data cannot promise it
  double human_recall = 0;
  double needless_human = 0;
};

/// Sets the temperature that makes the true labels of `unseen` (withheld ones aside) likeliest.
void fit_temperature(std::span<const Unseen> unseen, Calibration& calibration);

/// Share of its mistakes that a learner keeps once it learns from all texts, not from all but one part of `parts`; told
/// by its mistakes on the same texts with one part left out (`errors`) and with two (`errors_fewer`). Error falls as a
/// power of the number of texts (Hestness et al., "Deep learning scaling is predictable", 2017); at most as its
/// inverse. 1: unknown.
double mistakes_left(double errors_fewer, double errors, std::uint32_t parts);

/// Sets the rule of confidence, at the temperature and gate set before; withheld labels aside. `left`: the share of its
/// mistakes that a level keeps once the weights have learnt from all texts.
void fit_confidence(std::span<const Unseen> unseen, double left, std::span<const Label> labels,
                    Calibration& calibration);

/// Sets the out-of-scope gate (logistic regression); `share`: of out-of-scope queries in the traffic it speaks of.
/// Leaves the gate out where no text is out of scope.
void fit_gate(std::span<const Unseen> unseen, double share, std::span<const Label> labels, Calibration& calibration);

/// Sets from which probability of the gate on a text is given the out-of-scope label: where most texts get their right
/// label if `share` of the traffic is out of scope, and at most one in 400 in scope loses it. Withheld labels aside:
/// they are no texts of that label. Leaves it out without a gate, or with fewer than 50 texts of that label.
void fit_outside(std::span<const Unseen> unseen, double share, std::span<const Label> labels, Calibration& calibration);

/// Sets the thresholds. `routes` tells which labels mean the same; may be null.
ThresholdReport fit_thresholds(std::span<const Unseen> unseen, const Target& target, const RouteMap* routes,
                               std::span<const Label> labels, const Calibration& calibration, Thresholds& thresholds);

/// Numbers that go into the file are cut to six digits: libm's last bits differ between machines, the file must not.
double six_digits(double value);

/// Upper end of the one-sided Clopper-Pearson interval (Biometrika, 1934): the true rate is below it with `confidence`.
double upper_bound(std::uint64_t errors, std::uint64_t trials, double confidence);

}  // namespace sb::triage
