/// Sums over long vectors of floats, eight side by side: what learning tier 1's heads spends its time on.
#pragma once

#include <cstddef>
#include <cstring>

namespace sb::triage {

using Lanes = float __attribute__((vector_size(32)));

inline Lanes load(const float* at) {
  Lanes value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline float sum(Lanes v) {
  return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7]));
}

/// Sums in a fixed order.
inline float dot(const float* a, const float* b, std::size_t count) {
  Lanes low{};
  Lanes high{};
  std::size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    low += load(a + i) * load(b + i);
    high += load(a + i + 8) * load(b + i + 8);
  }
  float rest = 0;
  for (; i < count; ++i) rest += a[i] * b[i];
  return sum(low + high) + rest;
}

/// to += by * from.
inline void add_scaled(float* to, const float* from, float by, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] += by * from[i];
}

}  // namespace sb::triage
