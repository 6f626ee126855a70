// What a flow makes by expressions: no guard has seen it as it is, for two halves may have become a value.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "flow/engine.h"
#include "flow/outbound/operator_secrets.h"
#include "flow/steps.h"

namespace sb::flow {
namespace {

/// The flow's author wrote this text somewhere in it.
bool says(const json::value& document, std::string_view text) {
  if (const auto* own = document.if_string()) return *own == text;
  if (const auto* list = document.if_array())
    return std::ranges::any_of(*list, [&](const json::value& one) { return says(one, text); });
  const auto* object = document.if_object();
  return object && std::ranges::any_of(*object, [&](const auto& member) { return says(member.value(), text); });
}

/// A task's arguments without what is the author's own and without secrets, and put together again.
class MadeTexts {
 public:
  explicit MadeTexts(const json::object& secrets) : secrets_(secrets) {}

  /// `written`: what stands in the flow's document for `value`; null: nothing.
  json::value apart(const json::value& value, const json::value* written) const {
    if (const auto* text = value.if_string()) {
      if (written && *written == value) return nullptr;
      const auto pieces = secrets_.apart(*text);
      if (pieces.secrets.empty()) return value;
      json::array list;
      for (const auto& piece : pieces.pieces) list.push_back(json::string(piece));
      return list;
    }
    if (const auto* list = value.if_array()) {
      const auto* own = written ? written->if_array() : nullptr;
      json::array made;
      for (std::size_t i = 0; i < list->size(); ++i)
        made.push_back(apart((*list)[i], own && i < own->size() ? &(*own)[i] : nullptr));
      return made;
    }
    const auto* object = value.if_object();
    if (!object) return value;
    json::object made;
    for (const auto& [name, member] : *object)
      made[name] = apart(member, written ? find_member(*written, name) : nullptr);
    return made;
  }

  /// `treated`: what `apart` gave, as a policy left it: the same shape.
  json::value together(const json::value& treated, const json::value& value) const {
    if (const auto* text = value.if_string()) {
      if (treated.is_null()) return value;
      const auto* pieces = treated.if_array();
      return pieces ? json::value(json::string(secrets_.apart(*text).together(*pieces))) : treated;
    }
    if (const auto* list = value.if_array()) {
      json::array whole;
      for (std::size_t i = 0; i < list->size(); ++i) whole.push_back(together(treated.as_array().at(i), (*list)[i]));
      return whole;
    }
    const auto* object = value.if_object();
    if (!object) return treated;
    json::object whole;
    auto original = object->begin();
    for (const auto& [name, member] : treated.as_object()) whole[name] = together(member, (original++)->value());
    return whole;
  }

 private:
  OperatorSecrets secrets_;
};

Problem blocked(std::string_view what, const Result<GuardOutcome>& outcome) {
  return standard_problem("authorization", 403, "Blocked by policy",
                          outcome ? fmt::format("{} contains what the policy blocks: {}", what, outcome->reasons())
                                  : fmt::format("{} could not be looked at: {}", what, outcome.error().detail));
}

}  // namespace

std::expected<json::value, Problem> Engine::handed(LiveRun& run, const Machine::Call& call,
                                                   std::string_view definition) {
  const auto* written = at_pointer(run.machine.flow().document, call.task->ref + std::string(definition));
  const MadeTexts texts(secrets_of(run));
  const json::value made = texts.apart(call.with, written);
  if (!made.is_object()) return call.with;
  const auto treated = run.guard.treat(policy::Direction::inbound, to_text(made));
  // A person may see what only a person decides about; its values are taken out all the same.
  const auto most = call.task->kind() == "review" ? policy::Verdict::human : policy::Verdict::local;
  if (!treated || treated->verdict > most) return std::unexpected(blocked("what the flow hands on", treated));
  return texts.together(treated->content.value(), call.with);
}

std::expected<Engine::CallResult, Problem> Engine::guard_made(LiveRun& run, std::string text) {
  auto step = guard_step("guard.outbound", policy::Direction::outbound, parts_.clock.now_us());
  auto passed = guard_json(run, std::move(text));
  step.ended_us = parts_.clock.now_us();
  if (passed) record(run, std::move(step), std::move(passed->decision));
  if (!passed || passed->verdict >= policy::Verdict::human) {
    run.error_code = Errc::policy_denied;
    return std::unexpected(blocked("the output", passed));
  }
  CallResult result;
  result.output = std::move(passed->content);
  return result;
}

Task<void> Engine::guard_output(LiveRun& run) {
  const bool is_answer = run.profile == policy::JsonProfile::chat_request;
  if (run.output.same_as(run.passed) && (run.passed_as_answer || !is_answer)) co_return;
  auto passed = is_answer && run.output.value().is_object() ? co_await answer_guarded(run, run.output.text(), {})
                                                            : guard_made(run, run.output.text());
  if (passed)
    run.output = std::move(passed->output);
  else
    run.problem = std::move(passed.error());
}

Problem Engine::treated(LiveRun& run, Problem problem) {
  auto passed = policed(run, std::move(problem));
  if (!passed) run.error_code = Errc::policy_denied;
  return passed ? *std::move(passed) : std::move(passed.error());
}

std::expected<Problem, Problem> Engine::policed(LiveRun& run, Problem problem) {
  const auto& document = run.machine.flow().document;
  // Programs know errors by their types and places: those of the DSL, of the author and of the engine are no texts.
  const bool own_type = is_standard_error(problem.type) || says(document, problem.type);
  const bool own_place = problem.instance.starts_with("/use/extensions/guard/") || problem.instance == kRunInput ||
                         problem.instance == "/timeout" || at_pointer(document, problem.instance);
  std::vector<std::string*> texts{&problem.title, &problem.detail};
  if (!own_type) texts.push_back(&problem.type);
  if (!own_place) texts.push_back(&problem.instance);
  json::array list;
  for (const auto* text : texts) list.push_back(json::string(*text));
  const auto passed = run.guard.treat(policy::Direction::outbound, to_text(list));
  if (!passed || passed->verdict >= policy::Verdict::human) {
    auto instead = blocked("the error", passed);
    if (own_place) instead.instance = problem.instance;
    return std::unexpected(std::move(instead));
  }
  const auto& treated = passed->content.value().as_array();
  for (std::size_t i = 0; i < texts.size(); ++i) *texts[i] = treated.at(i).as_string();
  return problem;
}

}  // namespace sb::flow
