/// What a seed decides.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace sb::simulation {

class Draws {
 public:
  explicit Draws(std::uint64_t seed) : entropy_(seed * 0x9E3779B97F4A7C15U + 1) {}

  std::uint64_t below(std::uint64_t count) { return count == 0 ? 0 : entropy_.next_u64() % count; }
  Micros between(Micros from, Micros to) {
    return from + static_cast<Micros>(below(static_cast<std::uint64_t>(to - from) + 1));
  }
  bool one_in(std::uint64_t count) { return below(count) == 0; }
  Entropy& entropy() { return entropy_; }

 private:
  SeededEntropy entropy_;
};

}  // namespace sb::simulation
