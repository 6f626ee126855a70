// Our own functions: who does what `call: triage | script | chat ...` says, and scripts.
#include <fmt/format.h>

#include "base/log.h"
#include "base/record_writer.h"
#include "flow/chat_completion.h"
#include "flow/engine.h"
#include "flow/function_problems.h"
#include "flow/notes.h"

namespace sb::flow {
namespace {

/// `script`: a registered one, or empty: what a flow made as a name may be anything.
RecordJson abstention(std::string_view script, RecordText reason) {
  RecordWriter out;
  out.begin_object().member("chosen", "abstain").member("kind", "script").key("reasons").begin_array().string(reason);
  out.end_array();
  if (!script.empty()) out.member("script", RecordText::configured(script));
  return std::move(out.end_object()).take();
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
  if (function == "triage") {
    if (find_member(call.with, "text")) return at_once(triage_text(run, call));
    return has_shadows(run) ? triage_beside_shadows(run) : at_once(triage(run));
  }
  if (function == "review") return at_once(review(run, call));
  if (function == "verify") return at_once(verify(run, call));
  if (function == "script") return script(run, call);
  if (function == "guard") return at_once(guard_value(run, call));
  if (function == "validate") return at_once(validate(run, call));
  if (const auto kind = note_kind(function)) return note(run, call, *kind);
  return find_member(call.with, ours.extended_by) ? ask_in_own_words(run, call) : model_call(run, call, std::nullopt);
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

void Engine::count_saving(LiveRun& run, const model::Usage& usage) {
  const auto large = parts_.catalog.resolve(options_.compare_with_tier);
  if (!large || (*large)->groups.empty() || (*large)->groups.front().empty()) return;
  const auto& deployment = parts_.catalog.deployments()[(*large)->groups.front().front().deployment];
  run.row.cost_all_large = run.all_large_others + model::cost_of(usage, deployment.price);
}

}  // namespace sb::flow
