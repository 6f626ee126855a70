// What a flow says itself: a request to a model in its own words, a value to guard or to validate.
#include <fmt/format.h>

#include "base/record_writer.h"
#include "flow/engine.h"
#include "flow/function_problems.h"
#include "flow/steps.h"
#include "policy/guards/json_schema.h"

namespace sb::flow {

// Asked for its verdict, it stops nothing: that is the flow's to do.
std::expected<Engine::CallResult, Problem> Engine::guard_value(LiveRun& run, const Machine::Call& call) {
  const auto direction =
      string_member(call.with, "direction") == "inbound" ? policy::Direction::inbound : policy::Direction::outbound;
  const json::value held(json::array{*find_member(call.with, "value")});  // any value: numbers and words alone too
  auto passed = run.guard.treat(direction, to_text(held));
  if (!passed) return blocked(run, fmt::format("the value could not be looked at: {}", passed.error().detail));
  const bool may_pass = passed->verdict < policy::Verdict::human;
  json::array types;
  for (const auto type : passed->types) types.push_back(json::string(type));
  CallResult result;
  result.output =
      Data(json::object{{"value", may_pass ? passed->content.value().as_array().front() : json::value(nullptr)},
                        {"verdict", policy::to_string(passed->verdict)},
                        {"types", std::move(types)}});
  result.decision = std::move(passed->decision);
  return result;
}

std::expected<Engine::CallResult, Problem> Engine::validate(LiveRun& run, const Machine::Call& call) {
  const auto refused = [&](std::string_view member, std::string detail) {
    run.error_code = Errc::invalid_argument;
    return std::unexpected(standard_problem("validation", 400, "The value does not have the shape", std::move(detail),
                                            fmt::format("{}/with/{}", call.task->ref, member)));
  };
  const auto schema = policy::JsonSchema::compile(*find_member(call.with, "schema"));
  if (!schema) return refused("schema", schema.error().detail);
  const auto& value = *find_member(call.with, "value");
  if (const auto wrong = (*schema)->first_fault(value)) return refused("value", wrong->to_string());
  CallResult result;
  RecordWriter decision;
  decision.begin_object().member("chosen", "valid").member("kind", "validate").end_object();
  result.decision = std::move(decision).take();
  result.output = Data(value);
  return result;
}

Task<std::expected<Engine::CallResult, Problem>> Engine::ask_in_own_words(LiveRun& run, const Machine::Call& call) {
  run.guard.set_aside();
  auto answer = co_await own_request(run, call);
  run.guard.take_back();
  co_return answer;
}

// The guard's step is committed with the call's: after a crash between, it is made once more with it.
Task<std::expected<Engine::CallResult, Problem>> Engine::own_request(LiveRun& run, const Machine::Call& call) {
  const bool embed = std::get<CallTask>(call.task->body).function == "embed";
  auto step = guard_step("guard.inbound", policy::Direction::inbound, parts_.clock.now_us());
  auto passed = run.guard.inspect(policy::Direction::inbound, to_text(call.with),
                                  embed ? policy::JsonProfile::any : policy::JsonProfile::chat_request);
  step.ended_us = parts_.clock.now_us();
  if (!passed)
    co_return blocked(run, fmt::format("what the flow asks could not be looked at: {}", passed.error().detail));
  std::string reasons = passed->verdict >= policy::Verdict::human ? passed->reasons() : std::string();
  if (reasons.empty()) {
    auto outside = co_await ask_outside(run, policy::Direction::inbound);
    if (outside.verdict >= policy::Verdict::human) reasons = std::move(outside.reasons);
  }
  if (!reasons.empty()) {
    record(run, std::move(step), std::move(passed->decision));
    co_return blocked(run, fmt::format("what the flow asks contains what the policy blocks: {}", reasons));
  }
  run.all_large_others = run.row.cost_all_large;
  auto answer = co_await model_call(run, call, std::move(passed->content));
  run.all_large_others = run.row.cost_all_large;
  record(run, std::move(step), std::move(passed->decision));
  co_return answer;
}

}  // namespace sb::flow
