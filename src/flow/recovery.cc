// Runs that a stopped server, or a full disk, left open are taken up again.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/log.h"
#include "flow/engine.h"

namespace sb::flow {

void Engine::recover(const std::vector<RunId>& runs) {
  to_recover_.insert(to_recover_.end(), runs.begin(), runs.end());
  for (std::size_t i = 0; i < runs.size() && recovering_ < options_.recover_in_parallel; ++i) {
    ++recovering_;
    asio::co_spawn(io_, recover_some(), asio::detached);
  }
}

Task<void> Engine::recover_some() {
  while (!to_recover_.empty()) {
    const RunId id = to_recover_.front();
    to_recover_.pop_front();
    if (!co_await recover_one(id)) co_return;
  }
  --recovering_;
}

// Those that it waits for may be among those that are still to be taken up.
void Engine::give_slot(LiveRun& run) {
  if (std::exchange(run.has_slot, false)) asio::co_spawn(io_, recover_some(), asio::detached);
}

Task<bool> Engine::recover_one(RunId id) {
  const bool found_no_room = unrecorded_.erase(id) > 0;
  if (parts_.in_flight.find(id)) co_return true;  // it began here, after the restart
  auto row = co_await store::read_patiently([&] { return parts_.store.load_run(id); });
  // Woken meanwhile, it may have found no room again while it was still to be taken up from the time before.
  if (found_no_room && row && row->status == store::RunStatus::waiting) watch_timers();
  if (row && (parts_.in_flight.find(id) ||
              (row->status != store::RunStatus::running && row->status != store::RunStatus::pending)))
    co_return true;
  if (!row) {
    log_error("run.not_resumed",
              {{"run", id.to_string()}, {"code", to_string(row.error().code)}, {"detail", row.error().detail}});
    co_return true;
  }
  const std::string tenant = row->tenant, key = row->idempotency_key;
  auto entry = parts_.in_flight.enter(tenant, key, id, row->request_hash);
  // A retry that is looking for this very run may hold the key for a moment.
  if (!entry.owner) entry = parts_.in_flight.enter(tenant, {}, id, row->request_hash);
  if (!entry.owner) co_return true;  // somebody took it up
  auto run = resume(*std::move(row), entry.pending);
  if (!run) {
    log_error("run.not_resumed",
              {{"run", id.to_string()}, {"code", to_string(run.error().code)}, {"detail", run.error().detail}});
    parts_.in_flight.leave(tenant, key, entry.pending);
    co_return true;
  }
  log_info("run.resumed", {{"run", id.to_string()},
                           {"step", (*run)->next_step},
                           {"gap_ms", (parts_.clock.now_us() - (*run)->row.updated_us) / 1000}});
  if (found_no_room) {
    // A call whose outcome cannot be recorded would only be paid: first it must be clear that there is room.
    if (auto room = co_await accept(*run); !room) {
      parts_.in_flight.leave(tenant, key, entry.pending);
      take_up_later(**run, room.error().code);
      co_return true;
    }
  }
  (*run)->has_slot = true;
  if (auto driven = co_await drive(*run); !driven) {
    log_error("run.not_recorded",
              {{"run", id.to_string()}, {"code", to_string(driven.error().code)}, {"detail", driven.error().detail}});
  }
  co_return (*run)->has_slot;
}

void Engine::take_up_later(const LiveRun& run, Errc why) {
  if (why != Errc::disk_full && why != Errc::unavailable) return;
  if (!unrecorded_.insert(run.row.id).second) return;
  asio::co_spawn(
      io_,
      [](Engine& engine, RunId id) -> Task<void> {
        asio::steady_timer pause(engine.io_, engine.options_.record_again);
        co_await pause.async_wait(use_task);
        engine.recover({id});
        engine.watch_timers();  // where nothing was recorded since it was woken, it is at rest still
      }(*this, run.row.id),
      asio::detached);
}

}  // namespace sb::flow
