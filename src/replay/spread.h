/// Numbers of which only how they are spread is kept: durations of any number of runs in little memory.
#pragma once

#include <array>
#include <cstdint>

#include "base/clock.h"

namespace sb::replay {

/// Durations, each within an eighth of its true length.
class Durations {
 public:
  void add(Micros duration, double weight = 1);
  /// As many as `weight` more, spread as `other` is.
  void add(const Durations& other, double weight);
  double count() const { return count_; }
  /// `share` of them are at most so long. 0 where there are none.
  Micros quantile(double share) const;

 private:
  static constexpr std::size_t kParts = 8;  ///< of each doubling
  static constexpr std::size_t kBuckets = 64 * kParts;
  std::array<double, kBuckets> counts_{};
  double count_ = 0;
};

/// Mean and variance, in one pass (Welford, 1962).
class Moments {
 public:
  void add(double value);
  std::uint64_t count() const { return count_; }
  double mean() const { return mean_; }
  double variance() const { return count_ > 1 ? squares_ / static_cast<double>(count_ - 1) : 0; }

 private:
  std::uint64_t count_ = 0;
  double mean_ = 0;
  double squares_ = 0;
};

}  // namespace sb::replay
