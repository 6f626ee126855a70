// Runs at rest whose time comes: the next ones in memory, all of them in the store.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/log.h"
#include "flow/engine.h"

namespace sb::flow {
namespace {

constexpr std::chrono::hours kAlarmMost{1};
constexpr std::size_t kWakingMost = 64;  // that are being read: the store has other readers
constexpr Micros kAgain = 10'000;        // a run that is still on its way to rest, or is being offered an event

}  // namespace

void Engine::watch_timers() {
  parking_.expect_store();
  set_alarm();
}

void Engine::set_timer(RunId run, Micros due_us) {
  parking_.set(run, due_us);
  set_alarm();
}

void Engine::set_alarm() {
  if (parking_.wants_page()) asio::co_spawn(io_, load_timers(), asio::detached);
  const Micros due = parking_.next_due();
  if (due == 0 || waking_ >= kWakingMost) return;
  if (!alarm_) alarm_.emplace(io_);
  const std::chrono::microseconds left(std::max<Micros>(due - parts_.clock.now_us(), 0));
  alarm_->expires_after(std::min<std::chrono::steady_clock::duration>(kAlarmMost, left));
  alarm_->async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    while (waking_ < kWakingMost) {
      const auto id = parking_.take_due(parts_.clock.now_us());
      if (!id) break;
      ++waking_;
      asio::co_spawn(io_, wake(*id), asio::detached);
    }
    set_alarm();
  });
}

Task<void> Engine::load_timers() {
  if (!parking_.wants_page()) co_return;
  const store::Timer after = parking_.begin_page();
  const auto page = co_await store::read_patiently([&] { return parts_.store.timers(after, options_.timers_near); });
  if (page) {
    parking_.end_page(*page, [&](const RunId& run) { return !parts_.events || parts_.events->owns(*this, run); });
  } else {
    parking_.drop_page();
    log_error("timers.not_read", {{"code", to_string(page.error().code)}, {"detail", page.error().detail}});
    co_return;  // the next timer that is set tries again
  }
  set_alarm();
}

Task<void> Engine::wake(RunId id) {
  auto run = co_await take_up(id, [](const store::RunRow& row) { return row.status == store::RunStatus::waiting; });
  if (!run) {
    log_error("run.not_resumed",
              {{"run", id.to_string()}, {"code", to_string(run.error().code)}, {"detail", run.error().detail}});
  }
  if (run && !*run && parts_.in_flight.find(id)) {
    const auto row = co_await store::read_patiently([&] { return parts_.store.load_run(id); });
    if (row && row->status == store::RunStatus::waiting) parking_.set(id, parts_.clock.now_us() + kAgain);
  }
  --waking_;
  set_alarm();
  if (run && *run) spawn(*std::move(run));
}

}  // namespace sb::flow
