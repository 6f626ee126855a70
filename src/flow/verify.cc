// `call: verify`: the small model's answer is looked at before anybody gets it (triage/cascade.h).
#include <fmt/format.h>

#include <algorithm>

#include "flow/chat_completion.h"
#include "flow/engine.h"

namespace sb::flow {
namespace {

/// What the caller asks the answer to be: any JSON object, one of a schema, or anything.
struct WantedForm {
  bool json = false;
  std::shared_ptr<const policy::JsonSchema> schema{};  ///< null: none, or none that we know how to hold it against
};

WantedForm wanted_form(const Data& request) {
  WantedForm wanted;
  // Few requests ask for a form, and a prompt is long: it is read only where the member may stand, in letters or
  // escaped.
  if (!request.text().contains("response_format") && !request.text().contains("\\u")) return wanted;
  const auto* format = find_member(request.value(), "response_format");
  const auto type = format ? string_member(*format, "type") : std::string_view();
  wanted.json = type == "json_object" || type == "json_schema";
  const auto* named = type == "json_schema" ? find_member(*format, "json_schema") : nullptr;
  const auto* schema = named ? find_member(*named, "schema") : nullptr;
  if (!schema) return wanted;
  if (auto compiled = policy::JsonSchema::compile(*schema)) wanted.schema = *std::move(compiled);
  return wanted;
}

bool has_form(const WantedForm& wanted, std::string_view text) {
  if (!wanted.json) return true;
  const auto document = parse_json(text);
  if (!document) return false;
  return wanted.schema ? !wanted.schema->first_fault(*document) : document->is_object();
}

bool is_given(const json::value* member) {
  if (!member) return false;
  const auto* list = member->if_array();
  const auto* text = member->if_string();
  return list ? !list->empty() : text ? !text->empty() : member->is_object();
}

/// One of the answers that a completion holds. `text`: its memory.
triage::SmallAnswer read_choice(const json::value& choice, const WantedForm& wanted, std::string_view prompt) {
  triage::SmallAnswer answer{.prompt = prompt};
  const auto* message = find_member(choice, "message");
  if (message) {
    answer.text = string_member(*message, "content");
    answer.calls_tools =
        is_given(find_member(*message, "tool_calls")) || is_given(find_member(*message, "function_call"));
    answer.refuses = is_given(find_member(*message, "refusal"));
  }
  answer.cut = string_member(choice, "finish_reason") == "length";
  answer.misformed = !answer.calls_tools && !answer.refuses && !has_form(wanted, answer.text);
  return answer;
}

/// Of several answers the worst one counts: what is wrong with any, and the greatest gain.
void add(const triage::Verdict& one, triage::Verdict& all) {
  for (const auto fault : one.found) {
    if (std::ranges::find(all.found, fault) == all.found.end()) all.found.push_back(fault);
  }
  std::ranges::sort(all.found);
  if (one.gain) all.gain = std::max(*one.gain, *all.gain);
}

}  // namespace

bool Engine::is_looked_at(const TaskNode& task, const Flow& flow) {
  const auto& tasks = flow.root.tasks;
  const auto at = std::ranges::find_if(tasks, [&](const TaskNode& one) { return &one == &task; });
  if (at == tasks.end() || at + 1 == tasks.end() || task.output_as || task.then.kind != Transition::Kind::next)
    return false;
  const auto* next = std::get_if<CallTask>(&(at + 1)->body);
  return next && next->kind == CallKind::builtin && next->function == "verify";
}

bool Engine::looks_for(const LiveRun& run, triage::AnswerFault fault) {
  const auto* cascade = run.router ? run.router->cascade() : nullptr;
  return cascade && std::ranges::find(cascade->checks, fault) != cascade->checks.end();
}

Engine::CallResult Engine::formless(LiveRun& run) {
  run.model_call.correction.reset();
  run.failure.reset();
  run.failed_call = {};
  run.error_code = Errc::internal;  // as if nothing had failed
  CallResult result;
  result.output = Data(json::value(nullptr));
  return result;
}

// What only local models may see stays with the small one, unless the other tier has a local model of its own.
bool Engine::may_ask(const LiveRun& run, std::string_view wanted) const {
  const auto target = parts_.catalog.resolve(wanted);
  if (!target || !run.guard.needs_local()) return true;
  return std::ranges::any_of((*target)->groups, [&](const auto& group) {
    return std::ranges::any_of(group,
                               [&](const auto& one) { return parts_.catalog.deployments()[one.deployment].local; });
  });
}

triage::Verdict Engine::look_at(LiveRun& run, const Machine::Call& call) {
  const auto* cascade = run.router ? run.router->cascade() : nullptr;
  if (run.model_call.formless && cascade)
    return triage::verify(*cascade, {.prompt = {}, .misformed = true, .withheld = true});
  const auto* choices = find_member(call.input.value(), "choices");
  const auto* list = choices ? choices->if_array() : nullptr;
  if (!list || list->empty()) {  // where there is nothing to give, nothing is given
    return {.looked = cascade ? cascade->checks : std::vector<triage::AnswerFault>(),
            .found = {triage::AnswerFault::empty}};
  }
  // What another run was given has been looked at there.
  if (!cascade || run.model_call.again) return {};
  const std::string prompt = cascade->verifier ? policy::last_user_text(run.model_call.request.text()) : std::string();
  const auto wanted = wanted_form(run.model_call.request);
  auto verdict = triage::verify(*cascade, read_choice(list->front(), wanted, prompt));
  for (std::size_t i = 1; i < list->size(); ++i)
    add(triage::verify(*cascade, read_choice((*list)[i], wanted, prompt)), verdict);
  return verdict;
}

std::expected<Engine::CallResult, Problem> Engine::verify(LiveRun& run, const Machine::Call& call) {
  auto verdict = look_at(run, call);
  const std::string_view instead = string_member(call.with, "instead", "large");
  const bool may_pass_on = may_ask(run, instead);
  verdict.kept = verdict.doubtful() && !verdict.vetoed() && !may_pass_on;
  CallResult result;
  result.decision =
      triage::record_of(verdict, run.router ? std::string_view(run.router->version()) : std::string_view());
  const bool looked = !verdict.looked.empty() || verdict.gain;
  if (parts_.on_verified && looked) parts_.on_verified(verdict);
  if (verdict.accepted()) {
    result.output = call.input;
    return result;
  }
  if (!may_pass_on) {
    run.failed_call = std::move(result.decision);
    run.error_code = Errc::policy_denied;
    return std::unexpected(standard_problem(
        "authorization", 500, "Blocked by policy",
        fmt::format("the small model's answer did not do, and the policy lets only local models see the request: none "
                    "of the tier `{}` is marked `local: true`",
                    instead)));
  }
  run.model_call.request_hash.reset();  // who asks the same again is not given what did not do
  run.row.rejected_cost = run.row.cost;
  result.output = Data(json::value(verdict.vetoed() ? "vetoed" : "doubtful"));
  return result;
}

}  // namespace sb::flow
