/// Softmax regression on sentence vectors: one weight a label and component, learnt by stochastic gradient descent.
///
/// Beside the discriminant analysis, which takes the texts of all labels to scatter alike, it looks at the borders
/// between labels alone; together they err less than either. Deterministic.
#pragma once

#include <cstdint>
#include <span>

#include "triage/discriminant.h"
#include "triage/model_data.h"

namespace sb::triage {

/// Fills weights and biases of the heads from the `chosen` texts. REQUIRES: `heads.centre` is set (fit_space).
void fit_regression(const SentenceVectors& vectors, std::span<const std::uint32_t> labels, std::size_t label_count,
                    std::span<const std::uint32_t> chosen, SentenceHeads& heads);

}  // namespace sb::triage
