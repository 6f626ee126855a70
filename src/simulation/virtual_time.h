/// Time that passes only when nothing is left to do.
///
/// On the thread that makes it, std::chrono::steady_clock::now() and every Asio timer are virtual from then on: the
/// linker's --wrap puts it in place of the clock and of timerfd_settime, by which Asio's reactor waits. Other threads
/// (the store's, the log's) keep the machine's time. One at a time on a thread; now_us() from any thread.
#pragma once

#include <sys/timerfd.h>

#include <atomic>
#include <chrono>
#include <map>
#include <optional>

#include "base/clock.h"

namespace sb::simulation {

class VirtualTime final : public Clock {
 public:
  explicit VirtualTime(Micros start_us);
  ~VirtualTime() override;
  VirtualTime(const VirtualTime&) = delete;
  VirtualTime& operator=(const VirtualTime&) = delete;

  Micros now_us() const override { return steady_us_ + offset_us_; }
  std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(std::chrono::microseconds(steady_us_));
  }
  Micros steady_us() const { return steady_us_; }

  /// Somebody sets the machine's wall clock. Timers do not notice.
  void jump(std::chrono::microseconds by) { offset_us_ += by.count(); }
  /// When the first timer is due, by steady_us(); nothing: none is set.
  std::optional<Micros> next_timer() const;
  /// Moves to `steady_us` and makes the timers that are due then known to their reactors. REQUIRES that it is not past.
  void advance_to(Micros steady_us);
  /// All io_contexts of a process are gone, and their timers with them.
  void forget_timers() { timers_.clear(); }

  /// The machine's time on this thread, for as long as it lives: for who waits for other threads.
  class RealTime {
   public:
    RealTime();
    ~RealTime();
    RealTime(const RealTime&) = delete;
    RealTime& operator=(const RealTime&) = delete;

   private:
    VirtualTime* const before_;
  };

  /// For the shim of timerfd_settime.
  int set_timer(int file, int flags, const itimerspec& wanted);

 private:
  std::atomic<Micros> steady_us_{1'000'000'000};
  std::atomic<Micros> offset_us_;
  std::map<int, Micros> timers_;  ///< by descriptor: when it is due
};

}  // namespace sb::simulation
