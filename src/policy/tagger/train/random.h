/// Random choices that are the same everywhere: splitmix64 (Steele, Lea and Flood 2014).
#pragma once

#include <cstdint>
#include <span>

namespace sb::policy::tagger {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  /// 0..n-1. REQUIRES: n > 0.
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(next() % n); }
  bool chance(double p) { return static_cast<double>(next() >> 11) * 0x1p-53 < p; }
  template <class List>
  const auto& pick_from(const List& list) {
    return list[below(std::size(list))];
  }
  template <class List>
  void shuffle(List& list) {
    for (std::size_t i = std::size(list); i > 1; --i) std::swap(list[i - 1], list[below(i)]);
  }

 private:
  std::uint64_t state_;
};

}  // namespace sb::policy::tagger
