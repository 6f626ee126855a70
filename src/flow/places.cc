// A run's place at work: asked for before it goes on, given back while it rests or waits for runs that it started.
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>

#include <algorithm>

#include "flow/engine.h"

namespace sb::flow {
namespace {

constexpr std::chrono::hours kNobodySaysWhen{1};

std::string flow_at_work(const Flow& flow) {
  return flow.ns + "/" + flow.name;
}

}  // namespace

bool Engine::takes(std::string_view tenant, const Flow& flow) {
  return !parts_.gate || parts_.gate->takes(tenant, flow_at_work(flow));
}

Error Engine::queue_full() {
  return Error(Errc::rate_limited,
               "as many runs of the tenant wait for their turn as may (flows.at_work.queue); try again");
}

// Who waits for a commit, not for the run, is answered first: the queue may be long. An event that comes meanwhile, or
// a person's wish, finds the run here.
Task<Result<>> Engine::take_place(LiveRun& run, WorkGate::Turn turn) {
  const auto told = [&io = io_, waits = run.weak_from_this()] {
    asio::post(io, [waits] {
      if (const auto live = waits.lock(); live && live->signal) live->signal->cancel();
    });
  };
  run.place = parts_.gate->join(run.row.tenant, flow_at_work(run.machine.flow()), turn, run.row.created_us, told);
  if (run.place->at_work()) co_return Result<>();
  give_slot(run);
  SB_CO_CHECK(co_await answer_waiter(run));
  live_[run.row.id] = &run;
  // A caller who hangs up, and does not mean to come back, waits no more.
  const CancelRegistration hung_up(run.finish_without_caller ? nullptr : run.cancel, [&run] {
    run.wish = LiveRun::Wish::cancel;
    if (run.signal) run.signal->cancel();
  });
  while (!run.place->at_work() && run.wish == LiveRun::Wish::none) {
    if (!run.signal) run.signal.emplace(io_);
    run.signal->expires_after(kNobodySaysWhen);
    boost::system::error_code ignored;
    co_await run.signal->async_wait(asio::redirect_error(use_task, ignored));
  }
  co_return Result<>();
}

// What was taken up from the store was at work before, or waited already.
WorkGate::Turn Engine::turn_of(const LiveRun& run) {
  return run.row.epoch == LeaseEpoch{1} ? WorkGate::Turn::last : WorkGate::Turn::first;
}

// Children take places like all runs. Were their parent to keep its own meanwhile, they could wait for each other.
void Engine::lend_place(LiveRun& run) {
  if (run.is_idle && run.children_awaited > 0 && run.children_awaited == run.under_way.size()) run.place.reset();
}

Task<Result<>> Engine::idle(LiveRun& run) {
  run.is_idle = true;
  lend_place(run);
  co_await next_result(run);
  run.is_idle = false;
  if (run.unrecorded) co_return std::unexpected(*run.unrecorded);
  if (parts_.gate && !run.place) co_return co_await take_place(run, WorkGate::Turn::first);
  co_return Result<>();
}

}  // namespace sb::flow
