/// e^x with the same bits on every machine (libm's float functions differ by processor), as far as the tagger needs it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace sb::policy::tagger {

/// Clamped to [e^-60, e^60]; relative error below 1e-6.
inline float portable_exp(float x) {
#pragma clang fp contract(off)
  x = std::clamp(x, -60.0F, 60.0F);
  const float y = x * 1.44269504F;
  const auto whole = static_cast<std::int32_t>(y < 0 ? y - 0.5F : y + 0.5F);
  const float f = (y - static_cast<float>(whole)) * 0.69314718F;
  float series = 1.0F / 5040.0F;
  for (const float c : {1.0F / 720, 1.0F / 120, 1.0F / 24, 1.0F / 6, 1.0F / 2, 1.0F, 1.0F}) series = series * f + c;
  return series * std::bit_cast<float>((whole + 127) << 23);
}

}  // namespace sb::policy::tagger
