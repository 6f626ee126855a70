#include "policy/tagger/model.h"

#include <algorithm>

#include "policy/tagger/portable_exp.h"

namespace sb::policy::tagger {

namespace {

Transitions transitions_of(const ModelData& data) {
  std::array<Scores, kLabels> next;
  for (std::size_t a = 0; a < kLabels; ++a) {
    for (std::size_t b = 0; b < kLabels; ++b) next[a][b] = portable_exp(data.next[a][b]);
  }
  return Transitions(next);
}

}  // namespace

Model::Model(ModelData data)
    : data_(std::move(data)),
      weights_(data_.weights),
      gazetteer_(data_.gazetteer),
      transitions_(transitions_of(data_)) {}

Model::Model(ModelView view)
    : data_(std::move(view.rest)),
      weights_(view.weights),
      gazetteer_(view.gazetteer),
      transitions_(transitions_of(data_)) {}

void Model::find_rows(const Neighbourhood& around, FeatureRows& rows) const {
  extract_features(around, rows);
  const std::uint32_t down = 32 - data_.row_bits;
  for (auto& row : rows) {
    row >>= down;
    __builtin_prefetch(weights_.data() + std::size_t{row} * kLabels);
  }
}

Scores Model::emission(const FeatureRows& rows) const {
  std::array<std::int32_t, kLabels> sum{};
  for (const auto row : rows) {
    const std::int8_t* weights = weights_.data() + std::size_t{row} * kLabels;
    for (std::size_t l = 0; l < kLabels; ++l) sum[l] += weights[l];
  }
  const std::int32_t best = *std::ranges::max_element(sum);
  Scores out;
  for (std::size_t l = 0; l < kLabels; ++l) out[l] = portable_exp(static_cast<float>(sum[l] - best) * data_.scale);
  return out;
}

namespace {

// The sum of `rows`, each times its weight; in two halves, so that it takes five steps and not eight.
Scores weighted_sum(const Scores& weights, const std::array<Scores, kLabels>& rows) {
  Scores one{};
  Scores other{};
  for (std::size_t a = 0; a < kLabels; a += 2) {
    for (std::size_t b = 0; b < kLabels; ++b) one[b] += weights[a] * rows[a][b];
    for (std::size_t b = 0; b < kLabels; ++b) other[b] += weights[a + 1] * rows[a + 1][b];
  }
  for (std::size_t b = 0; b < kLabels; ++b) one[b] += other[b];
  return one;
}

Scores product(const Scores& a, const Scores& b) {
  Scores out;
  for (std::size_t l = 0; l < kLabels; ++l) out[l] = a[l] * b[l];
  return out;
}

Scores quotient(const Scores& scores, float by) {
  Scores out;
  for (std::size_t l = 0; l < kLabels; ++l) out[l] = scores[l] / by;
  return out;
}

Scores scaled(const Scores& scores) {
  return quotient(scores, std::max(1e-30F, largest_of(scores)));
}

}  // namespace

// A chain has few links, and transitions are e to the power of a few: scaling each side once keeps it within a float.
Scores marginal(std::span<const Scores* const> chain, std::size_t at, const Transitions& next) {
  Scores left = *chain[0];
  for (std::size_t j = 1; j <= at; ++j) left = product(weighted_sum(left, next.from), *chain[j]);
  Scores right;
  right.fill(1);
  for (std::size_t j = chain.size(); j-- > at + 1;) right = weighted_sum(product(right, *chain[j]), next.to);
  const Scores both = product(scaled(left), scaled(right));
  return quotient(both, sum_of(both));
}

}  // namespace sb::policy::tagger
