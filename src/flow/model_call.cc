// `call: chat | embed`: which model is asked, what that may cost, and its answer as a whole.
#include "flow/model_call.h"

#include <fmt/format.h>

#include <algorithm>

#include "flow/call_decision.h"
#include "flow/chat_completion.h"
#include "flow/engine.h"
#include "flow/function_problems.h"

namespace sb::flow {
namespace {

/// Whether an embedding is asked of numbers of tokens in place of texts.
bool has_token_ids(const json::value& request) {
  const auto* input = find_member(request, "input");
  const auto is_token = [](const json::value& item) { return item.is_number(); };
  return input && input->is_array() && std::ranges::any_of(input->get_array(), [&](const json::value& item) {
           return is_token(item) || (item.is_array() && std::ranges::any_of(item.get_array(), is_token));
         });
}

/// The request again, with the answer that did not do and why.
std::string repair_request(const Data& request, std::string_view complaint, const Data& answer) {
  json::value again = request.value();
  auto* messages = again.is_object() ? again.get_object().if_contains("messages") : nullptr;
  if (!messages || !messages->is_array()) return request.text();
  messages->get_array().push_back(json::object{{"role", "assistant"}, {"content", answer_text(answer.value())}});
  messages->get_array().push_back(json::object{
      {"role", "user"},
      {"content", fmt::format("Your answer does not have the required form: {}. Answer again, with the corrected JSON "
                              "and nothing else.",
                              complaint)}});
  return to_text(again);
}

/// The answer of this call is the run's answer unchanged, so its deltas may go to the caller while it runs.
bool answers_the_run(const TaskNode& task, const Flow& flow) {
  const bool last =
      !flow.root.tasks.empty() && &flow.root.tasks.back() == &task && task.then.kind == Transition::Kind::next;
  return !task.output_as && !flow.output_as && (task.then.kind == Transition::Kind::end || last);
}

}  // namespace

// Who is asked; `local`: its part that may be, where no other model may see the request.
std::expected<const model::Target*, Problem> Engine::target_of(LiveRun& run, std::string wanted,
                                                               std::optional<model::Target>& local) {
  if (run.needs_person) {
    return blocked(run, "the policy asks for a person before a model may see this, and the flow has asked none");
  }
  if (run.row.route == "small" && wanted == "script") wanted = "small";
  const auto target = parts_.catalog.resolve(wanted);
  if (!target) {
    // A tier that triage chose is the server's own gap, not the caller's mistake.
    const bool ours = wanted != run.requested_model;
    const Error error =
        ours
            ? Error(Errc::unavailable,
                    fmt::format("no model is configured for tier `{}`: add it under `tiers` in signalbox.yaml", wanted))
            : target.error();
    run.error_code = error.code;
    run.error_param = error.param;
    return std::unexpected(problem_of(error, "Unknown model"));
  }
  if (run.guard.needs_local()) {
    local = parts_.catalog.local_part(**target);
    if (local->groups.empty()) {
      return blocked(run, "the policy allows local models alone, and none is marked `local: true`");
    }
  }
  const model::Target& asked = local ? *local : **target;
  if ((local || wanted != run.requested_model) && run.guard.asks_for_the_model() &&
      !run.guard.was_held_against(parts_.catalog.names_of(asked))) {
    return blocked(run,
                   fmt::format("the policy has rules for {} that the request was not held against: it did not name "
                               "that model",
                               asked.name));
  }
  return &asked;
}

Task<std::expected<Engine::CallResult, Problem>> Engine::model_call(LiveRun& run, const Machine::Call& call,
                                                                    std::optional<Data> own_words) {
  std::optional<model::Target> local;
  const auto target = target_of(run, std::string(string_member(call.with, "model", run.requested_model)), local);
  if (!target) co_return std::unexpected(target.error());
  const model::Target& asked = **target;
  const bool embed = std::get<CallTask>(call.task->body).function == "embed";
  const Data request = own_words ? *own_words : run.input;
  if (embed && run.guard.treats_requests() && has_token_ids(request.value())) {
    run.error_code = Errc::policy_denied;
    run.error_param = "input";
    const Error denied(Errc::policy_denied,
                       "`input` holds numbers of tokens, which the policy cannot look at; send the text itself");
    co_return std::unexpected(problem_of(denied, "Blocked by policy"));
  }
  auto& ours = run.model_call = {.request = request, .own_words = own_words.has_value()};
  const bool looked_at = is_looked_at(*call.task, run.machine.flow());
  if (!embed && !own_words && (looked_at || answers_the_run(*call.task, run.machine.flow())))
    ours.request_hash = repeatable(run, *call.task, asked);
  if (ours.request_hash) {
    auto again = run.cache.no_cache ? std::nullopt : co_await answer_again(run, *call.task, asked);
    count_cache(run.cache.no_cache ? CacheOutcome::bypass
                : !again           ? CacheOutcome::miss
                : ours.alike       ? CacheOutcome::semantic
                                   : CacheOutcome::hit);
    if (again) {
      note_route(run, asked);
      std::string text = again->output.text();
      co_return co_await answer_guarded(run, std::move(text), *std::move(again));
    }
  }
  // Before an effect outside: on disk that it was going to happen, so that a crash finds it again.
  if (owes_checkpoint(run)) {
    run.row.state = run.machine.checkpoint();
    if (auto written = co_await commit(run, store::RunStatus::running); !written) {
      run.error_code = written.error().code;
      co_return std::unexpected(problem_of(written.error(), "The run could not be recorded"));
    }
  }
  auto reserved = reserve(run, asked);
  if (!reserved) {
    run.error_code = reserved.error().code;
    co_return std::unexpected(problem_of(reserved.error(), "The budget is spent"));
  }
  // A task that is done again, in a loop or by `then`, asks anew: its key is another.
  const std::string key = fmt::format("{}-{}-{}", run.row.id.to_string(), call.task->name, call.id);
  model::ChatCall chat;
  chat.body = ours.request.text();
  chat.want_usage = run.include_usage;
  chat.idempotency_key = key;
  chat.request_id = run.request_id;
  chat.cancel = run.finish_without_caller ? nullptr : run.cancel;
  run.guard.let_go_of_user_text();
  chat.stream = !embed && run.stream && run.audience && !run.guard.holds_answers() &&
                answers_the_run(*call.task, run.machine.flow());
  auto answer =
      chat.stream ? co_await streamed_answer(run, asked, chat) : co_await whole_answer(run, asked, chat, embed);
  if (!answer && ours.correction) answer = co_await repaired_answer(run, asked, chat);
  if (!answer && looked_at && ours.formless && looks_for(run, triage::AnswerFault::schema)) answer = formless(run);
  reserved->settle(run.call_cost);
  run.owes = true;
  if (answer)
    ours.answer = answer->output;
  else
    ours.request_hash.reset();
  co_return answer;
}

Result<Reservation> Engine::reserve(const LiveRun& run, const model::Target& target) {
  if (!run.spender) return Reservation();
  const MicroMoney limit = parts_.spend_limit ? parts_.spend_limit(*run.spender) : 0;
  MicroMoney most = 0;
  if (limit != 0) {
    constexpr std::int64_t kOutputTokens = 4096;  // where the request sets no limit of its own
    const auto& request = run.model_call.request.value();
    const auto asked = int_member(request, "max_completion_tokens", int_member(request, "max_tokens", kOutputTokens));
    const auto input = model::estimate_input_tokens(run.model_call.request.text());
    const model::Usage read{input, 0, 0, true};
    const model::Usage worst{
        input, 0, std::max<std::int64_t>(1, asked) * std::max<std::int64_t>(1, int_member(request, "n", 1)), true};
    // One attempt answers; each before it may have been read, and is billed for that (a time limit).
    MicroMoney read_in_vain = 0;
    for (const auto& group : target.groups) {
      for (const auto& candidate : group) {
        const auto& deployment = parts_.catalog.deployments()[candidate.deployment];
        const auto tries = parts_.catalog.providers()[deployment.provider].retries.attempts_max;
        most = std::max(most, model::cost_of(worst, deployment.price));
        read_in_vain += tries * model::cost_of(read, deployment.price);
      }
    }
    most += read_in_vain;
  }
  return parts_.ledger.reserve(*run.spender, limit, most, parts_.clock.now_us());
}

// One round: the model sees its answer and what is wrong with it.
Task<std::expected<Engine::CallResult, Problem>> Engine::repaired_answer(LiveRun& run, const model::Target& target,
                                                                         model::ChatCall call) {
  auto& ours = run.model_call;
  const auto correction = *std::exchange(ours.correction, std::nullopt);
  const std::string again = repair_request(ours.request, correction.complaint, correction.answer);
  const std::string key = std::string(call.idempotency_key) + "-repair";
  call.body = again;
  call.idempotency_key = key;
  ours.repaired = true;
  const MicroMoney first_cost = std::exchange(run.call_cost, 0);
  auto answer = co_await whole_answer(run, target, call, false);
  run.call_cost += first_cost;
  co_return answer;
}

Task<std::expected<Engine::CallResult, Problem>> Engine::whole_answer(LiveRun& run, const model::Target& target,
                                                                      model::ChatCall call, bool embed) {
  const Micros before = parts_.clock.now_us();
  const auto asked = embed ? Asked::embedding : Asked::chat;
  auto outcome = embed ? co_await parts_.gateway.embeddings(target, call) : co_await parts_.gateway.chat(target, call);
  run.upstream_us += parts_.clock.now_us() - before;
  CallResult result;
  if (!outcome) co_return std::unexpected(not_answered(run, target, asked, std::move(outcome.error())));
  run.row.model = parts_.catalog.deployments()[outcome->deployment].name;
  note_route(run, target);
  run.call_cost = outcome->cost;
  count_saving(run, outcome->usage);
  run.model_call.usage = outcome->usage;
  result.decision = call_decision(asked, run.row.model, parts_.catalog, target, outcome->attempts);
  if (embed) co_return guard_answer(run, std::move(outcome->reply.body), std::move(result));  // no text to ask about
  co_return co_await answer_guarded(run, std::move(outcome->reply.body), std::move(result));
}

Problem Engine::not_answered(LiveRun& run, const model::Target& target, Asked asked, model::Failure failure) {
  run.failed_call = call_decision(asked, {}, parts_.catalog, target, failure.attempts);
  for (const auto& attempt : failure.attempts) run.call_cost += attempt.cost;
  run.error_code = failure.error.code;
  run.error_param = failure.error.param;
  auto problem = problem_of(failure.error, "No model answered");
  problem.status = failure.status;
  guard_failure(run, std::move(failure));
  return problem;
}

// A run that triage sent to the small tier, and that another one answers, is that one's.
void Engine::note_route(LiveRun& run, const model::Target& target) {
  if (run.row.route == "small" && !target.tier.empty() && !run.model_call.own_words) run.row.route = target.tier;
}

}  // namespace sb::flow
