#include "triage/confidence.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/split_mix.h"
#include "triage/calibrate.h"

namespace sb::triage {
namespace {

constexpr std::size_t kBins = 15;
constexpr std::size_t kLeastALevel = 20;
constexpr std::size_t kLeastAnswers = 120;
constexpr std::size_t kLevels[] = {4, 6, 8, 12, 16, 24, 32};

// From the middle of one level to the next, from nothing at probability 0. Beyond the highest a hundredth of the way,
// so that "the surest half" is still a question with an answer.
double on_lines(double probability, std::span<const Level> levels) {
  Level below;
  for (const auto& level : levels) {
    if (probability < level.mean) {
      const double way = (probability - below.mean) / (level.mean - below.mean);
      return below.right + way * (level.right - below.right);
    }
    below = level;
  }
  return below.right + 0.01 * (probability - below.mean);
}

// A hundredth of the way from the level's share to the probability: equal within a level for every practical purpose,
// but in order.
double on_steps(double probability, std::span<const Level> levels) {
  const auto* level = &levels.front();
  // Below the lowest level's middle nothing was measured finely enough: it falls with the probability.
  if (probability < level->mean) return level->right * probability / level->mean;
  for (const auto& one : levels) {
    if (one.from <= probability) level = &one;
  }
  return level->right + 0.01 * (probability - level->mean);
}

// `sorted` by confidence: levels of equally many answers.
std::vector<Level> levels_of(std::span<const Sure> sorted, std::size_t count, double left) {
  std::vector<Level> out;
  for (std::size_t level = 0; level < count; ++level) {
    const auto part = sorted.subspan(sorted.size() * level / count,
                                     sorted.size() * (level + 1) / count - sorted.size() * level / count);
    Level one{part.front().confidence, 0, 0};
    for (const auto& answer : part) {
      one.mean += answer.confidence;
      one.right += answer.right;
    }
    const auto answers = static_cast<double>(part.size());
    const double right = 1 - (1 - one.right / answers) * left;
    out.push_back({six_digits(one.from), six_digits(one.mean / answers), six_digits(right)});
  }
  return out;
}

// What levels learnt from four fifths of the answers say of the fifth that they have not seen, for each fifth.
std::vector<Sure> unseen_answers(std::span<const Sure> sorted, std::size_t levels, bool lines) {
  constexpr std::size_t kParts = 5;
  std::vector<Sure> out;
  for (std::size_t part = 0; part < kParts; ++part) {
    std::vector<Sure> seen;
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      if (i % kParts != part) seen.push_back(sorted[i]);
    }
    const Confidence rule{levels_of(seen, levels, 1), lines};
    for (std::size_t i = part; i < sorted.size(); i += kParts)
      out.push_back({confidence_of(sorted[i].confidence, rule), sorted[i].right});
  }
  return out;
}

// As somebody who measures with a thousand texts sees it, chance included: the mean over draws of so many.
double expected_error(std::span<const Sure> answers) {
  constexpr int kDraws = 200;
  constexpr std::size_t kTexts = 1000;
  SplitMix random(1);  // the same draws for every rule
  std::vector<Sure> drawn(std::min(kTexts, answers.size()), Sure{});
  double total = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    for (auto& answer : drawn) answer = answers[random.below(answers.size())];
    total += calibration_error(drawn);
  }
  return total / kDraws;
}

}  // namespace

std::vector<Reliability> reliability_of(std::span<const Sure> answers) {
  std::vector<Reliability> out(kBins);
  for (const auto& answer : answers) {
    auto& bin = out[std::min(static_cast<std::size_t>(answer.confidence * kBins), kBins - 1)];
    ++bin.count;
    bin.confidence += answer.confidence;
    bin.accuracy += answer.right;
  }
  for (auto& bin : out) {
    if (bin.count == 0) continue;
    bin.confidence /= static_cast<double>(bin.count);
    bin.accuracy /= static_cast<double>(bin.count);
  }
  return out;
}

double calibration_error(std::span<const Sure> answers) {
  double out = 0;
  for (const auto& bin : reliability_of(answers))
    out += std::abs(bin.accuracy - bin.confidence) * static_cast<double>(bin.count);
  return answers.empty() ? 0 : out / static_cast<double>(answers.size());
}

double confidence_of(double probability, const Confidence& rule) {
  if (rule.levels.empty()) return probability;
  const double sure = rule.lines ? on_lines(probability, rule.levels) : on_steps(probability, rule.levels);
  return std::clamp(sure, 0.0, 1.0);
}

Confidence learn_confidence(std::vector<Sure> answers, double left) {
  Confidence best;
  if (answers.size() < kLeastAnswers) return best;
  std::ranges::sort(answers, {}, &Sure::confidence);
  double least = std::numeric_limits<double>::infinity();
  std::size_t levels = 0;
  for (const std::size_t count : kLevels) {
    if (answers.size() < count * kLeastALevel) break;
    for (const bool lines : {false, true}) {
      const double error = expected_error(unseen_answers(answers, count, lines));
      if (error >= least) continue;
      least = error;
      levels = count;
      best.lines = lines;
    }
  }
  best.levels = levels_of(answers, levels, left);
  return best;
}

}  // namespace sb::triage
