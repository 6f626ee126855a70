#include "triage/sentence_train.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "triage/linear_solve.h"
#include "triage/portable_math.h"
#include "triage/softmax_regression.h"

namespace sb::triage {
namespace {

std::vector<std::uint32_t> others(std::size_t count, std::span<const std::uint32_t> rest) {
  std::vector<std::uint32_t> all(count);
  std::iota(all.begin(), all.end(), 0U);
  std::vector<std::uint32_t> out;
  std::ranges::set_difference(all, rest, std::back_inserter(out));
  return out;
}

// Loss, slope and curvature of the fusion's weights: a softmax regression whose inputs are the opinions.
struct Bend {
  double loss = 0;
  Fusion slope{};
  Square<kOpinionCount> curve{};
};

void add_text(const Unseen& text, const SentenceEvidence& seen, const Fusion& weights, Bend& out) {
  std::vector<float> fused(text.logits.size());
  fuse(text.logits, seen, weights, fused);
  const float largest = *std::ranges::max_element(fused);
  double total = 0;
  for (const float value : fused) total += exp_negative(value - largest);
  Fusion mean{};
  Square<kOpinionCount> square{};
  for (std::size_t label = 0; label < fused.size(); ++label) {
    const double p = exp_negative(fused[label] - largest) / total;
    if (p < 1e-7) continue;
    const auto x = opinions_of(text.logits, seen, label);
    for (std::size_t i = 0; i < kOpinionCount; ++i) {
      mean[i] += p * x[i];
      for (std::size_t j = 0; j < kOpinionCount; ++j) square[i][j] += p * x[i] * x[j];
    }
  }
  const auto truth = opinions_of(text.logits, seen, text.label);
  out.loss += std::log(total) - (fused[text.label] - largest);
  for (std::size_t i = 0; i < kOpinionCount; ++i) {
    out.slope[i] += truth[i] - mean[i];
    for (std::size_t j = 0; j < kOpinionCount; ++j) out.curve[i][j] += square[i][j] - mean[i] * mean[j];
  }
}

Bend bend_at(std::span<const Unseen> unseen, std::span<const SentenceEvidence> seen, const Fusion& weights) {
  Bend out;
  for (std::size_t i = 0; i < unseen.size(); ++i) {
    if (!unseen[i].withheld) add_text(unseen[i], seen[i], weights, out);
  }
  for (std::size_t i = 0; i < kOpinionCount; ++i) out.curve[i][i] += 1e-6;
  return out;
}

}  // namespace

SentenceTrainer::SentenceTrainer(const Encoder& encoder, std::uint32_t blocks, std::vector<float> values,
                                 std::span<const std::uint32_t> labels, std::size_t label_count)
    : encoder_(encoder.version()), blocks_(blocks), labels_(labels.begin(), labels.end()), label_count_(label_count) {
  vectors_.width = blocks > 0 ? encoder.dimension(blocks) : encoder.dimension();
  vectors_.values = std::move(values);
  standardise(vectors_);
  all_ = scatter_of(vectors_, labels_, label_count_, others(labels_.size(), {}));
}

SentenceHeads SentenceTrainer::without(std::span<const std::uint32_t> rest) const {
  Scatter kept = all_;
  if (!rest.empty()) kept.add(scatter_of(vectors_, labels_, label_count_, rest), -1);
  SentenceHeads heads;
  heads.encoder = encoder_;
  heads.blocks = blocks_;
  const auto chosen = others(labels_.size(), rest);
  fit_space(vectors_, kept, heads);
  fit_regression(vectors_, labels_, label_count_, chosen, heads);
  keep_texts(vectors_, labels_, chosen, heads);
  return heads;
}

std::vector<float> SentenceTrainer::vector_of(std::uint32_t text) const {
  std::vector<float> out(vectors_.width);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = vectors_.values[text * vectors_.width + i] * vectors_.spread[i] + vectors_.centre[i];
  }
  return out;
}

std::vector<SentenceTrainer> sentence_trainers(const Encoder& encoder, std::span<const std::string_view> texts,
                                               std::span<const std::uint32_t> labels, std::size_t label_count) {
  const auto half = encoder.blocks() / 2;
  std::vector<float> early;
  std::vector<float> whole;
  early.reserve(half > 0 ? texts.size() * encoder.dimension(half) : 0);
  whole.reserve(texts.size() * encoder.dimension());
  Encoding encoding;
  for (const auto text : texts) {
    const auto read = text.substr(0, kMaxTextBytes);
    if (half > 0) {
      encoder.begin(read, half, encoding);
      early.insert(early.end(), encoding.vector.begin(), encoding.vector.end());
      encoder.go_on(encoding);
    } else {
      encoder.encode(read, encoding);
    }
    whole.insert(whole.end(), encoding.vector.begin(), encoding.vector.end());
  }
  std::vector<SentenceTrainer> out;
  if (half > 0) out.emplace_back(encoder, static_cast<std::uint32_t>(half), std::move(early), labels, label_count);
  out.emplace_back(encoder, 0U, std::move(whole), labels, label_count);
  return out;
}

Fusion fit_fusion(std::span<const Unseen> unseen, std::span<const SentenceEvidence> seen) {
  constexpr int kRounds = 30;
  Fusion weights = {0.4, 0.005, 0.2, 0.5};  // near where the public sets end up; the loss is convex
  auto bend = bend_at(unseen, seen, weights);
  for (int round = 0; round < kRounds; ++round) {
    const auto move = solve(bend.curve, bend.slope);
    double step = 1;
    for (; step > 1e-3; step /= 2) {
      auto next = weights;
      for (std::size_t i = 0; i < kOpinionCount; ++i) next[i] = std::max(weights[i] + step * move[i], 0.0);
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
