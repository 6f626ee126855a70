#include "triage/sentence_train.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "triage/portable_math.h"

namespace sb::triage {
namespace {

std::vector<std::uint32_t> others(std::size_t count, std::span<const std::uint32_t> rest) {
  std::vector<std::uint32_t> all(count);
  std::iota(all.begin(), all.end(), 0U);
  std::vector<std::uint32_t> out;
  std::ranges::set_difference(all, rest, std::back_inserter(out));
  return out;
}

// Loss, slope and curvature of the fusion's three weights: a softmax regression whose inputs are the three opinions.
struct Bend {
  double loss = 0;
  std::array<double, 3> slope{};
  std::array<std::array<double, 3>, 3> curve{};
};

void add_text(const Unseen& text, const SentenceEvidence& seen, const std::array<double, 3>& weights, Bend& out) {
  std::vector<float> fused(text.logits.size());
  fuse(text.logits, seen, weights, fused);
  const float largest = *std::ranges::max_element(fused);
  double total = 0;
  for (const float value : fused) total += exp_negative(value - largest);
  std::array<double, 3> mean{};
  std::array<std::array<double, 3>, 3> square{};
  for (std::size_t label = 0; label < fused.size(); ++label) {
    const double p = exp_negative(fused[label] - largest) / total;
    if (p < 1e-7) continue;
    const double x[3] = {text.logits[label], seen.distance[label], seen.neighbours[label]};
    for (std::size_t i = 0; i < 3; ++i) {
      mean[i] += p * x[i];
      for (std::size_t j = 0; j < 3; ++j) square[i][j] += p * x[i] * x[j];
    }
  }
  const double truth[3] = {text.logits[text.label], seen.distance[text.label], seen.neighbours[text.label]};
  out.loss += std::log(total) - (fused[text.label] - largest);
  for (std::size_t i = 0; i < 3; ++i) {
    out.slope[i] += truth[i] - mean[i];
    for (std::size_t j = 0; j < 3; ++j) out.curve[i][j] += square[i][j] - mean[i] * mean[j];
  }
}

Bend bend_at(std::span<const Unseen> unseen, std::span<const SentenceEvidence> seen,
             const std::array<double, 3>& weights) {
  Bend out;
  for (std::size_t i = 0; i < unseen.size(); ++i) {
    if (!unseen[i].withheld) add_text(unseen[i], seen[i], weights, out);
  }
  for (std::size_t i = 0; i < 3; ++i) out.curve[i][i] += 1e-6;
  return out;
}

// Cramer's rule: three unknowns.
std::array<double, 3> solve(const std::array<std::array<double, 3>, 3>& m, const std::array<double, 3>& right) {
  const auto determinant = [](const std::array<std::array<double, 3>, 3>& a) {
    return a[0][0] * (a[1][1] * a[2][2] - a[1][2] * a[2][1]) - a[0][1] * (a[1][0] * a[2][2] - a[1][2] * a[2][0]) +
           a[0][2] * (a[1][0] * a[2][1] - a[1][1] * a[2][0]);
  };
  std::array<double, 3> out{};
  const double whole = determinant(m);
  for (std::size_t i = 0; i < 3; ++i) {
    auto part = m;
    for (std::size_t row = 0; row < 3; ++row) part[row][i] = right[row];
    out[i] = whole != 0 ? determinant(part) / whole : 0;
  }
  return out;
}

}  // namespace

SentenceTrainer::SentenceTrainer(const Encoder& encoder, std::span<const std::string_view> texts,
                                 std::span<const std::uint32_t> labels, std::size_t label_count,
                                 const Progress& progress)
    : encoder_(encoder.version()), labels_(labels.begin(), labels.end()), label_count_(label_count) {
  vectors_.width = encoder.dimension();
  vectors_.values.reserve(texts.size() * vectors_.width);
  Encoding encoding;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    encoder.encode(texts[i].substr(0, kMaxTextBytes), encoding);
    vectors_.values.insert(vectors_.values.end(), encoding.vector.begin(), encoding.vector.end());
    if (i % 256 == 255) progress(static_cast<double>(i + 1) / static_cast<double>(texts.size()));
  }
  standardise(vectors_);
  all_ = scatter_of(vectors_, labels_, label_count_, others(labels_.size(), {}));
}

SentenceHeads SentenceTrainer::without(std::span<const std::uint32_t> rest) const {
  Scatter kept = all_;
  if (!rest.empty()) kept.add(scatter_of(vectors_, labels_, label_count_, rest), -1);
  SentenceHeads heads;
  heads.encoder = encoder_;
  fit_space(vectors_, kept, heads);
  keep_texts(vectors_, labels_, others(labels_.size(), rest), heads);
  return heads;
}

std::vector<float> SentenceTrainer::vector_of(std::uint32_t text) const {
  std::vector<float> out(vectors_.width);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = vectors_.values[text * vectors_.width + i] * vectors_.spread[i] + vectors_.centre[i];
  }
  return out;
}

std::array<double, 3> fit_fusion(std::span<const Unseen> unseen, std::span<const SentenceEvidence> seen) {
  constexpr int kRounds = 30;
  std::array<double, 3> weights = {0.5, 0.01, 0.3};  // near where the public sets end up; the loss is convex
  auto bend = bend_at(unseen, seen, weights);
  for (int round = 0; round < kRounds; ++round) {
    const auto move = solve(bend.curve, bend.slope);
    double step = 1;
    for (; step > 1e-3; step /= 2) {
      auto next = weights;
      for (std::size_t i = 0; i < 3; ++i) next[i] = std::max(weights[i] + step * move[i], 0.0);
      const auto there = bend_at(unseen, seen, next);
      if (there.loss >= bend.loss) continue;
      const bool done = bend.loss - there.loss < 1e-7 * bend.loss;
      weights = next;
      bend = there;
      if (done) return weights;
      break;
    }
    if (step <= 1e-3) break;
  }
  return weights;
}

}  // namespace sb::triage
