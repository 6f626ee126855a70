/// Learns the two matrices of the classifier: stochastic gradient descent on the softmax loss, several members
/// averaged.
///
/// Deterministic: the same samples, options and seed give the same bits, whatever the machine (own exp and generator,
/// no fused multiply-add, sums in a fixed order). One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "triage/features.h"
#include "triage/model_data.h"

namespace sb::triage {

/// Defaults: chosen on the validation files of bench/triage, see its README.
struct LearnOptions {
  std::uint32_t dimension = 32;  ///< of one member
  std::uint32_t members = 3;     ///< independent learners whose logits are averaged
  std::uint32_t epochs = 20;
  double rate = 0.4;             ///< of the first step; falls linearly to 0
  double feature_dropout = 0.6;  ///< share of a text's n-grams hidden from a step
  double label_smoothing = 0.1;
  double idf_power = 0.5;          ///< 0: all n-grams weigh alike; 1: inverse document frequency
  double word_weight = 2.0;        ///< of word n-grams beside character n-grams
  std::uint32_t min_count = 2;     ///< texts an n-gram must occur in
  std::uint32_t max_rows = 60000;  ///< most frequent n-grams kept
};

/// One labelled text, as its features' hashes.
struct Sample {
  std::vector<std::uint32_t> hashes;
  std::uint32_t word_count = 0;
  std::uint32_t label = 0;
};

/// Called now and then with the share done, 0..1.
using Progress = std::function<void(double)>;

/// Fills features, rows, embeddings and heads of a model for `label_count` labels from `samples` (those of `chosen`).
/// REQUIRES: every sample's label is below `label_count`; at least one sample.
ModelData learn(std::span<const Sample> samples, std::span<const std::uint32_t> chosen, std::size_t label_count,
                const FeatureConfig& features, const LearnOptions& options, std::uint64_t seed,
                const Progress& progress);

}  // namespace sb::triage
