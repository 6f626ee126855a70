#include "policy/injection_measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ostream>

namespace sb::policy {
namespace {

constexpr std::size_t kFolds = 5;
constexpr std::size_t kBins = 5;
constexpr double kAboveAll = 1.001;  // no score reaches it

void count(const ScoredText& text, double threshold, Objections& into) {
  const bool objects = text.score >= threshold;
  ++(text.attack ? into.attacks : into.others);
  if (objects) ++(text.attack ? into.found : into.wrongly);
}

std::string told(const char* what, const Objections& seen) {
  return fmt::format("{:<16} {} of {} attacks found ({:.3f}), {} of {} others objected to ({:.3f}), accuracy {:.3f}\n",
                     what, seen.found, seen.attacks, seen.recall(), seen.wrongly, seen.others, seen.false_positives(),
                     seen.accuracy());
}

}  // namespace

double Objections::accuracy() const {
  const std::size_t all = attacks + others;
  return all == 0 ? 0 : static_cast<double>(found + others - wrongly) / static_cast<double>(all);
}

Objections objections(std::span<const ScoredText> texts, double threshold) {
  Objections seen;
  for (const auto& text : texts) count(text, threshold, seen);
  return seen;
}

Objections objections(std::span<const ScoredText> texts, double threshold, bool is_long) {
  Objections seen;
  for (const auto& text : texts) {
    if (text.is_long == is_long) count(text, threshold, seen);
  }
  return seen;
}

double threshold_for(std::span<const ScoredText> texts, double target) {
  std::vector<double> others;
  for (const auto& text : texts) {
    if (!text.attack) others.push_back(text.score);
  }
  std::ranges::sort(others, std::greater());
  const auto allowed = static_cast<std::size_t>(std::floor(target * static_cast<double>(others.size())));
  if (allowed >= others.size()) return 0;
  // Scores are compared, and written into policies, to three places.
  const double threshold = (std::floor(others[allowed] * 1000) + 1) / 1000;
  return std::min(threshold, kAboveAll);
}

Objections cross_validate(std::span<const ScoredText> texts, double target, std::size_t folds) {
  Objections seen;
  for (std::size_t fold = 0; fold < folds; ++fold) {
    std::vector<ScoredText> others;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (i % folds != fold) others.push_back(texts[i]);
    }
    const double threshold = threshold_for(others, target);
    for (std::size_t i = fold; i < texts.size(); i += folds) count(texts[i], threshold, seen);
  }
  return seen;
}

std::vector<ScoreBin> reliability(std::span<const ScoredText> texts) {
  std::vector<ScoreBin> bins(kBins);
  for (const auto& text : texts) {
    auto& bin = bins[std::min(static_cast<std::size_t>(text.score * kBins), kBins - 1)];
    ++bin.count;
    bin.attacks += text.attack;
    bin.mean_score += text.score;
  }
  for (auto& bin : bins) {
    if (bin.count > 0) bin.mean_score /= static_cast<double>(bin.count);
  }
  return bins;
}

void print_measures(std::span<const ScoredText> texts, double target, std::ostream& out) {
  for (const double threshold : {0.5, 0.7, 0.9}) {
    out << fmt::format("min_score {}\n", threshold);
    out << told("  short texts", objections(texts, threshold, false));
    out << told("  long texts", objections(texts, threshold, true));
  }
  const double threshold = threshold_for(texts, target);
  if (threshold > 1)
    out << fmt::format("no min_score objects to at most {} of others\n", target);
  else
    out << fmt::format("min_score {:.3f}: the least that objects to at most {} of others here\n", threshold, target);
  out << told("  short texts", objections(texts, threshold, false));
  out << told("  long texts", objections(texts, threshold, true));
  out << fmt::format("threshold from four fifths, judged on the last, in turn (target {})\n", target);
  out << told("  all texts", cross_validate(texts, target, kFolds));
  out << "scores and how many are attacks\n";
  for (const auto& bin : reliability(texts))
    out << fmt::format("  mean {:.2f}: {} of {}\n", bin.mean_score, bin.attacks, bin.count);
}

}  // namespace sb::policy
