/// Counters of the writer thread, read by others at any time.
#pragma once

#include <atomic>

#include "store/store.h"

namespace sb::store::sqlite {

template <class Values>
class Histogram {
 public:
  void add(std::uint64_t value) {
    std::size_t i = 0;
    while (i < Values::kBounds.size() && value > Values::kBounds[i]) ++i;
    counts_[i].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
  }
  Values snapshot() const {
    Values values;
    for (std::size_t i = 0; i < counts_.size(); ++i) values.counts[i] = counts_[i].load(std::memory_order_relaxed);
    values.sum = sum_.load(std::memory_order_relaxed);
    return values;
  }

 private:
  std::array<std::atomic<std::uint64_t>, Values::kBounds.size() + 1> counts_{};
  std::atomic<std::uint64_t> sum_{0};
};

struct LoopStats {
  std::atomic<std::uint64_t> commits{0};
  std::atomic<std::uint64_t> groups{0};
  std::atomic<std::uint64_t> failed_groups{0};
  std::atomic<std::uint64_t> leaves{0};
  std::atomic<std::uint64_t> rejected_async{0};
  Histogram<GroupSizes> group_sizes;
  Histogram<SyncTimes> sync_us;
};

}  // namespace sb::store::sqlite
