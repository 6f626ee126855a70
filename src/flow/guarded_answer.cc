// What a model, a script or a person answers, and what a provider says that fails, passes the policy.
#include <fmt/format.h>

#include "flow/engine.h"
#include "flow/function_problems.h"
#include "flow/steps.h"

namespace sb::flow {

Task<std::expected<Engine::CallResult, Problem>> Engine::answer_guarded(LiveRun& run, std::string body,
                                                                        CallResult result) {
  auto guarded = guard_answer(run, std::move(body), std::move(result));
  if (!guarded) co_return guarded;
  if (const auto outside = co_await ask_outside(run, policy::Direction::outbound);
      outside.verdict >= policy::Verdict::human) {
    co_return blocked(run, fmt::format("the answer contains what the policy blocks: {}", outside.reasons));
  }
  co_return guarded;
}

std::expected<Engine::CallResult, Problem> Engine::guard_answer(LiveRun& run, std::string body, CallResult result) {
  auto step = guard_step("guard.outbound", policy::Direction::outbound, parts_.clock.now_us());
  auto guarded = run.guard.inspect(policy::Direction::outbound, std::move(body), policy::JsonProfile::chat_response);
  step.ended_us = parts_.clock.now_us();
  if (!guarded) {
    run.error_code = Errc::upstream_invalid;
    return std::unexpected(problem_of(guarded.error(), "The answer could not be guarded"));
  }
  record(run, std::move(step), std::move(guarded->decision));
  auto& asked = run.model_call;
  asked.found = !guarded->types.empty();
  asked.formless = guarded->misformed && guarded->verdict == policy::Verdict::block;
  if (!asked.repaired && !guarded->repair.empty() && guarded->verdict == policy::Verdict::block)
    asked.correction = {std::move(guarded->repair), guarded->content};
  if (guarded->verdict >=
      policy::Verdict::human) {  // nobody can be asked any more: what a person should see first is not said
    return blocked(run, fmt::format("the answer contains what the policy blocks: {}", guarded->reasons()));
  }
  result.output = run.passed = std::move(guarded->content);
  run.passed_as_answer = true;
  return result;
}

// Services of the operator's own decide about what was guarded last.
Task<Engine::OutsideAnswer> Engine::ask_outside(LiveRun& run, policy::Direction direction) {
  auto due = run.guard.take_outside(direction);
  OutsideAnswer answer;
  if (due.checks.empty()) co_return answer;
  if (direction == policy::Direction::inbound) (void)co_await answer_waiter(run);
  auto step = guard_step("guard.outside", direction, parts_.clock.now_us());
  std::vector<policy::CheckResult> results;
  for (const auto& check : due.checks) {
    if (parts_.outside)
      results.push_back(co_await parts_.outside->ask(check, direction, due.texts));
    else
      results.push_back({check.get(), 1, true, "no answer", {}});
  }
  step.ended_us = parts_.clock.now_us();
  RecordJson decision;
  answer.verdict = run.guard.conclude(direction, results, decision);
  for (const auto& result : results) {
    if (!result.objects) continue;
    answer.reasons += fmt::format("{}check {}: {}", answer.reasons.empty() ? "" : ", ", result.check->name,
                                  result.complaint.empty() ? result.label : result.complaint);
  }
  record(run, std::move(step), std::move(decision));
  co_return answer;
}

// A provider's own words may repeat what it was sent, or say worse: they pass the policy like an answer, or are left
// out.
void Engine::guard_failure(LiveRun& run, model::Failure failure) {
  if (!failure.body.empty()) {
    auto guarded = run.guard.inspect(policy::Direction::outbound, std::move(failure.body), policy::JsonProfile::any);
    failure.body = guarded && guarded->verdict < policy::Verdict::human ? run.guard.restore(guarded->content.text())
                                                                        : std::string();
  }
  // A header is passed on as it is or not at all.
  const auto may_pass = [&](const std::string& value) {
    const auto guarded = guard_json(run, to_text(json::value(value)));
    return guarded && guarded->verdict == policy::Verdict::allow;
  };
  if (!failure.retry_after.empty() && !may_pass(failure.retry_after)) failure.retry_after.clear();
  http::Headers headers;
  for (const auto& [name, value] : failure.headers) {
    if (may_pass(value)) headers.add(name, value);
  }
  failure.headers = std::move(headers);
  run.failure = std::move(failure);
}

}  // namespace sb::flow
