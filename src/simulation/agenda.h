/// What is to happen at a virtual time; in order of time, then of asking. One thread's.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "simulation/virtual_time.h"

namespace sb::simulation {

class Agenda {
 public:
  explicit Agenda(const VirtualTime& time) : time_(time) {}

  void in(Micros delay_us, std::move_only_function<void()> what) {
    entries_.emplace(std::pair(time_.steady_us() + delay_us, next_++), std::move(what));
  }
  std::optional<Micros> next() const {
    return entries_.empty() ? std::nullopt : std::optional(entries_.begin()->first.first);
  }
  /// Does the first thing that is due. False: none is.
  bool step() {
    if (entries_.empty() || entries_.begin()->first.first > time_.steady_us()) return false;
    auto first = entries_.extract(entries_.begin());
    first.mapped()();
    return true;
  }
  void clear() { std::exchange(entries_, {}).clear(); }

 private:
  const VirtualTime& time_;
  std::uint64_t next_ = 0;
  std::map<std::pair<Micros, std::uint64_t>, std::move_only_function<void()>> entries_;
};

}  // namespace sb::simulation
