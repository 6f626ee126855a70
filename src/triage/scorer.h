/// The arithmetic of a prediction: features to logits, in integers, so that every machine gets the same numbers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "triage/features.h"
#include "triage/model_data.h"

namespace sb::triage {

/// What was known of a text.
struct Coverage {
  double word = 0;   ///< share of the word n-grams' weight that training saw; 0..1
  double total = 0;  ///< the same of all n-grams
};

/// Immutable after construction; any number of threads may score at once. Borrows `data`, which must outlive it: the
/// weights are megabytes.
class Scorer {
 public:
  /// `data` is valid (decode_model checks, training makes it so).
  explicit Scorer(const ModelData& data);
  Scorer(const Scorer&) = delete;
  Scorer& operator=(const Scorer&) = delete;

  /// Fills `logits` ([labels]). No allocation; time grows with `features.count` (at most kMaxFeatures) and labels.
  /// `place`: [dimension] or empty; the direction in which the known n-grams' rows add up, length 1.
  Coverage score(const FeatureList& features, std::span<float> logits, std::span<float> place = {}) const;

  /// What one feature adds to each of `labels`' logits: [features.count][labels.size()]. Their sum and the bias are the
  /// logit, up to the rounding that `score` does on the way. For people; allocates.
  std::vector<float> effects(const FeatureList& features, std::span<const std::size_t> labels) const;
  float bias(std::size_t label) const { return data_.biases[label]; }

 private:
  // One probe usually ends the search: the table is at most half full and hashes are well mixed.
  struct Slot {
    std::uint32_t hash;
    std::uint32_t row_plus_one;  // 0: empty
    std::uint16_t row_weight;
    std::uint16_t length_weight;
  };
  const Slot* find(std::uint32_t hash) const;
  const std::int8_t* embedding(const Slot& slot) const {
    return &data_.embeddings[std::size_t{slot.row_plus_one - 1} * data_.dimension];
  }

  const ModelData& data_;
  std::size_t mask_;
  std::vector<Slot> slots_;
};

}  // namespace sb::triage
