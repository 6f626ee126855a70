/// Runs of one shard that wait for a time or an event: an id and a time each, nothing else of them is in memory.
#pragma once

#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"

namespace sb::flow {

class Parking {
 public:
  /// `due_us` 0: no time. Again: replaces what was known.
  void park(const RunId& run, Micros due_us, bool listens) {
    forget(run);
    if (due_us != 0) {
      by_time_.emplace(due_us, run);
      times_.emplace(run, due_us);
    }
    if (listens) listeners_.insert(run);
  }
  void forget(const RunId& run) {
    if (const auto known = times_.find(run); known != times_.end()) {
      by_time_.erase({known->second, run});
      times_.erase(known);
    }
    listeners_.erase(run);
  }
  /// Takes out one whose time has come.
  std::optional<RunId> take_due(Micros now) {
    if (by_time_.empty() || by_time_.begin()->first > now) return std::nullopt;
    const RunId run = by_time_.begin()->second;
    forget(run);
    return run;
  }
  Micros next_due() const { return by_time_.empty() ? 0 : by_time_.begin()->first; }
  std::vector<RunId> listeners() const { return {listeners_.begin(), listeners_.end()}; }
  std::size_t size() const { return times_.size() + listeners_.size(); }

 private:
  std::set<std::pair<Micros, RunId>> by_time_;
  std::unordered_map<RunId, Micros> times_;
  std::unordered_set<RunId> listeners_;
};

}  // namespace sb::flow
