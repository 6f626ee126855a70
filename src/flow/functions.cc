// What `call: triage | script | chat | embed | review` do with what the run was given: the engine's hands.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/record_writer.h"
#include "flow/chat_completion.h"
#include "flow/engine.h"
#include "flow/function_problems.h"
#include "triage/decision_record.h"

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

/// The price a cost was counted by: of a million tokens read, read from the provider's cache, written.
void append_price(RecordWriter& out, const model::Price& price) {
  out.key("price").begin_array();
  for (const auto part : {price.input, price.cached_input, price.output}) out.decimal(static_cast<double>(part), 0);
  out.end_array();
}

void append_attempts(RecordWriter& out, const model::Catalog& catalog, const std::vector<model::Attempt>& attempts) {
  out.key("attempts").begin_array();
  for (const auto& attempt : attempts) {
    out.begin_object();
    if (attempt.usage.cached_input_tokens > 0) out.member("cached_tokens", attempt.usage.cached_input_tokens);
    out.member("cause", RecordText::ours(model::to_string(attempt.cause)));
    out.member("cost_micro", attempt.cost).member("deployment", RecordText::configured(attempt.name));
    out.member("estimated", attempt.usage.estimated);
    out.member("input_tokens", attempt.usage.input_tokens).member("latency_us", attempt.latency_us);
    out.member("output_tokens", attempt.usage.output_tokens);
    append_price(out, catalog.deployments()[attempt.deployment].price);
    out.member("status", attempt.status).end_object();
  }
  out.end_array();
}

/// `target`: of the catalog.
RecordJson call_decision(bool embed, std::string_view deployment, const model::Catalog& catalog,
                         const model::Target& target, const std::vector<model::Attempt>& attempts,
                         bool streamed = false) {
  RecordWriter out;
  out.begin_object();
  append_attempts(out, catalog, attempts);
  out.member("chosen", RecordText::configured(deployment)).member("kind", embed ? RecordText("embed") : "chat");
  if (streamed) out.member("streamed", true);
  return std::move(out.member("target", RecordText::configured(target.name)).end_object()).take();
}

RecordJson plain_route_decision(RecordText chosen, RecordText reason) {
  RecordWriter out;
  out.begin_object().member("chosen", chosen).member("kind", "route");
  return std::move(out.key("reasons").begin_array().string(reason).end_array().end_object()).take();
}

/// `script`: a registered one, or empty: what a flow made as a name may be anything.
RecordJson abstention(std::string_view script, RecordText reason) {
  RecordWriter out;
  out.begin_object().member("chosen", "abstain").member("kind", "script").key("reasons").begin_array().string(reason);
  out.end_array();
  if (!script.empty()) out.member("script", RecordText::configured(script));
  return std::move(out.end_object()).take();
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

template <class T>
Task<T> at_once(T result) {
  co_return result;
}

}  // namespace

Task<std::expected<Engine::CallResult, Problem>> Engine::call(LiveRun& run, const Machine::Call& call) {
  const auto& function = std::get<CallTask>(call.task->body).function;
  const Function& ours = *our_function(function);
  if (auto misfit = misfit_of(ours, call)) {
    run.error_code = Errc::invalid_argument;
    return at_once(std::expected<CallResult, Problem>(std::unexpected(*std::move(misfit))));
  }
  if (function == "triage") return at_once(find_member(call.with, "text") ? triage_text(run, call) : triage(run));
  if (function == "review") return at_once(review(run, call));
  if (function == "verify") return at_once(verify(run, call));
  if (function == "script") return script(run, call);
  if (function == "guard") return at_once(guard_value(run, call));
  if (function == "validate") return at_once(validate(run, call));
  return find_member(call.with, ours.extended_by) ? ask_in_own_words(run, call) : model_call(run, call, std::nullopt);
}

