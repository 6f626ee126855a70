#include "simulation/virtual_time.h"

#include <algorithm>

#include "base/errors.h"

namespace sb::simulation {
namespace {

thread_local VirtualTime* t_virtual = nullptr;  // the clock and the reactor ask without a place for it

constexpr itimerspec kAtOnce{{0, 0}, {0, 1}};  // with TFD_TIMER_ABSTIME: long past
constexpr itimerspec kDisarmed{{0, 0}, {0, 0}};

}  // namespace

extern "C" {
// A time_point is one integer, and comes back as one.
std::int64_t __real__ZNSt6chrono3_V212steady_clock3nowEv();
int __real_timerfd_settime(int file, int flags, const itimerspec* wanted, itimerspec* before);

std::int64_t __wrap__ZNSt6chrono3_V212steady_clock3nowEv() {
  return t_virtual ? t_virtual->steady().time_since_epoch().count() : __real__ZNSt6chrono3_V212steady_clock3nowEv();
}

int __wrap_timerfd_settime(int file, int flags, const itimerspec* wanted, itimerspec* before) {
  return t_virtual ? t_virtual->set_timer(file, flags, *wanted) : __real_timerfd_settime(file, flags, wanted, before);
}
}

static_assert(sizeof(std::chrono::steady_clock::time_point) == sizeof(std::int64_t));

VirtualTime::VirtualTime(Micros start_us) : offset_us_(start_us - steady_us_) {
  SB_ASSERT(t_virtual == nullptr);
  t_virtual = this;
}

VirtualTime::~VirtualTime() {
  t_virtual = nullptr;
}

std::optional<Micros> VirtualTime::next_timer() const {
  const auto first = std::ranges::min_element(timers_, {}, [](const auto& timer) { return timer.second; });
  return first == timers_.end() ? std::nullopt : std::optional(first->second);
}

void VirtualTime::advance_to(Micros steady_us) {
  SB_ASSERT(steady_us >= steady_us_);
  steady_us_ = steady_us;
  for (auto timer = timers_.begin(); timer != timers_.end();) {
    if (timer->second > steady_us) {
      ++timer;
      continue;
    }
    SB_ASSERT(__real_timerfd_settime(timer->first, TFD_TIMER_ABSTIME, &kAtOnce, nullptr) == 0);
    timer = timers_.erase(timer);
  }
}

// Asio asks for a time from now, or, with a moment that is long past, for at once.
int VirtualTime::set_timer(int file, int flags, const itimerspec& wanted) {
  if ((flags & TFD_TIMER_ABSTIME) != 0) {
    timers_.erase(file);
    return __real_timerfd_settime(file, flags, &wanted, nullptr);
  }
  const Micros left = Micros{wanted.it_value.tv_sec} * 1'000'000 + (wanted.it_value.tv_nsec + 999) / 1'000;
  timers_[file] = steady_us_ + left;
  return __real_timerfd_settime(file, 0, &kDisarmed, nullptr);
}

VirtualTime::RealTime::RealTime() : before_(t_virtual) {
  t_virtual = nullptr;
}

VirtualTime::RealTime::~RealTime() {
  t_virtual = before_;
}

}  // namespace sb::simulation
