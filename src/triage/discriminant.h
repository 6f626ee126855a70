/// Linear discriminant analysis (Fisher, 1936; Rao, 1948) on sentence vectors: the directions in which texts of
/// different labels lie apart most, compared with how texts of one label scatter.
///
/// Closed form: sums of products can be added and taken away, so that every rehearsal (a part of the texts or labels
/// withheld) costs one factorisation, no second pass over the texts. Deterministic.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "triage/model_data.h"

namespace sb::triage {

/// The vectors of all training texts, each component scaled to mean 0 and deviation 1 over them.
struct SentenceVectors {
  std::size_t width = 0;
  std::vector<float> values;  ///< [texts][width]
  std::vector<float> centre;  ///< [width], what was subtracted
  std::vector<float> spread;  ///< [width], what was divided by
};

void standardise(SentenceVectors& vectors);

/// Sums over some texts.
struct Scatter {
  std::vector<float> products;        ///< [width][width], lower triangle: sum of x x'
  std::vector<float> sums;            ///< [labels][width]
  std::vector<std::uint32_t> counts;  ///< [labels]

  void add(const Scatter& other, float sign);
};

Scatter scatter_of(const SentenceVectors& vectors, std::span<const std::uint32_t> labels, std::size_t label_count,
                   std::span<const std::uint32_t> chosen);

/// Fills centre, projection and means of the heads from the texts summed up; labels without texts lie far away.
/// REQUIRES: at least two labels have texts.
void fit_space(const SentenceVectors& vectors, const Scatter& scatter, SentenceHeads& heads);

/// Weights that predict `targets` (mean 0) from the vectors, their squares held down by `ridge` (Hoerl and Kennard,
/// 1970).
std::vector<float> fit_ridge(const SentenceVectors& vectors, std::span<const float> targets, float ridge);

/// Fills the heads' neighbours: the `chosen` texts.
void keep_texts(const SentenceVectors& vectors, std::span<const std::uint32_t> labels,
                std::span<const std::uint32_t> chosen, SentenceHeads& heads);

}  // namespace sb::triage
