/// How well a classifier tells attempts to steer a model from what people write, and what threshold to give a policy.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <span>
#include <vector>

namespace sb::policy {

/// A text that training did not see, as a classifier scored it.
struct ScoredText {
  double score = 0;
  bool attack = false;
  bool is_long = false;  ///< over kLongText bytes
};

inline constexpr std::size_t kLongText = 400;

/// Of texts of one kind: how many a threshold objects to.
struct Objections {
  std::size_t attacks = 0, found = 0;
  std::size_t others = 0, wrongly = 0;

  double recall() const { return attacks == 0 ? 0 : static_cast<double>(found) / static_cast<double>(attacks); }
  double false_positives() const {
    return others == 0 ? 0 : static_cast<double>(wrongly) / static_cast<double>(others);
  }
  double accuracy() const;  ///< share of all texts that are judged right
};

/// A text is objected to where its score is at least `threshold`.
Objections objections(std::span<const ScoredText> texts, double threshold);
/// The same for short or long texts alone.
Objections objections(std::span<const ScoredText> texts, double threshold, bool is_long);

/// The least threshold under which at most `target` of those that are no attacks are objected to; above 1 where even a
/// score of 1 would not do.
double threshold_for(std::span<const ScoredText> texts, double target);

/// Every `folds`-th text in turn is judged by the threshold that the others ask for: what such a threshold does with
/// texts that had no part in it. REQUIRES folds >= 2.
Objections cross_validate(std::span<const ScoredText> texts, double target, std::size_t folds);

/// Texts by score, in five bins: what share of them are attacks.
struct ScoreBin {
  std::size_t count = 0, attacks = 0;
  double mean_score = 0;
};
std::vector<ScoreBin> reliability(std::span<const ScoredText> texts);

/// All of it, for people.
void print_measures(std::span<const ScoredText> texts, double target, std::ostream& out);

}  // namespace sb::policy
