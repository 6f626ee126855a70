#include "policy/tagger/model.h"

#include <algorithm>

#include "policy/tagger/portable_exp.h"

namespace sb::policy::tagger {

Model::Model(ModelData data) : data_(std::move(data)) {
  std::array<Scores, kLabels> next;
  for (std::size_t a = 0; a < kLabels; ++a) {
    for (std::size_t b = 0; b < kLabels; ++b) next[a][b] = portable_exp(data_.next[a][b]);
  }
  transitions_ = Transitions(next);
}

Scores Model::emission(const Neighbourhood& around) const {
  std::array<std::uint32_t, kFeatures> rows;
  extract_features(around, rows);
  std::array<std::int32_t, kLabels> sum{};
  const std::uint32_t down = 32 - data_.row_bits;
  for (const auto row : rows) {
    const std::int8_t* weights = data_.weights.data() + std::size_t{row >> down} * kLabels;
    for (std::size_t l = 0; l < kLabels; ++l) sum[l] += weights[l];
  }
  const std::int32_t best = *std::ranges::max_element(sum);
  Scores out;
  for (std::size_t l = 0; l < kLabels; ++l) out[l] = portable_exp(static_cast<float>(sum[l] - best) * data_.scale);
  return out;
}

Scores marginal(std::span<const Scores> chain, std::size_t at, const Transitions& next) {
  Scores left = chain[0];
  for (std::size_t j = 1; j <= at; ++j) {
    Scores step{};
    for (std::size_t a = 0; a < kLabels; ++a) {
      for (std::size_t b = 0; b < kLabels; ++b) step[b] += left[a] * next.from[a][b];
    }
    float most = 1e-30F;
    for (std::size_t b = 0; b < kLabels; ++b) step[b] *= chain[j][b], most = std::max(most, step[b]);
    for (std::size_t b = 0; b < kLabels; ++b) left[b] = step[b] / most;
  }
  Scores right;
  right.fill(1);
  for (std::size_t j = chain.size(); j-- > at + 1;) {
    Scores step{};
    for (std::size_t b = 0; b < kLabels; ++b) {
      const float seen = right[b] * chain[j][b];
      for (std::size_t a = 0; a < kLabels; ++a) step[a] += next.to[b][a] * seen;
    }
    float most = 1e-30F;
    for (const float value : step) most = std::max(most, value);
    for (std::size_t b = 0; b < kLabels; ++b) right[b] = step[b] / most;
  }
  float total = 0;
  for (std::size_t l = 0; l < kLabels; ++l) left[l] *= right[l], total += left[l];
  for (auto& value : left) value /= total;
  return left;
}

}  // namespace sb::policy::tagger
