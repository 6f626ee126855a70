/// What a text means, as numbers: the direction of its sentence vector (encoder/encoder.h) in 8 bits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sb::triage {

using Meaning = std::vector<std::int8_t>;

/// The largest number becomes 127. The cosine of two changes by less than .002.
Meaning meaning_of(std::span<const float> vector);

/// REQUIRES the same length, at most 100,000.
std::int32_t dot(std::span<const std::int8_t> a, std::span<const std::int8_t> b);
/// Cosine of the angle between a and b, from their products; 0 where either has no direction.
float cosine(std::int32_t ab, std::int32_t aa, std::int32_t bb);

}  // namespace sb::triage
