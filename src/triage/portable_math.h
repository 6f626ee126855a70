/// Arithmetic that gives the same bits on every machine: libm's float functions do not (they differ by processor).
#pragma once

#include <bit>
#include <cstdint>

namespace sb::triage {

/// e^x for x <= 0, relative error below 1e-6: 2^n by the exponent bits, the rest by its Taylor series.
inline float exp_negative(float x) {
#pragma clang fp contract(off)
  if (x < -80.0F) return 0.0F;
  const float y = x * 1.44269504F;
  const auto whole = static_cast<std::int32_t>(y - 0.5F);
  const float f = (y - static_cast<float>(whole)) * 0.69314718F;
  float series = 1.0F / 5040.0F;
  for (const float c : {1.0F / 720, 1.0F / 120, 1.0F / 24, 1.0F / 6, 1.0F / 2, 1.0F, 1.0F}) series = series * f + c;
  return series * std::bit_cast<float>((whole + 127) << 23);
}

}  // namespace sb::triage