std::expected<Engine::CallResult, Problem> Engine::triage(LiveRun& run) {
  CallResult result;
  const bool parked_by_policy = run.row.route == "human";
  if (run.requested_model != "auto" && !run.requested_model.empty() && !parked_by_policy) {
    const auto target = parts_.catalog.resolve(run.requested_model);
    run.row.route = target && !(*target)->tier.empty() ? (*target)->tier : "direct";
    result.decision = plain_route_decision(RecordText::configured(run.row.route), triage::kNamedByCaller);
    result.output = Data(json::object{{"route", "direct"}, {"target", run.requested_model}});
    return result;
  }
  const auto router = parts_.router();
  if (!router && !parked_by_policy) {
    run.row.route = "large";
    result.decision = plain_route_decision("large", triage::kNoTriage);
    result.output = Data(json::object{{"route", "large"}, {"target", "large"}});
    return result;
  }
  if (parked_by_policy) {
    run.route_reason = "policy";
    result.decision = plain_route_decision("human", triage::kAskedByPolicy);
    result.output = Data(json::object{{"route", "human"}, {"target", ""}, {"reason", "policy"}});
    return result;
  }
  run.guard.recall_user_text(run.input.text());
  const auto decision = router->route(run.guard.route_query());
  watch(decision);
  run.row.route = std::string(triage::to_string(decision.route));
  run.intent = decision.intent;
  run.route_reason = decision.reasons.empty() ? "" : decision.reasons.front();
  return routed(decision);
}

Engine::CallResult Engine::routed(const triage::RouteDecision& decision) const {
  const auto router = parts_.router();
  const auto route = triage::to_string(decision.route);
  CallResult result;
  result.decision = triage::record_of(decision);
  result.output = Data(json::object{{"route", route},
                                    {"target", route},
                                    {"script", decision.script},
                                    {"intent", decision.intent},
                                    {"confidence", decision.confidence},
                                    {"cascade", router && router->cascade()},
                                    {"reason", decision.reasons.empty() ? "" : decision.reasons.front()}});
  return result;
}

