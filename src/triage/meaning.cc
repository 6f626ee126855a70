#include "triage/meaning.h"

#include <algorithm>
#include <cmath>

#include "base/errors.h"

namespace sb::triage {

Meaning meaning_of(std::span<const float> vector) {
  float largest = 0;
  for (const float value : vector) largest = std::max(largest, std::abs(value));
  Meaning out(vector.size(), 0);
  if (largest == 0) return out;
  for (std::size_t i = 0; i < vector.size(); ++i)
    out[i] = static_cast<std::int8_t>(std::lround(vector[i] / largest * 127));
  return out;
}

// Compiled to vpmaddwd (-O3, see CMakeLists.txt).
std::int32_t dot(std::span<const std::int8_t> a, std::span<const std::int8_t> b) {
  SB_ASSERT(a.size() == b.size());
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<std::int32_t>(a[i]) * b[i];
  return sum;
}

float cosine(std::int32_t ab, std::int32_t aa, std::int32_t bb) {
  return aa > 0 && bb > 0 ? static_cast<float>(ab / std::sqrt(static_cast<double>(aa) * bb)) : 0;
}

}  // namespace sb::triage
