// A model's answer to the caller while it is made: each delta through the policy, and into the run's journal.
#include <fmt/format.h>

#include "flow/call_decision.h"
#include "flow/chat_completion.h"
#include "flow/engine.h"
#include "flow/function_problems.h"
#include "flow/steps.h"

namespace sb::flow {
namespace {

/// Why the answer ends with this piece; nothing: what may be said of it is in `ready`.
std::optional<Problem> police(LiveRun& run, policy::ChatStreamGuard& guard,
                              const Result<std::optional<std::string>>& piece, std::vector<std::string>& ready) {
  ready.clear();
  if (!piece) {
    run.error_code = piece.error().code;
    return problem_of(piece.error(), "The answer broke off");
  }
  auto passed = *piece ? guard.feed(**piece) : guard.finish();
  if (passed && guard.verdict() < policy::Verdict::human) {
    ready = *std::move(passed);
    return std::nullopt;
  }
  run.error_code = passed ? Errc::policy_denied : passed.error().code;
  return problem_of(passed ? Error(Errc::policy_denied, "the answer contains what the policy blocks") : passed.error(),
                    "Blocked by policy");
}

}  // namespace

// The wait for its beginning may be long, and needs little: the rest has a coroutine of its own.
Task<std::expected<Engine::CallResult, Problem>> Engine::streamed_answer(LiveRun& run, const model::Target& target,
                                                                         model::ChatCall call) {
  const Micros before = parts_.clock.now_us();
  auto started = co_await parts_.gateway.chat_stream(target, call);
  run.upstream_us += parts_.clock.now_us() - before;
  if (started) co_return co_await relay(run, target, std::move(*started), before);
  co_return std::unexpected(not_answered(run, target, Asked::streamed_chat, std::move(started.error())));
}

Task<std::expected<Engine::CallResult, Problem>> Engine::relay(LiveRun& run, const model::Target& target,
                                                               std::unique_ptr<model::GatewayStream> started,
                                                               Micros before) {
  auto& stream = *started;
  run.row.model = parts_.catalog.deployments()[stream.deployment()].name;
  note_route(run, target);
  auto guard = run.guard.stream();
  const auto restorer = run.guard.stream_restorer();
  CompletionAssembler assembled;
  std::optional<Problem> problem;
  std::string batch;
  std::uint64_t batch_first = run.events;
  std::vector<std::string> ready;
  std::size_t answer_bytes = 0;
  const auto caller_gone = [&](const Error& error) {
    run.audience = nullptr;
    if (run.finish_without_caller) return;
    run.error_code = Errc::cancelled;
    problem = problem_of(error, "The caller went away");
  };
  for (bool more = true; more && !problem;) {
    const auto piece = co_await stream.next();
    problem = police(run, guard->guard(), piece, ready);
    if (!piece) guard_failure(run, stream.failure());
    more = !piece || piece->has_value();
    for (const auto& payload : ready) {
      answer_bytes += payload.size();
      if (answer_bytes > options_.answer_bytes_max) {
        run.error_code = Errc::too_large;
        problem = problem_of(
            Error(Errc::too_large, fmt::format("the answer is longer than {} bytes", options_.answer_bytes_max)),
            "The answer broke off");
        break;
      }
      if (!batch.empty()) batch += '\n';
      batch += payload;
      assembled.add(payload);
      run.streamed = true;
      const auto id = run.events++;
      if (!run.audience) continue;
      const std::string restored = restorer ? restorer->restore(payload) : std::string();
      auto sent = co_await run.audience->event(id, restored.empty() ? payload : restored);
      if (!sent) caller_gone(sent.error());
      if (problem) break;
    }
    if (run.audience && !problem && !stream.is_ready()) {
      if (auto sent = co_await run.audience->flush(); !sent) caller_gone(sent.error());
    }
    if (!more && !problem) batch += batch.empty() ? kStreamEnd : "\n" + std::string(kStreamEnd);
    if (batch.size() >= options_.stream_batch_bytes || (!batch.empty() && (problem || !more))) {
      run.chunks.push_back(
          {batch_first, parts_.sealer.seal(run.data_key, run.row.id, place::chunk(batch_first), batch)});
      batch.clear();
      batch_first = run.events;
      if (run.durability == Durability::sync && more && !problem) (void)co_await flush_chunks(run);
    }
  }
  run.call_cost = stream.cost();
  count_saving(run, stream.usage());
  run.model_call.usage = stream.usage();
  run.model_call.found = !guard->guard().findings().empty() || !guard->unrecorded().empty();
  auto step = guard_step("guard.outbound", policy::Direction::outbound, before);
  step.ended_us = parts_.clock.now_us();
  record(run, std::move(step), run.guard.stream_decision(*guard));
  CallResult result;
  result.decision = call_decision(Asked::streamed_chat, run.row.model, parts_.catalog, target, stream.attempts());
  if (problem) {
    run.failed_call = std::move(result.decision);
    co_return std::unexpected(*std::move(problem));
  }
  result.output = run.passed = Data::from_text(assembled.finish(stream.usage()));
  run.passed_as_answer = true;
  co_return result;
}

Task<Result<>> Engine::flush_chunks(LiveRun& run) {
  store::Commit commit;
  commit.durability = store::Durability::async;
  commit.run = run.row.id;
  commit.chunks = std::exchange(run.chunks, {});
  co_return co_await parts_.store.commit(std::move(commit));
}

}  // namespace sb::flow