Task<std::expected<Engine::CallResult, Problem>> Engine::script(LiveRun& run, const Machine::Call& call) {
  const std::string name(string_member(call.with, "name"));
  CallResult result;
  result.output = Data(json::value(nullptr));
  const auto with = handed(run, call, "/with");
  if (!with) co_return std::unexpected(with.error());
  if (!parts_.scripts || !parts_.script_registry->find(name)) {
    run.row.route = "small";  // abstains upwards
    result.decision = abstention({}, "no script is called that");
    co_return result;
  }
  run.guard.recall_user_text(run.input.text());
  json::object input{{"text", run.guard.restore_plain(run.guard.last_user_text())}, {"intent", run.intent}};
  if (const auto* extra = find_member(*with, "input")) input["input"] = *extra;
  auto answer = co_await parts_.scripts->run(name, std::move(input));
  if (!answer) {
    log_warn("script.failed", {{"run", run.row.id.to_string()},
                               {"script", name},
                               {"code", to_string(answer.error().code)}});  // not its words: they may quote the input
  }
  if (!answer || answer->is_null()) {
    run.row.route = "small";
    result.decision = abstention(name, answer ? RecordText("the script has no answer") : "the script failed");
    co_return result;
  }
  const std::string text = answer->is_string() ? std::string(answer->get_string())
                                               : std::string(string_member(*answer, "text", to_text(*answer)));
  model::Usage usage{model::estimate_input_tokens(run.input.text()), 0, model::estimate_tokens(text), true};
  count_saving(run, usage);
  run.row.model = "script/" + name;
  const auto id = run.row.id.to_string();
  auto completion = completion_json({id, run.row.model, run.row.created_us, usage}, text);
  RecordWriter decision;
  decision.begin_object().member("chosen", RecordText::configured(name));
  decision.member("input_tokens", usage.input_tokens).member("kind", "script");
  decision.member("output_tokens", usage.output_tokens).key("versions").begin_object();
  decision.member("script", RecordText::ours(parts_.script_registry->version(name))).end_object().end_object();
  result.decision = std::move(decision).take();
  co_return co_await answer_guarded(run, std::move(completion), std::move(result));
}

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
  // Before an effect outside: on disk that it was going to happen, so that a crash finds it again. Of a run that was at
  // rest that is not there yet, and perhaps no room for it: then an answer would only be paid.
  const bool is_known = run.stored && run.steps.empty() && run.row.status == store::RunStatus::running;
  if (run.durability == store::Durability::sync && !is_known) {
    run.row.state = run.machine.checkpoint();
    if (auto written = co_await commit(run, store::RunStatus::running, run.durability); !written) {
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
  if (!answer && looked_at && ours.formless && looks_for(triage::AnswerFault::schema)) answer = formless(run);
  reserved->settle(run.call_cost);
  if (answer)
    ours.answer = answer->output;
  else
    ours.request_hash.reset();
  co_return answer;
}

Result<Reservation> Engine::reserve(const LiveRun& run, const model::Target& target) {
  if (!run.spender) return Reservation();
  MicroMoney most = 0;
  if (run.spend_limit_per_day != 0) {
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
  return parts_.ledger.reserve(*run.spender, run.spend_limit_per_day, most, parts_.clock.now_us());
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
  auto outcome = embed ? co_await parts_.gateway.embeddings(target, call) : co_await parts_.gateway.chat(target, call);
  run.upstream_us += parts_.clock.now_us() - before;
  CallResult result;
  if (!outcome) {
    auto& failure = outcome.error();
    run.failed_call = call_decision(embed, {}, parts_.catalog, target, failure.attempts);
    for (const auto& attempt : failure.attempts) run.call_cost += attempt.cost;
    run.error_code = failure.error.code;
    run.error_param = failure.error.param;
    auto problem = problem_of(failure.error, "No model answered");
    problem.status = failure.status;
    guard_failure(run, std::move(failure));
    co_return std::unexpected(std::move(problem));
  }
  run.row.model = parts_.catalog.deployments()[outcome->deployment].name;
  note_route(run, target);
  run.call_cost = outcome->cost;
  count_saving(run, outcome->usage);
  run.model_call.usage = outcome->usage;
  result.decision = call_decision(embed, run.row.model, parts_.catalog, target, outcome->attempts);
  if (embed) co_return guard_answer(run, std::move(outcome->reply.body), std::move(result));  // no text to ask about
  co_return co_await answer_guarded(run, std::move(outcome->reply.body), std::move(result));
}

// A run that triage sent to the small tier, and that another one answers, is that one's.
void Engine::note_route(LiveRun& run, const model::Target& target) {
  if (run.row.route == "small" && !target.tier.empty() && !run.model_call.own_words) run.row.route = target.tier;
}

// The wait for its beginning may be long, and needs little: the rest has a coroutine of its own.
Task<std::expected<Engine::CallResult, Problem>> Engine::streamed_answer(LiveRun& run, const model::Target& target,
                                                                         model::ChatCall call) {
  const Micros before = parts_.clock.now_us();
  auto started = co_await parts_.gateway.chat_stream(target, call);
  run.upstream_us += parts_.clock.now_us() - before;
  if (started) co_return co_await relay(run, target, std::move(*started), before);
  co_return std::unexpected(not_started(run, target, std::move(started.error())));
}

Problem Engine::not_started(LiveRun& run, const model::Target& target, model::Failure failure) {
  run.failed_call = call_decision(false, {}, parts_.catalog, target, failure.attempts, true);
  run.error_code = failure.error.code;
  run.error_param = failure.error.param;
  auto problem = problem_of(failure.error, "No model answered");
  problem.status = failure.status;
  for (const auto& attempt : failure.attempts) run.call_cost += attempt.cost;
  guard_failure(run, std::move(failure));
  return problem;
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
    ready.clear();
    auto piece = co_await stream.next();
    if (!piece) {
      run.error_code = piece.error().code;
      problem = problem_of(piece.error(), "The answer broke off");
      guard_failure(run, stream.failure());
    } else {
      more = piece->has_value();
      auto passed = more ? guard->guard().feed(**piece) : guard->guard().finish();
      if (passed && guard->guard().verdict() < policy::Verdict::human) {
        ready = *std::move(passed);
      } else {
        run.error_code = passed ? Errc::policy_denied : passed.error().code;
        problem = problem_of(
            passed ? Error(Errc::policy_denied, "the answer contains what the policy blocks") : passed.error(),
            "Blocked by policy");
      }
    }
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
      if (run.durability == store::Durability::sync && more && !problem) (void)co_await flush_chunks(run);
    }
  }
  run.call_cost = stream.cost();
  count_saving(run, stream.usage());
  run.model_call.usage = stream.usage();
  run.model_call.found = !guard->guard().findings().empty() || !guard->unrecorded().empty();
  store::StepRow step;
  step.name = "guard.outbound";
  step.ref = "/use/extensions/guard/after";
  step.kind = "guard";
  step.started_us = before;
  step.ended_us = parts_.clock.now_us();
  record(run, std::move(step), run.guard.stream_decision(*guard));
  CallResult result;
  result.decision = call_decision(false, run.row.model, parts_.catalog, target, stream.attempts(), true);
  if (problem) {
    run.failed_call = std::move(result.decision);
    co_return std::unexpected(*std::move(problem));
  }
  result.output = run.passed = Data::from_text(assembled.finish(stream.usage()));
  run.passed_as_answer = true;
  co_return result;
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

Task<Result<>> Engine::flush_chunks(LiveRun& run) {
  store::Commit commit;
  commit.durability = store::Durability::async;
  commit.run = run.row.id;
  commit.chunks = std::exchange(run.chunks, {});
  co_return co_await parts_.store.commit(std::move(commit));
}

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
  store::StepRow step;
  step.name = "guard.outbound";
  step.ref = "/use/extensions/guard/after";
  step.kind = "guard";
  step.started_us = parts_.clock.now_us();
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

std::expected<Engine::CallResult, Problem> Engine::review(LiveRun& run, const Machine::Call& call) {
  const auto with = handed(run, call, "/with");
  if (!with) return std::unexpected(with.error());
  // It is said to the caller, not to the person.
  const std::string_view holding = string_member(call.with, "holding", "A person will answer this.");
  const auto said = guard_made(run, to_text(json::value(holding)));
  if (!said) return said;
  run.row.route = "human";
  store::ReviewRow review;
  review.id = ReviewId::generate(parts_.clock, parts_.entropy);
  review.run = run.row.id;
  review.step = StepIndex{run.next_step};
  review.tenant = run.row.tenant;
  // Beside sealed columns and in the record stands what the flow's author wrote, or what triage has recorded already.
  const std::string reason(string_member(*with, "reason", "flow"));
  const auto& written = std::get<CallTask>(call.task->body).with;
  const bool public_reason = !find_member(*with, "reason") || reason == written->literal("reason") ||
                             (!reason.empty() && reason == run.route_reason);
  if (public_reason) review.reason = reason;
  review.priority = static_cast<int>(int_member(*with, "priority"));
  review.created_us = parts_.clock.now_us();
  run.guard.recall_user_text(run.input.text());
  json::object question{
      {"asked", run.guard.last_user_text()}, {"proposal", string_member(*with, "proposal")}, {"intent", run.intent}};
  if (!public_reason) question["reason"] = reason;
  review.question = parts_.sealer.seal(run.data_key, run.row.id, place::question(review.id), to_text(question));
  run.review = review.id;
  run.needs_person = false;
  // What the caller hears meanwhile; the run's own output is the person's answer.
  const auto id = run.row.id.to_string();
  const std::string_view told = said->output.value().get_string();
  model::Usage usage{model::estimate_input_tokens(run.input.text()), 0, model::estimate_tokens(told), true};
  count_saving(run, usage);
  run.row.model = "human";
  run.output = Data::from_text(completion_json({id, "human", run.row.created_us, usage}, told));
  CallResult result;
  result.parked = true;
  RecordWriter decision;
  decision.begin_object().member("chosen", "park").member("input_tokens", usage.input_tokens);
  decision.member("kind", "review").member("output_tokens", usage.output_tokens).key("reasons").begin_array();
  decision.string(public_reason ? RecordText::configured(review.reason) : "computed by the flow").end_array();
  decision.member("review", RecordText::ours(review.id.to_string())).end_object();
  result.decision = std::move(decision).take();
  run.review_create = std::move(review);
  return result;
}

void Engine::count_saving(LiveRun& run, const model::Usage& usage) {
  const auto large = parts_.catalog.resolve(options_.compare_with_tier);
  if (!large || (*large)->groups.empty() || (*large)->groups.front().empty()) return;
  const auto& deployment = parts_.catalog.deployments()[(*large)->groups.front().front().deployment];
  run.row.cost_all_large = run.all_large_others + model::cost_of(usage, deployment.price);
}

}  // namespace sb::flow
