/// What the large model would gain on a query: P(large right) - P(small right), learnt from recorded outcomes of both.
///
/// The gain, not "small is wrong": where both fail, the large model's price buys nothing. Before the call the router
/// sees the query (its vector, and what subject it is likely of, where the data names subjects); in a cascade also the
/// small model's answer (answer_checks.h). Closed form (ridge regression, discriminant analysis); deterministic.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/errors.h"
#include "triage/discriminant.h"
#include "triage/sentence_judge.h"
#include "triage/trainer.h"

namespace sb::triage {

struct OutcomeRow {
  std::vector<float> vector;  ///< of the query; the same size in all rows
  std::vector<float> checks;  ///< of the small model's answer; empty: it is not looked at
  std::string domain;         ///< of the query, where known; learnt from, never read when a gain is asked for
  bool weak_ok = false;
  bool strong_ok = false;
};

/// A vector of hashed n-grams, for where there is no sentence encoder.
std::vector<float> hashed_vector(std::string_view text);

class OutcomeModel {
 public:
  /// REQUIRES: rows are not empty; vectors and checks have one size each, the vectors' a multiple of four.
  static OutcomeModel fit(const std::vector<OutcomeRow>& rows);

  /// From -1 to 1. Reads `vector` and `checks` only. REQUIRES: sizes as in `fit`.
  double gain(const OutcomeRow& row) const;
  /// Whether rows of these sizes can be asked about.
  bool reads(std::size_t vector, std::size_t checks) const;

  /// As bytes, and back. Errors: corrupt.
  std::string encode() const;
  static Result<OutcomeModel> decode(std::string_view bytes);

 private:
  SentenceVectors scale_;  // centre and spread of checks and vector, no values
  std::vector<float> weights_;
  double offset_ = 0;
  std::optional<ModelData> domains_;  // labels are domains
  std::vector<double> domain_gains_;
};

/// Share of large-model calls avoided while at least `quality` of the large model's right answers are kept, when the
/// queries of least `gains` go to the small one.
double calls_avoided(const std::vector<double>& gains, const std::vector<OutcomeRow>& rows, double quality);

/// Gains of all rows, each from a model that did not see its fifth.
std::vector<double> cross_validated(const std::vector<OutcomeRow>& rows, const Progress& progress);

}  // namespace sb::triage
