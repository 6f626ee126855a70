// `call: triage`: the way of what the run was given, or of a text of the flow's.
#include "base/record_writer.h"
#include "flow/engine.h"
#include "triage/decision_record.h"

namespace sb::flow {
namespace {

RecordJson plain_route_decision(RecordText chosen, RecordText reason) {
  RecordWriter out;
  out.begin_object().member("chosen", chosen).member("kind", "route");
  return std::move(out.key("reasons").begin_array().string(reason).end_array().end_object()).take();
}

}  // namespace

std::expected<Engine::CallResult, Problem> Engine::triage(LiveRun& run) {
  if (auto known = without_looking(run)) return *std::move(known);
  return follow(run, decide(run));
}

std::optional<Engine::CallResult> Engine::without_looking(LiveRun& run) {
  CallResult result;
  const bool parked_by_policy = run.row.route == "human";
  if (run.requested_model != "auto" && !run.requested_model.empty() && !parked_by_policy) {
    const auto target = parts_.catalog.resolve(run.requested_model);
    run.row.route = target && !(*target)->tier.empty() ? (*target)->tier : "direct";
    result.decision = plain_route_decision(RecordText::configured(run.row.route), triage::kNamedByCaller);
    result.output = Data(json::object{{"route", "direct"}, {"target", run.requested_model}});
    return result;
  }
  if (parked_by_policy) {
    run.route_reason = "policy";
    result.decision = plain_route_decision("human", triage::kAskedByPolicy);
    result.output = Data(json::object{{"route", "human"}, {"target", ""}, {"reason", "policy"}});
    return result;
  }
  if (run.router) return std::nullopt;
  run.row.route = "large";
  result.decision = plain_route_decision("large", triage::kNoTriage);
  result.output = Data(json::object{{"route", "large"}, {"target", "large"}});
  return result;
}

triage::RouteDecision Engine::decide(LiveRun& run) {
  run.guard.recall_user_text(run.input.text());
  auto decision = run.router->route(run.guard.route_query());
  watch(run, decision);
  if (const auto* trial = run.trials ? run.trials->split : nullptr) {
    decision.trial = trial->rules().name;
    decision.by_candidate = run.trials->candidate;
  }
  return decision;
}

Engine::CallResult Engine::follow(LiveRun& run, const triage::RouteDecision& decision) {
  if (run.trials && parts_.on_trial) parts_.on_trial(decision);
  run.row.route = std::string(triage::to_string(decision.route));
  run.intent = decision.intent;
  run.route_reason = decision.reasons.empty() ? "" : decision.reasons.front();
  return routed(decision, run.router.get());
}

Engine::CallResult Engine::routed(const triage::RouteDecision& decision, const triage::Router* router) {
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

std::expected<Engine::CallResult, Problem> Engine::triage_text(LiveRun& run, const Machine::Call& call) {
  const auto with = handed(run, call, "/with");
  if (!with) return std::unexpected(with.error());
  const auto router = parts_.router();
  if (!router) {
    triage::RouteDecision unknown;
    unknown.reasons = {triage::kNoTriage};
    return routed(unknown, nullptr);
  }
  const auto text = string_member(*with, "text");
  triage::RouteQuery query;
  query.text = text;
  query.prompt_bytes = text.size();
  // The promise is for what callers ask: what flows make of it is no traffic to watch, and no route of the run's.
  return routed(router->route(query), router.get());
}

}  // namespace sb::flow
