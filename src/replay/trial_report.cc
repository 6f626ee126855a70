#include "replay/trial_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/log.h"
#include "store/sqlite/record_reader.h"
#include "store/sqlite/run_scan.h"
#include "triage/calibrate.h"

namespace sb::replay {
namespace {

constexpr double kSidedQuantile = 0.975;
constexpr double kNormalQuantile = 1.96;

/// Nothing: the leaf is no verdict on an answer.
std::optional<RunVerdict> verdict_of(std::string_view kind, const json::value& summary) {
  if (kind == "run.feedback") {
    const auto by = string_member(summary, "by");
    return RunVerdict{by == "model"    ? JudgedBy::models
                      : by == "client" ? JudgedBy::applications
                                       : JudgedBy::people,
                      !bool_member(summary, "correct")};
  }
  const auto verdict = kind == "review.verdict" ? string_member(summary, "verdict") : std::string_view();
  if (verdict.empty()) return std::nullopt;
  return RunVerdict{JudgedBy::people, verdict != "approve"};
}

json::object share_json(std::uint64_t some, std::uint64_t all) {
  if (all == 0) return {{"low", 0}, {"high", 1}};
  return {{"low", 1 - triage::upper_bound(all - some, all, kSidedQuantile)},
          {"high", triage::upper_bound(some, all, kSidedQuantile)}};
}

json::object answers_json(const Answers& one) {
  const auto said = [&](JudgedBy by) {
    const auto i = static_cast<std::size_t>(by);
    return json::object{{"judged", one.said[i]}, {"wrong", one.said_wrong[i]}};
  };
  return {{"answers", one.answers},
          {"judged", one.judged},
          {"wrong", one.wrong},
          {"wrong_share", share_json(one.wrong, one.judged)},
          {"people", said(JudgedBy::people)},
          {"applications", said(JudgedBy::applications)},
          {"models", said(JudgedBy::models)}};
}

json::object arm_json(const Arm& arm) {
  json::object routes, answers;
  for (const auto& [route, count] : arm.routes) routes[route] = count;
  for (const auto& [route, one] : arm.answers) answers[route] = answers_json(one);
  const auto ended = arm.costs.count();
  const double margin = ended > 1 ? kNormalQuantile * std::sqrt(arm.costs.variance() / static_cast<double>(ended)) : 0;
  json::value mean = nullptr;
  if (ended > 1)
    mean = json::object{{"mean", arm.costs.mean()},
                        {"low", std::max(0.0, arm.costs.mean() - margin)},
                        {"high", arm.costs.mean() + margin}};
  return {{"queries", arm.queries},       {"open", arm.open},       {"failed", arm.failed},
          {"routes", std::move(routes)},  {"cost_micro", arm.cost}, {"cost_micro_per_query", std::move(mean)},
          {"answers", std::move(answers)}};
}

std::uint64_t not_judged(const Arm& arm) {
  std::uint64_t count = 0;
  for (const auto& [route, one] : arm.answers) count += one.answers - one.judged;
  return count;
}

void say_of_arm(std::string_view name, const Arm& arm, json::array& out) {
  const auto say = [&](std::string text) { out.push_back(json::string(text)); };
  if (arm.queries == 0) return say(fmt::format("{}: no query yet, so nothing", name));
  if (const auto count = not_judged(arm); count > 0)
    say(fmt::format("{}: whether {} answers were right; nobody has said", name, count));
  if (arm.open > 0) say(fmt::format("{}: what {} runs cost that have not ended", name, arm.open));
}

}  // namespace

Result<RunVerdicts> read_verdicts(const std::string& database, std::uint64_t from) {
  SB_TRY(const auto record, store::sqlite::RecordReader::open(database));
  SB_CHECK(record->seek(from));
  RunVerdicts out;
  for (;;) {
    SB_TRY(const auto leaf, record->next_leaf());
    if (!leaf) return out;
    const bool may_be =
        leaf->bytes.contains(R"("kind":"run.feedback")") || leaf->bytes.contains(R"("kind":"review.verdict")");
    if (!may_be) continue;
    SB_TRY(const auto parsed, parse_json(leaf->bytes));
    const auto run = RunId::parse(string_member(parsed, "run"));
    const auto* summary = find_member(parsed, "summary");
    const auto verdict = summary ? verdict_of(string_member(parsed, "kind"), *summary) : std::nullopt;
    if (run && verdict) out[*run].push_back(*verdict);
  }
}

void Arm::add(const RecordedRun& run, const RecordedChoice& choice, const std::vector<RunVerdict>* said) {
  ++queries;
  ++routes[choice.route];
  if (!store::is_final(run.status)) {
    ++open;
    return;
  }
  cost += run.cost;
  costs.add(static_cast<double>(run.cost));
  if (run.status != store::RunStatus::completed) {
    ++failed;
    return;
  }
  auto& one = answers[run.route];
  ++one.answers;
  if (!said || said->empty()) return;
  std::array<bool, kJudges> heard{};
  bool wrong = false;
  for (const auto& verdict : *said) {
    const auto by = static_cast<std::size_t>(verdict.by);
    if (std::exchange(heard[by], true)) continue;
    ++one.said[by];
    one.said_wrong[by] += verdict.wrong;
    wrong = wrong || verdict.wrong;
  }
  ++one.judged;
  one.wrong += wrong;
}

TrialSums::TrialSums(const triage::LiveTrial& trial)
    : rules_(trial.rules()),
      state_(trial.state()),
      version_(trial.candidate()->version()),
      watched_(trial.live().is_watched()) {
  if (const auto& model = trial.candidate()->model()) classifier_ = model->version();
}

void TrialSums::add(const RecordedRun& run, const RunVerdicts& verdicts) {
  if (run.began_us < state_.began_us) return;  // of a trial of that name before this one
  const auto found = verdicts.find(run.id);
  const auto* said = found == verdicts.end() ? nullptr : &found->second;
  // A flow may choose several ways; the run, its cost and what is said of it are counted with the first.
  const auto choice = std::ranges::find(run.choices, RecordedChoice::By::triage, &RecordedChoice::by);
  if (choice == run.choices.end()) return;
  if (rules_.mode == triage::TrialMode::split)
    add_split(run, *choice, said);
  else
    add_shadow(run, *choice, said);
}

void TrialSums::add_split(const RecordedRun& run, const RecordedChoice& choice, const std::vector<RunVerdict>* said) {
  if (choice.decision.trial != rules_.name) return;
  (choice.decision.by_candidate ? candidate_ : in_force_).add(run, choice, said);
}

void TrialSums::add_shadow(const RecordedRun& run, const RecordedChoice& choice, const std::vector<RunVerdict>* said) {
  const auto& shadows = choice.decision.shadows;
  const auto shadow = std::ranges::find(shadows, rules_.name, &triage::ShadowDecision::trial);
  if (shadow == shadows.end()) return;
  ++beside_.queries;
  if (!shadow->unknown.empty()) {
    ++beside_.unknown[shadow->unknown];
    return;
  }
  const auto route = std::string(triage::to_string(shadow->route));
  ++beside_.routes[{choice.route, route}];
  beside_.same_intent += shadow->intent == choice.decision.intent;
  const bool same = route == choice.route && shadow->script == choice.decision.script;
  (same ? beside_.agrees : beside_.differs).add(run, choice, said);
}

json::array TrialSums::unknown() const {
  json::array out;
  const auto say = [&](std::string text) { out.push_back(json::string(text)); };
  if (!watched_)
    say("whether the candidate keeps a promise: triage.promise says nothing, or its labelled texts support none for "
        "it");
  if (rules_.mode == triage::TrialMode::split) {
    say_of_arm("in force", in_force_, out);
    say_of_arm("candidate", candidate_, out);
    return out;
  }
  if (beside_.queries == 0) {
    say("no query yet, so nothing");
    return out;
  }
  std::uint64_t silent = 0;
  for (const auto& [why, count] : beside_.unknown) silent += count;
  if (silent > 0) say(fmt::format("what the candidate would have done with {} queries: it was not in time", silent));
  if (beside_.differs.queries > 0)
    say(fmt::format(
        "what the candidate's answers to {} queries would have been, and cost: it would have gone elsewhere",
        beside_.differs.queries));
  say_of_arm("where both agree", beside_.agrees, out);
  return out;
}

json::object TrialSums::to_json() const {
  json::object out{{"name", rules_.name},
                   {"mode", triage::to_string(rules_.mode)},
                   {"weight_per_mille", rules_.weight_per_mille},
                   {"state", state_.ended_us == 0 ? "running" : "ended"},
                   {"began_at", rfc3339(state_.began_us)},
                   {"ended_at", state_.ended_us == 0 ? json::value(nullptr) : json::value(rfc3339(state_.ended_us))},
                   {"triage", version_},
                   {"classifier", classifier_}};
  if (rules_.mode == triage::TrialMode::split) {
    out["arms"] = json::object{{"in_force", arm_json(in_force_)}, {"candidate", arm_json(candidate_)}};
  } else {
    json::array agreement;
    for (const auto& [routes, count] : beside_.routes)
      agreement.push_back(json::object{{"in_force", routes.first}, {"candidate", routes.second}, {"queries", count}});
    json::object silent;
    for (const auto& [why, count] : beside_.unknown) silent[why] = count;
    out["shadow"] = json::object{{"queries", beside_.queries},         {"agreement", std::move(agreement)},
                                 {"same_intent", beside_.same_intent}, {"not_in_time", std::move(silent)},
                                 {"agrees", arm_json(beside_.agrees)}, {"differs", arm_json(beside_.differs)}};
  }
  out["not_known"] = unknown();
  return out;
}

Result<std::string> report_trials(const std::string& database, const std::string& tenant, std::vector<TrialSums> trials,
                                  const std::string& currency) {
  Micros since = INT64_MAX;
  std::uint64_t from = UINT64_MAX;
  for (const auto& trial : trials) {
    since = std::min(since, trial.state().began_us);
    from = std::min(from, trial.state().from_leaf);
  }
  SB_TRY(const auto verdicts, read_verdicts(database, from));
  store::sqlite::ScanFilter filter;
  filter.tenant = tenant;
  filter.since_us = since;
  SB_TRY(const auto scan, store::sqlite::RunScan::open(database, std::move(filter)));
  for (;;) {
    SB_TRY(const auto scanned, scan->next());
    if (!scanned) break;
    SB_TRY(const auto run, recorded_run(*scanned));
    for (auto& trial : trials) trial.add(run, verdicts);
  }
  json::array list;
  for (const auto& trial : trials) list.push_back(trial.to_json());
  return to_text(json::object{{"currency", currency}, {"trials", std::move(list)}});
}

namespace {

double real_member(const json::value& object, std::string_view name) {
  const auto* member = find_member(object, name);
  return member && member->is_number() ? member->to_number<double>() : 0;
}

std::string money_of(const json::value& arm) {
  const auto* mean = find_member(arm, "cost_micro_per_query");
  const double micros = static_cast<double>(int_member(arm, "cost_micro"));
  if (!mean || mean->is_null()) return fmt::format("{:.6f}", micros / 1e6);
  return fmt::format("{:.6f}; a query {:.6f} ({:.6f} to {:.6f})", micros / 1e6, real_member(*mean, "mean") / 1e6,
                     real_member(*mean, "low") / 1e6, real_member(*mean, "high") / 1e6);
}

void append_arm(std::string& out, std::string_view name, const json::value& arm) {
  out += fmt::format("  {:<12}{} queries\n", name, int_member(arm, "queries"));
  std::string routes;
  if (const auto* mix = find_member(arm, "routes"); mix && mix->is_object()) {
    for (const auto& [route, count] : mix->get_object())
      routes += fmt::format("{}{} {}", routes.empty() ? "" : ", ", std::string_view(route), to_text(count));
  }
  if (!routes.empty()) out += fmt::format("    routes    {}\n    cost      {}\n", routes, money_of(arm));
  const auto* answers = find_member(arm, "answers");
  for (const auto& [route, one] : answers && answers->is_object() ? answers->get_object() : json::object()) {
    const auto* share = find_member(one, "wrong_share");
    out += fmt::format("    {:<10}{} answers, {} judged, {} wrong ({:.2f} to {:.2f} % with 95 % confidence)\n",
                       std::string_view(route), int_member(one, "answers"), int_member(one, "judged"),
                       int_member(one, "wrong"), 100 * real_member(*share, "low"), 100 * real_member(*share, "high"));
  }
}

void append_shadow(std::string& out, const json::value& shadow) {
  out += fmt::format("  {} queries, the same intent for {}\n", int_member(shadow, "queries"),
                     int_member(shadow, "same_intent"));
  for (const auto& one : find_member(shadow, "agreement")->get_array())
    out += fmt::format("    {:<8}{}  candidate {:<8}{}\n", string_member(one, "in_force"),
                       string_member(one, "in_force") == string_member(one, "candidate") ? "=" : " ",
                       string_member(one, "candidate"), int_member(one, "queries"));
  append_arm(out, "agrees", *find_member(shadow, "agrees"));
  append_arm(out, "differs", *find_member(shadow, "differs"));
}

}  // namespace

std::string trial_lines(const json::value& report) {
  std::string out;
  const auto* trials = find_member(report, "trials");
  if (!trials || !trials->is_array() || trials->get_array().empty()) return "nothing is tried\n";
  for (const auto& trial : trials->get_array()) {
    const auto ended = string_member(trial, "ended_at");
    out +=
        fmt::format("{} ({}, {} per mille, {}) since {}{}\n", string_member(trial, "name"),
                    string_member(trial, "mode"), int_member(trial, "weight_per_mille"), string_member(trial, "state"),
                    string_member(trial, "began_at"), ended.empty() ? std::string() : fmt::format(", ended {}", ended));
    if (const auto* arms = find_member(trial, "arms")) {
      append_arm(out, "in force", *find_member(*arms, "in_force"));
      append_arm(out, "candidate", *find_member(*arms, "candidate"));
    }
    if (const auto* shadow = find_member(trial, "shadow")) append_shadow(out, *shadow);
    for (const auto& one : find_member(trial, "not_known")->get_array())
      out += fmt::format("  not known: {}\n", std::string_view(one.get_string()));
  }
  return out + fmt::format("cost in {}, of runs that have ended\n", string_member(report, "currency"));
}

}  // namespace sb::replay
