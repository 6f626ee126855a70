#include "replay/spread.h"

#include <algorithm>
#include <bit>

namespace sb::replay {

void Durations::add(Micros duration, double weight) {
  const auto value = static_cast<std::uint64_t>(std::max<Micros>(duration, 1));
  const auto doubling = static_cast<std::size_t>(std::bit_width(value) - 1);
  const std::uint64_t low = std::uint64_t{1} << doubling;
  const auto part = static_cast<std::size_t>((value - low) * kParts / low);
  counts_[doubling * kParts + part] += weight;
  count_ += weight;
}

void Durations::add(const Durations& other, double weight) {
  if (other.count_ == 0) return;
  for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i] * weight / other.count_;
  count_ += weight;
}

Micros Durations::quantile(double share) const {
  double below = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    below += counts_[i];
    if (counts_[i] == 0 || below < share * count_) continue;
    const double low = static_cast<double>(std::uint64_t{1} << (i / kParts));
    return static_cast<Micros>(low * (1 + (static_cast<double>(i % kParts) + 0.5) / kParts));
  }
  return 0;
}

void Moments::add(double value) {
  ++count_;
  const double off = value - mean_;
  mean_ += off / static_cast<double>(count_);
  squares_ += off * (value - mean_);
}

}  // namespace sb::replay
