/// Tier 1's opinion of a text, from its vector: how far it lies from each label's texts, which texts lie near it,
/// and what a regression makes of it.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "triage/classifier.h"
#include "triage/model_data.h"

namespace sb::triage {

struct NearText {
  double likeness = 0;     ///< cosine
  std::uint32_t text = 0;  ///< its number among the training texts
  std::uint32_t label = 0;
};

struct SentenceEvidence {
  std::vector<float> distance;    ///< [labels]: minus half the squared distance to the label's mean
  std::vector<float> neighbours;  ///< [labels]: logarithm of the label's share among the nearest training texts
  std::vector<float> regression;  ///< [labels]: logit of the softmax regression; zeros without one
  std::array<double, kSentenceInputs> gate{};
  std::vector<NearText> near = {};  ///< the nearest training texts, best first
};

/// Immutable; borrows `heads`, which must outlive it. `labels`: how many the model has.
class SentenceJudge {
 public:
  SentenceJudge(const SentenceHeads& heads, std::size_t labels) : heads_(&heads), label_count_(labels) {}

  /// `vector`: [heads.inputs]. Reuses the memory of `out`.
  void look(std::span<const float> vector, SentenceEvidence& out) const;

 private:
  const SentenceHeads* heads_;
  std::size_t label_count_;
};

/// A vector's place in the heads' space.
void project(const SentenceHeads& heads, std::span<const float> vector, std::span<float> out);
/// Its direction, length 127, as `SentenceHeads::texts` holds it.
void direction(std::span<const float> place, std::span<std::int8_t> out);

/// What each opinion says of one label; `logits` are tier 0's.
std::array<double, kOpinionCount> opinions_of(std::span<const float> logits, const SentenceEvidence& seen,
                                              std::size_t label);
/// The weighted sum of the opinions.
void fuse(std::span<const float> logits, const SentenceEvidence& seen, const Fusion& weights, std::span<float> out);

}  // namespace sb::triage
