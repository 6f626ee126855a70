/// Of how many kinds of characters a value is: what tells a key from a word.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "policy/detect/bytes_class.h"

namespace sb::policy {

struct Variety {
  int digits = 0, upper = 0, lower = 0, distinct = 0;
};

inline Variety variety_of(std::string_view text) {
  Variety v;
  std::array<bool, 256> seen{};
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    v.digits += is_a(byte, kDigit);
    v.upper += is_a(byte, kUpper);
    v.lower += is_a(byte, kLower);
    v.distinct += !std::exchange(seen[byte], true);
  }
  return v;
}

/// "ghp_xxxxxxxx" and "sk-your-key-goes-here" are documentation.
inline bool looks_random(std::string_view key) {
  const Variety v = variety_of(key);
  return v.distinct >= 8 &&
         (v.digits >= 1 || (v.upper >= 3 && v.lower >= 3) || v.upper == static_cast<int>(key.size()));
}

}  // namespace sb::policy
