/// Learns tier 1's heads: from the vectors of the training texts, fits the space from any part of them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "triage/calibrate.h"
#include "triage/discriminant.h"
#include "triage/encoder/encoder.h"
#include "triage/sentence_judge.h"
#include "triage/trainer.h"

namespace sb::triage {

class SentenceTrainer {
 public:
  /// `values`: the texts' vectors after so many `blocks` of the encoder, 0: all; [texts][width]. `labels`: [texts].
  SentenceTrainer(const Encoder& encoder, std::uint32_t blocks, std::vector<float> values,
                  std::span<const std::uint32_t> labels, std::size_t label_count);

  /// Heads from all texts but `rest` (ascending); fusion and calibration are not set.
  SentenceHeads without(std::span<const std::uint32_t> rest) const;

  /// The vector of a text as the encoder gave it.
  std::vector<float> vector_of(std::uint32_t text) const;
  /// The deviation of the vectors' components.
  const std::vector<float>& spread() const { return vectors_.spread; }

 private:
  std::string encoder_;
  std::uint32_t blocks_;
  SentenceVectors vectors_;
  std::vector<std::uint32_t> labels_;
  std::size_t label_count_;
  Scatter all_;
};

/// Encodes `texts`, a millisecond each: a trainer for the encoder's first half (not of an encoder of one block), and
/// one for all of it, which is the last. `labels`: [texts].
std::vector<SentenceTrainer> sentence_trainers(const Encoder& encoder, std::span<const std::string_view> texts,
                                               std::span<const std::uint32_t> labels, std::size_t label_count);

/// The weights under which the fused logits make the true labels of `unseen` (withheld ones aside) likeliest.
/// `seen`: tier 1's opinions of the same texts.
Fusion fit_fusion(std::span<const Unseen> unseen, std::span<const SentenceEvidence> seen);

}  // namespace sb::triage
