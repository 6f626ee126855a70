#include "triage/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

namespace sb::triage {
namespace {

constexpr std::size_t kMaxWords = 64;
constexpr std::size_t kNearShown = 5;

std::vector<Check> checks_of(const Router& router, const Prediction& said) {
  const auto limits = router.limits(said);
  const double human = said.kind_mass[static_cast<std::size_t>(AnswerKind::human)];
  std::vector<Check> out{{"needs a person", human, limits.human, true, "a person answers"}};
  if (said.kind != AnswerKind::script) return out;
  out.push_back({"needs a person (veto)", human, limits.veto, true, "no script"});
  out.push_back({"script score", said.script_score, limits.script, false, "no script"});
  return out;
}

std::optional<ThresholdOrigin> origin_of(const Router& router, const Prediction& said) {
  const bool own = router.limits(said).script == said.limits.script;
  const auto& data = router.model()->data();
  if (!own) return std::nullopt;
  const auto& heads = said.early ? data.early : data.sentence;
  return said.tier == 1 && heads ? heads->origin : data.origin;
}

bool same_answer(const RouteDecision& a, const RouteDecision& b) {
  return a.route == b.route && a.script == b.script;
}

// Leaves out one word after the other. Whole words as they stand between blanks: what a person would strike out.
std::vector<Counterfactual> changes_of(const Router& router, const RouteQuery& query, const RouteDecision& decision) {
  std::vector<Counterfactual> out;
  const auto is_blank = [](char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; };
  std::size_t words = 0;
  for (std::size_t begin = 0; begin < query.text.size() && words < kMaxWords && out.size() < kMaxChanges;) {
    if (is_blank(query.text[begin])) {
      ++begin;
      continue;
    }
    const auto end = static_cast<std::size_t>(std::ranges::find_if(query.text.substr(begin), is_blank) -
                                              query.text.substr(begin).begin()) +
                     begin;
    std::string rest(query.text.substr(0, begin));
    rest += query.text.substr(std::min(end + 1, query.text.size()));
    auto changed = query;
    changed.text = rest;
    auto other = router.route(changed);
    if (!same_answer(other, decision))
      out.push_back({std::string(query.text.substr(begin, end - begin)), std::move(other)});
    begin = end;
    ++words;
  }
  return out;
}

struct Effect {
  std::string name;
  std::array<double, 2> logit;
  double gain() const { return logit[0] - logit[1]; }
};

std::vector<Effect> strongest(const Insight& insight, std::size_t count) {
  std::vector<Effect> out;
  for (const auto& [name, effect] : insight.features) out.push_back({name, effect});
  std::ranges::stable_sort(out, std::greater(), [](const Effect& e) { return std::abs(e.gain()); });
  out.resize(std::min(out.size(), count));
  return out;
}

constexpr std::array<const char*, kOpinionCount> kOpinions = {
    "n-grams", "distance to the intent's texts", "nearest training texts", "regression on the sentence vector"};

double weighed(const Insight& insight, std::size_t intent, std::size_t opinion) {
  return insight.fusion[opinion] * insight.logits[intent][opinion];
}

json::object object_of(const ThresholdOrigin& origin) {
  return {{"by", origin.by},
          {"wrong_scripts", origin.wrong_scripts},
          {"confidence", origin.confidence},
          {"out_of_scope", origin.out_of_scope},
          {"bound", origin.bound},
          {"texts", origin.texts}};
}

std::string sentence_of(const ThresholdOrigin& origin) {
  return fmt::format("set by {} on {} texts: at most {:.2f} % of {} wrong with {:.0f} % confidence, target {:.2f} %{}",
                     origin.by, origin.texts, origin.bound * 100, origin.by == "tune" ? "the scripted" : "all queries",
                     origin.confidence * 100, origin.wrong_scripts * 100,
                     origin.bound > origin.wrong_scripts ? " (NOT kept)" : "");
}

json::array features_json(const Insight& insight, std::size_t count) {
  json::array out;
  for (const auto& effect : strongest(insight, count)) {
    out.push_back({{"feature", effect.name},
                   {"chosen", effect.logit[0] * insight.fusion[0]},
                   {"runner_up", effect.logit[1] * insight.fusion[0]}});
  }
  return out;
}

json::array opinions_json(const Insight& insight) {
  json::array out;
  for (std::size_t i = 0; i < insight.fusion.size(); ++i) {
    if (insight.fusion[i] == 0) continue;
    out.push_back(
        {{"opinion", kOpinions[i]}, {"chosen", weighed(insight, 0, i)}, {"runner_up", weighed(insight, 1, i)}});
  }
  return out;
}

json::array near_json(const Insight& insight, std::span<const Example> training) {
  json::array out;
  for (const auto& one : insight.near) {
    if (out.size() == kNearShown) break;
    json::object entry{{"likeness", one.likeness}, {"intent", one.intent}};
    if (one.text < training.size()) entry["text"] = training[one.text].text;
    out.push_back(std::move(entry));
  }
  return out;
}

void add_insight(const Insight& insight, std::span<const Example> training, std::size_t features, json::object& out) {
  const auto& said = insight.said;
  out["tier"] = said.tier;
  if (said.early) out["early"] = true;
  out["confidence"] = said.confidence;
  out["script_score"] = said.script_score;
  out["out_of_scope"] = said.out_of_scope;
  out["known_share"] = said.coverage;
  out["runner_up"] = said.alternatives[1].intent;
  out["opinions"] = opinions_json(insight);
  out["features"] = features_json(insight, features);
  out["nearest"] = near_json(insight, training);
}

std::string answer_of(const RouteDecision& decision) {
  return decision.script.empty() ? std::string(to_string(decision.route)) : fmt::format("script {}", decision.script);
}

std::string insight_lines(const Insight& insight, std::span<const Example> training, std::size_t features) {
  const auto& said = insight.said;
  std::string out = fmt::format(
      "intent    {} with confidence {:.3f} (tier {}{}); runner-up {}\n"
      "          out of scope {:.3f}, {:.0f} % of its n-grams known\n",
      said.intent, said.confidence, said.tier, said.early ? ", its first blocks" : "", said.alternatives[1].intent,
      said.out_of_scope, said.coverage * 100);
  for (std::size_t i = 0; i < insight.fusion.size(); ++i) {
    if (insight.fusion[i] == 0) continue;
    out += fmt::format("          {:+.2f} from {}\n", weighed(insight, 0, i) - weighed(insight, 1, i), kOpinions[i]);
  }
  out += "features  for the intent / for the runner-up\n";
  for (const auto& effect : strongest(insight, features)) {
    out += fmt::format("          {:+.2f} / {:+.2f}  {}\n", effect.logit[0] * insight.fusion[0],
                       effect.logit[1] * insight.fusion[0], effect.name);
  }
  std::size_t shown = 0;
  for (const auto& one : insight.near) {
    if (shown++ == kNearShown) break;
    const auto text = one.text < training.size() ? fmt::format(": {}", training[one.text].text) : std::string();
    out += fmt::format("{}{:.3f} {}{}\n", shown == 1 ? "nearest   " : "          ", one.likeness, one.intent, text);
  }
  return out;
}

}  // namespace

Explanation explain(const Router& router, const RouteQuery& query) {
  Explanation out;
  out.decision = router.route(query);
  if (router.model()) {
    out.insight = router.model()->look_into(query.text);
    const auto& said = out.insight->said;
    // Where a rule decided, nobody asked the classifier: what it would say is told, but no limit was held against it.
    const bool asked = !out.decision.model_version.empty();
    if (asked && said.readable) out.checks = checks_of(router, said);
    if (asked && said.kind == AnswerKind::script) out.origin = origin_of(router, said);
  }
  out.changes = changes_of(router, query, out.decision);
  return out;
}

json::object to_json(const Explanation& explanation, std::span<const Example> training, std::size_t features) {
  const auto& decision = explanation.decision;
  json::object out{{"route", to_string(decision.route)},
                   {"script", decision.script},
                   {"intent", decision.intent},
                   {"reasons", json::value_from(decision.reasons)},
                   {"versions", {{"classifier", decision.model_version}, {"triage", decision.config_version}}}};
  json::array checks;
  for (const auto& check : explanation.checks) {
    checks.push_back({{"what", check.what},
                      {"value", check.value},
                      {"limit", check.limit},
                      {"holds", check.holds()},
                      {"then", check.then}});
  }
  out["checks"] = std::move(checks);
  if (explanation.origin) out["threshold_origin"] = object_of(*explanation.origin);
  if (explanation.insight) add_insight(*explanation.insight, training, features, out);
  json::array changes;
  for (const auto& change : explanation.changes) {
    changes.push_back({{"without", change.without},
                       {"route", to_string(change.decision.route)},
                       {"script", change.decision.script},
                       {"reasons", json::value_from(change.decision.reasons)}});
  }
  out["changes"] = std::move(changes);
  return out;
}

std::string to_lines(const Explanation& explanation, std::span<const Example> training, std::size_t features) {
  const auto& decision = explanation.decision;
  std::string out = fmt::format("route     {}\n", answer_of(decision));
  for (const auto& reason : decision.reasons) out += fmt::format("          {}\n", reason);
  for (std::size_t i = 0; i < explanation.checks.size(); ++i) {
    const auto& check = explanation.checks[i];
    const bool holds = check.holds();
    out += fmt::format("{}{} {:.3f} {} {:.3f}{}\n", i == 0 ? "checks    " : "          ", check.what, check.value,
                       holds == check.at_least ? ">=" : "<", check.limit, holds ? ": " + check.then : "");
  }
  if (explanation.origin) out += fmt::format("          {}\n", sentence_of(*explanation.origin));
  if (explanation.insight && explanation.insight->said.readable) {
    out += insight_lines(*explanation.insight, training, features);
  }
  for (std::size_t i = 0; i < explanation.changes.size(); ++i) {
    const auto& change = explanation.changes[i];
    out += fmt::format("{}without \"{}\": {}\n", i == 0 ? "changes   " : "          ", change.without,
                       answer_of(change.decision));
  }
  if (explanation.changes.empty()) out += "changes   no single word less would change the route\n";
  return out;
}

std::string recorded_lines(const json::value& decision) {
  const auto script = string_member(decision, "script");
  std::string out = fmt::format("route     {}{}\n", string_member(decision, "chosen"),
                                script.empty() ? "" : fmt::format(" {}", script));
  const auto number = [&](std::string_view key) {
    const auto* value = find_member(decision, key);
    return value && value->is_number() ? value->to_number<double>() : 0.0;
  };
  if (const auto* reasons = find_member(decision, "reasons"); reasons && reasons->is_array()) {
    for (const auto& reason : reasons->get_array()) {
      if (reason.is_string()) out += fmt::format("          {}\n", std::string_view(reason.get_string()));
    }
  }
  if (const auto intent = string_member(decision, "intent"); !intent.empty()) {
    out += fmt::format("intent    {} with confidence {:.3f}, out of scope {:.3f}; limit {:.3f}\n", intent,
                       number("score"), number("out_of_scope"), number("threshold"));
  }
  if (const auto floor = string_member(decision, "floor"); !floor.empty())
    out += fmt::format("tightened the guard of the promise asked scripts for {} at the least\n", floor);
  if (const auto* trial = find_member(decision, "trial"))
    out += fmt::format("trial     {}: the {} has decided\n", string_member(*trial, "name"),
                       string_member(*trial, "by") == "candidate" ? "candidate" : "triage in force");
  if (const auto* shadows = find_member(decision, "shadows"); shadows && shadows->is_array()) {
    for (const auto& one : shadows->get_array()) {
      const auto unknown = string_member(one, "unknown");
      out += fmt::format("shadow    {}: {} {}\n", string_member(one, "trial"),
                         unknown.empty() ? string_member(one, "route") : unknown, string_member(one, "script"));
    }
  }
  if (const auto* others = find_member(decision, "alternatives"); others && others->is_array()) {
    for (const auto& one : others->get_array()) {
      const auto* probability = find_member(one, "probability");
      if (!probability || !probability->is_number()) continue;
      out += fmt::format("next      {} {:.3f}\n", string_member(one, "intent"), probability->to_number<double>());
    }
  }
  if (const auto* versions = find_member(decision, "versions"); versions && versions->is_object()) {
    for (const auto& version : versions->get_object()) {
      out += fmt::format("version   {} {}\n", std::string_view(version.key()),
                         version.value().is_string() ? std::string_view(version.value().get_string()) : "");
    }
  }
  return out;
}

}  // namespace sb::triage
