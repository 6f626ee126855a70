/// The random numbers of training: the same on every machine.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sb::triage {

/// SplitMix64 (Steele, Lea and Flood, 2014): small, fast, good enough to shuffle with.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  float uniform() { return static_cast<float>(next() >> 40) * 0x1p-24F; }
  /// The bias of a modulus is below 2^-40 here: no list is longer than 2^24.
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(next() % bound); }

 private:
  std::uint64_t state_;
};

}  // namespace sb::triage
