#include "server/erasures.h"

#include <boost/asio/steady_timer.hpp>

#include "api/erasure.h"
#include "base/log.h"

namespace sb::server {
namespace {

constexpr std::chrono::seconds kLookEvery{5};

void tell_unfinished(const Error& error) {
  log_error("erasure.not_finished", {{"code", to_string(error.code)}, {"detail", error.detail}});
}

// Whoever is at the gate carries out its own: what is left then belongs to nobody. One that was held meanwhile waits
// until it is free.
Task<Result<>> finish_erasures(Services& services) {
  SB_CO_TRY(const auto seen, co_await api::unfinished_erasures(*services.store));
  if (seen.empty()) co_return Result<>();
  SB_CO_TRY(const auto pass, co_await services.changes.enter());
  SB_CO_TRY(const auto orders, co_await api::unfinished_erasures(*services.store));
  for (const api::ErasureOrder& order : orders) {
    const auto hold = co_await api::hold_on(*services.store, order.scope);
    if (hold && *hold) continue;
    api::Erasure erasure(*services.store, services.in_flight, system_clock(), order);
    const auto outcome = hold ? co_await erasure.run() : std::unexpected(hold.error());
    if (!outcome) {  // those behind it can be carried out all the same
      tell_unfinished(outcome.error());
      continue;
    }
    log_info("erasure.finished", {{"erasure", order.id}, {"runs", outcome->runs}, {"runs_open", outcome->open}});
    (void)co_await services.store->scrub();  // where it fails it is owed
  }
  co_return Result<>();
}

}  // namespace

Task<void> keep_erasures(Services& services) {
  asio::steady_timer pause(co_await asio::this_coro::executor);
  for (;;) {
    const auto finished = co_await finish_erasures(services);
    if (!finished) tell_unfinished(finished.error());
    pause.expires_after(kLookEvery);
    co_await pause.async_wait(use_task);
  }
}

}  // namespace sb::server
