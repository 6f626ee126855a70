/// Random numbers that are the same on every machine, for training: SplitMix64 (Steele, Lea and Flood, 2014).
#pragma once

#include <cstddef>
#include <cstdint>

namespace sb {

class SplitMix {
 public:
  explicit SplitMix(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  /// 0..bound-1, REQUIRES bound > 0. The bias of a modulus is below 2^-40 here: no list is longer than 2^24.
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(next() % bound); }

 private:
  std::uint64_t state_;
};

}  // namespace sb
