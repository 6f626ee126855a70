#include "flow/engine.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/json.h"
#include "base/log.h"
#include "base/record_writer.h"
#include "flow/steps.h"

namespace sb::flow {

std::optional<Errc> refusal(std::string_view instance) {
  if (instance == kInboundGuard) return Errc::policy_denied;
  if (instance == kRunInput) return Errc::invalid_argument;
  return std::nullopt;
}

Engine::Engine(asio::io_context& io, EngineParts parts, EngineOptions options)
    : io_(io), parts_(std::move(parts)), options_(std::move(options)), parking_(options_.timers_near) {}
Engine::~Engine() = default;

Task<Result<>> Engine::drive(std::shared_ptr<LiveRun> run) {
  ++runs_;
  // What was refused, or is to stop, is only recorded.
  const bool is_gated = parts_.gate && !run->problem && run->wish == LiveRun::Wish::none;
  auto recorded = is_gated ? co_await take_place(*run, turn_of(*run)) : Result<>();
  if (recorded) recorded = co_await advance(*run);
  run->place.reset();
  if (auto tell = std::exchange(run->on_commit, {})) tell(recorded);
  live_.erase(run->row.id);
  --runs_;
  parts_.in_flight.leave(run->row.tenant, run->row.idempotency_key, run->pending);
  if (!recorded && run->stored) take_up_later(*run, recorded.error().code);
  co_return recorded;
}

Task<Result<>> Engine::advance(LiveRun& run) {
  SB_CO_CHECK(co_await adopt_tenant_tokens(run));
  if (!run.problem && !std::exchange(run.outside_asked, true)) {
    const auto outside = co_await ask_outside(run, policy::Direction::inbound);
    refuse_inbound(run, outside.verdict, outside.reasons);
  }
  while (!run.problem) {
    auto action = run.machine.next(parts_.clock.now_us());
    record_pure(run);
    if (run.problem) break;
    if (run.wish != LiveRun::Wish::none && !std::holds_alternative<Machine::Done>(action)) {
      if (run.wish == LiveRun::Wish::suspend) co_return co_await suspend(run);
      run.error_code = Errc::cancelled;
      run.problem = standard_problem("runtime", 499, "The run was cancelled", "", "/");
      break;
    }
    if (auto* done = std::get_if<Machine::Done>(&action)) {
      run.output = std::move(done->output);
      break;
    }
    if (auto* faulted = std::get_if<Machine::Faulted>(&action)) {
      run.problem = std::move(faulted->problem);
      break;
    }
    if (std::holds_alternative<Machine::Parked>(action)) {
      SB_CO_TRY(const bool at_rest, co_await park(run));
      if (at_rest) co_return Result<>();
      continue;
    }
    if (std::holds_alternative<Machine::Busy>(action)) {
      SB_CO_CHECK(co_await idle(run));
      continue;
    }
    const auto& due = std::get<Machine::Call>(action);
    if (is_outside(*due.task)) {
      SB_CO_CHECK(co_await begin_effect(run, due));
      continue;
    }
    SB_CO_CHECK(co_await answer_waiter(run));
    auto step = task_step(*due.task, due.attempt, parts_.clock.now_us());
    run.failure.reset();  // of a call that the flow has caught
    run.failed_call = {};
    auto result = co_await call(run, due);
    if (run.unrecorded) co_return std::unexpected(*run.unrecorded);
    step.ended_us = parts_.clock.now_us();
    step.cost = std::exchange(run.call_cost, 0);
    if (!result) {
      result = std::unexpected(treated(run, std::move(result.error())));
      step.error = to_text(result.error().to_json());
      record(run, std::move(step), std::exchange(run.failed_call, {}));
      if (run.streamed) {  // what the caller has begun to hear cannot become another answer
        run.problem = std::move(result.error());
        break;
      }
      run.machine.tick(parts_.clock.now_us());
      take_failure(run, due.id, std::move(result.error()), true);
      continue;
    }
    record(run, std::move(step), std::move(result->decision));
    if (run.problem) break;
    if (result->parked) {
      SB_CO_TRY(const bool at_rest, co_await park_for_person(run, due.id));
      if (at_rest) co_return Result<>();
      continue;
    }
    if (run.machine.due() != 0 || run.machine.observed()) run.machine.tick(parts_.clock.now_us());
    take_result(run, due.id, std::move(result->output));
  }
  co_return co_await finish(run);
}

Task<Result<>> Engine::finish(LiveRun& run) {
  live_.erase(run.row.id);  // nothing that it is told changes its end
  for (const auto& [id, source] : run.under_way) source->cancel();
  record_given(run);
  schedule_again(run);
  // A flow that went on, or answers otherwise after all: nobody else asked for that.
  auto& asked = run.model_call;
  if (!asked.answer || !run.output.same_as(*asked.answer)) asked.request_hash.reset();
  if (!run.problem) co_await guard_output(run);
  if (run.problem) run.problem = treated(run, *std::move(run.problem));
  const bool gone = run.problem && run.error_code == Errc::cancelled;
  const auto status = !run.problem ? store::RunStatus::completed
                      : gone       ? store::RunStatus::cancelled
                                   : store::RunStatus::faulted;
  const bool began = !run.problem || !refusal(run.problem->instance);
  run.row.state =
      status != store::RunStatus::completed && began && run.machine.stands() ? run.machine.checkpoint() : std::string();
  run.row.ended_us = parts_.clock.now_us();
  if (run.problem) {
    if (run.problem->instance.empty()) run.problem->instance = "/do";
    auto problem = run.problem->to_json();
    problem.get_object()["code"] = to_string(run.error_code);
    run.row.error = to_text(problem);
  } else {
    run.row.output = run.output.text();
    run.sealed_output = parts_.sealer.seal(run.data_key, run.row.id, place::kOutput, run.row.output);
  }
  mark_end(run, status);
  RecordWriter end;
  end.begin_object().member("cost_micro", run.row.cost);
  end.member("error", run.problem ? RecordText::ours(to_string(run.error_code)) : "");
  end.member("model", RecordText::configured(run.row.model)).member("route", RecordText::configured(run.row.route));
  end.member("status", RecordText::ours(store::to_string(status)));
  record_leaf(
      run, "run.end", std::move(end.end_object()).take(),
      run.sealed_output.empty() ? std::string() : Sealer::commitment(run.data_key, "output", run.sealed_output));
  std::optional<AnswerCache::Claim> claim;
  claim_answer(run, claim);
  SB_CO_CHECK(co_await commit(run, status));
  if (claim) remember_answer(run, *claim);
  ask_second_opinion(run);
  co_return Result<>();
}

Task<Result<>> Engine::accept(std::shared_ptr<LiveRun> run) {
  record_pure(*run);
  run->row.state = run->machine.checkpoint();
  co_return co_await commit(*run, store::RunStatus::running, true);
}

void Engine::spawn(std::shared_ptr<LiveRun> run) {
  asio::co_spawn(
      io_,
      [](Engine& engine, std::shared_ptr<LiveRun> live) -> Task<void> {
        const auto id = live->row.id.to_string();
        if (auto driven = co_await engine.drive(std::move(live)); !driven) {
          log_error("run.not_recorded",
                    {{"run", id}, {"code", to_string(driven.error().code)}, {"detail", driven.error().detail}});
        }
      }(*this, std::move(run)),
      asio::detached);
}

}  // namespace sb::flow
