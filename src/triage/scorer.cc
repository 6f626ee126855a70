#include "triage/scorer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

namespace sb::triage {
namespace {

// The hidden vector is cut to 12 bits a side: kMaxHeadWeight * kMaxHidden * kMaxDimension stays below 2^31.
constexpr float kMaxHidden = 2047.0F;
static_assert(std::int64_t{kMaxHeadWeight} * 2047 * kMaxDimension < (std::int64_t{1} << 31));
static_assert(std::int64_t{kMaxRowWeight} * 127 * kMaxFeatures < (std::int64_t{1} << 31));

// sum[i] += weight * row[i]. Integers add in any order to the same sum, so the compiler may use any vector width.
void add_row(std::int32_t* __restrict sum, const std::int8_t* __restrict row, std::int32_t weight,
             std::uint32_t dimension) {
  for (std::uint32_t i = 0; i < dimension; ++i) sum[i] += weight * row[i];
}

std::int32_t dot(const std::int16_t* __restrict a, const std::int16_t* __restrict b, std::uint32_t dimension) {
  std::int32_t sum = 0;
  for (std::uint32_t i = 0; i < dimension; ++i) sum += std::int32_t{a[i]} * std::int32_t{b[i]};
  return sum;
}

// To length 1; what is 0 stays so.
void turn(std::span<const std::int32_t> sum, std::span<float> out) {
  float squared = 0;
  for (const auto value : sum) squared += static_cast<float>(value) * static_cast<float>(value);
  const float over = squared > 0 ? 1.0F / std::sqrt(squared) : 0.0F;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(sum[i]) * over;
}

}  // namespace

Scorer::Scorer(const ModelData& data)
    : data_(data), mask_(std::bit_ceil(std::max<std::size_t>(data.hashes.size() * 2, 16)) - 1), slots_(mask_ + 1) {
  for (std::size_t row = 0; row < data.hashes.size(); ++row) {
    std::size_t at = data.hashes[row] & mask_;
    while (slots_[at].row_plus_one != 0) at = (at + 1) & mask_;
    slots_[at] = {data.hashes[row], static_cast<std::uint32_t>(row + 1), data.row_weights[row],
                  data.length_weights[row]};
  }
}

const Scorer::Slot* Scorer::find(std::uint32_t hash) const {
  for (std::size_t at = hash & mask_; slots_[at].row_plus_one != 0; at = (at + 1) & mask_) {
    if (slots_[at].hash == hash) return &slots_[at];
  }
  return nullptr;
}

Coverage Scorer::score(const FeatureList& features, std::span<float> logits, std::span<float> place) const {
  const std::uint32_t dimension = data_.dimension;
  // Memory is far, arithmetic is near: ask for every slot first, then for every row, then add.
  std::array<const Slot*, kMaxFeatures> found;
  for (std::size_t i = 0; i < features.count; ++i) __builtin_prefetch(&slots_[features.hashes[i] & mask_]);
  std::array<double, 2> known{};  // squared length: words, characters
  std::array<double, 2> all{};
  std::size_t found_count = 0;
  for (std::size_t i = 0; i < features.count; ++i) {
    const bool is_char = i >= features.word_count;
    const Slot* slot = find(features.hashes[i]);
    const double length = slot ? slot->length_weight : is_char ? data_.unknown_char_weight : data_.unknown_word_weight;
    all[is_char] += length * length;
    if (!slot) continue;
    known[is_char] += length * length;
    const std::int8_t* row = embedding(*slot);
    __builtin_prefetch(row);
    __builtin_prefetch(row + dimension - 1);
    found[found_count++] = slot;
  }

  std::array<std::int32_t, kMaxDimension> sum;
  std::fill_n(sum.begin(), dimension, 0);
  for (std::size_t i = 0; i < found_count; ++i)
    add_row(sum.data(), embedding(*found[i]), found[i]->row_weight, dimension);
  std::int32_t largest = 0;
  for (std::uint32_t i = 0; i < dimension; ++i) largest = std::max(largest, std::abs(sum[i]));
  const float down = largest > 0 ? kMaxHidden / static_cast<float>(largest) : 0.0F;
  std::array<std::int16_t, kMaxDimension> hidden;
  for (std::uint32_t i = 0; i < dimension; ++i) {
    const float value = static_cast<float>(sum[i]) * down;
    hidden[i] = static_cast<std::int16_t>(value < 0 ? value - 0.5F : value + 0.5F);
  }

  if (!place.empty()) turn(std::span(sum).first(dimension), place);
  const double length_squared = all[0] + all[1];
  const double length = std::sqrt(length_squared) / kLengthUnit;
  const float up = largest > 0 ? static_cast<float>(data_.scale / (static_cast<double>(down) * length)) : 0.0F;
  for (std::size_t label = 0; label < logits.size(); ++label) {
    const auto said = dot(&data_.heads[label * dimension], hidden.data(), dimension);
    logits[label] = static_cast<float>(said) * up + data_.biases[label];
  }
  return {all[0] > 0 ? known[0] / all[0] : 0, length_squared > 0 ? (known[0] + known[1]) / length_squared : 0};
}

std::vector<float> Scorer::effects(const FeatureList& features, std::span<const std::size_t> labels) const {
  std::vector<float> out(features.count * labels.size());
  double squared = 0;
  for (std::size_t i = 0; i < features.count; ++i) {
    const Slot* slot = find(features.hashes[i]);
    const double length = slot                       ? slot->length_weight
                          : i >= features.word_count ? data_.unknown_char_weight
                                                     : data_.unknown_word_weight;
    squared += length * length;
    if (!slot) continue;
    const std::int8_t* row = embedding(*slot);
    for (std::size_t at = 0; at < labels.size(); ++at) {
      std::int64_t sum = 0;
      for (std::uint32_t d = 0; d < data_.dimension; ++d)
        sum += std::int64_t{row[d]} * data_.heads[labels[at] * data_.dimension + d];
      out[i * labels.size() + at] = static_cast<float>(sum * slot->row_weight) * data_.scale;
    }
  }
  const auto length = static_cast<float>(std::sqrt(squared) / kLengthUnit);
  for (auto& effect : out) effect = length > 0 ? effect / length : 0;
  return out;
}

}  // namespace sb::triage
