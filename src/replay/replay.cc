#include "replay/replay.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sb::replay {
namespace {

constexpr double kTokensPerPrice = 1e6;

bool is_people(const std::string& route) {
  return route == "human";
}

bool goes_as_before(const RecordedChoice& before, const Choice& after) {
  return after.route == before.route && after.script == before.decision.script;
}

// The one choice of a run that has one; null: none, several, or not known.
const Choice* only_choice(const Chosen& chosen) {
  return chosen.choices.size() == 1 && chosen.choices.front() ? &*chosen.choices.front() : nullptr;
}

bool offers(const model::Target& target, std::size_t deployment) {
  return std::ranges::any_of(target.groups, [&](const auto& group) {
    return std::ranges::find(group, deployment, &model::Target::Candidate::deployment) != group.end();
  });
}

void judge(store::ReviewState state, Judged& judged) {
  switch (state) {
    case store::ReviewState::approved:
      ++judged.approved;
      break;
    case store::ReviewState::edited:
      ++judged.edited;
      break;
    case store::ReviewState::rejected:
      ++judged.rejected;
      break;
    default:
      ++judged.open;
  }
}

bool was_passed_on(const RecordedRun& run) {
  return run.look && !run.look->verdict.accepted();
}

void add(const FindingCounts& from, FindingCounts& to) {
  for (const auto& [what, count] : from) to[what] += count;
}

}  // namespace

std::uint64_t Report::unknown_count() const {
  return std::accumulate(unknown.begin(), unknown.end(), std::uint64_t{0});
}

bool Report::nothing_differs() const {
  return exact == choices && looks.exact == looks.recorded && bill.known_runs == runs && bill.changed_runs == 0 &&
         findings_unknown_runs == 0;
}

Replay::Replay(const Candidate& candidate, flow::OpenInput open) : candidate_(candidate), open_(std::move(open)) {
  for (const auto& deployment : candidate.catalog->deployments()) deployments_[deployment.name] = deployment.index;
}

Result<> Replay::add(const RecordedRun& run) {
  SB_TRY(const auto chosen, choose(candidate_, run, open_));
  ++sums_.runs;
  sums_.erased += run.erased;
  learn(run);
  count_choices(run, chosen);
  const auto look = goes_on_as_before(run, chosen) ? look_again(candidate_, run) : std::nullopt;
  count_look(run, look);
  count_cost(run, chosen, look);
  count_time(run, only_choice(chosen), look);
  count_people(run, only_choice(chosen));
  count_findings_of(run, chosen);
  return {};
}

void Replay::learn(const RecordedRun& run) {
  for (const auto& call : run.calls) {
    const auto* answer = call.answer();
    if (!answer) continue;
    const auto tokens = static_cast<double>(answer->usage.output_tokens);
    answer_tokens_[answer->deployment].add(tokens);
    all_answer_tokens_.add(tokens);
  }
  if (run.choices.empty()) return;
  const auto* answer = run.calls.empty() ? nullptr : run.calls.back().answer();
  if (!answer && !run.tokens) return;
  ++sums_.control_runs;
  all_input_tokens_ += static_cast<double>((answer ? answer->usage : *run.tokens).input_tokens);
}

void Replay::count_choices(const RecordedRun& run, const Chosen& chosen) {
  sums_.without_choice += chosen.choices.empty();
  for (std::size_t i = 0; i < chosen.choices.size(); ++i) {
    const auto& after = chosen.choices[i];
    const RecordedChoice stopped{.route = "blocked"};
    const auto& before = i < run.choices.size() ? run.choices[i] : stopped;
    ++sums_.choices;
    ++sums_.routes[{before.route, after ? after->route : "?"}];
    if (!after) {
      ++sums_.unknown[static_cast<std::size_t>(after.error())];
      continue;
    }
    sums_.looked += after->from_text;
    if (!goes_as_before(before, *after))
      ++sums_.changed;
    else if (after->record.empty() || after->record == before.record)
      ++sums_.exact;
    else
      ++sums_.same;
  }
}

bool Replay::goes_on_as_before(const RecordedRun& run, const Chosen& chosen) {
  for (std::size_t i = 0; i < chosen.choices.size(); ++i) {
    const auto& after = chosen.choices[i];
    if (!after || !(i < run.choices.size() ? goes_as_before(run.choices[i], *after) : after->route == "blocked"))
      return false;
  }
  return true;
}

void Replay::count_look(const RecordedRun& run, const Look& look) {
  auto& looks = sums_.looks;
  looks.recorded += run.look.has_value();
  looks.recorded_passed += was_passed_on(run);
  if (!look) return;
  if (!*look) {
    ++looks.unknown[static_cast<std::size_t>(look->error())];
    return;
  }
  const auto& again = **look;
  looks.exact += run.look && again.record == run.look->record;
  ++(again.fate == LookedAgain::Fate::given       ? looks.given
     : again.fate == LookedAgain::Fate::passed_on ? looks.passed_on
                                                  : looks.not_looked_at);
}

void Replay::count_cost(const RecordedRun& run, const Chosen& chosen, const Look& look) {
  auto& bill = sums_.bill;
  sums_.recorded_cost += run.cost;
  sums_.recorded_all_large += run.cost_all_large;
  MicroMoney cost = 0;
  auto standing = Standing::unknown;
  if (goes_on_as_before(run, chosen))
    standing = calls_after_look(run, look, cost);
  else if (const auto* choice = only_choice(chosen))
    standing = calls_of_route(run, choice->route, cost);
  if (standing == Standing::refused || standing == Standing::unknown) {
    ++bill.unknown_runs;
    bill.recorded_of_unknown += run.cost;
    bill.refused_runs += standing == Standing::refused;
    return;
  }
  bill.known += cost;
  ++(standing == Standing::known ? bill.known_runs : bill.expected_runs);
  bill.changed_runs += standing == Standing::known && cost != run.cost;
}

Replay::Standing Replay::calls_after_look(const RecordedRun& run, const Look& look, MicroMoney& cost) {
  if (look && !*look) return Standing::unknown;
  const bool passed_on = look && (*look)->fate == LookedAgain::Fate::passed_on;
  if (!look || passed_on == was_passed_on(run)) return calls_as_they_were(run, run.calls.size(), cost);
  const auto standing = calls_as_they_were(run, run.look->calls, cost);
  if (!passed_on) return standing;
  if (run.look->calls == 0) return Standing::unknown;  // what was looked at is no model's
  const auto* small = run.calls[run.look->calls - 1].answer();
  const auto large = candidate_.catalog->resolve("large");
  if (!small || !large) return Standing::unknown;
  move_to(**large, static_cast<double>(small->usage.input_tokens), 0);
  return std::max(standing, Standing::expected);
}

Replay::Standing Replay::calls_as_they_were(const RecordedRun& run, std::size_t count, MicroMoney& cost) {
  auto standing = Standing::known;
  MicroMoney calls = 0;
  for (std::size_t i = 0; i < run.calls.size(); ++i) {
    const auto& call = run.calls[i];
    if (i >= count) {
      calls += call.cost;
      continue;
    }
    const auto target = candidate_.catalog->resolve(call.target);
    if (target)
      standing = std::max(standing, call_again(call, **target, cost));
    else if (!call.attempts.empty())
      standing = Standing::refused;
    calls += call.cost;
  }
  // Steps that failed without a decision have a cost and no tokens.
  sums_.bill.unexplained += run.cost - calls;
  cost += run.cost - calls;
  return standing;
}

Replay::Standing Replay::calls_of_route(const RecordedRun& run, const std::string& route, MicroMoney& cost) {
  if (route == "script" || route == "human" || route == "blocked") return Standing::known;
  const auto target = candidate_.catalog->resolve(route);
  if (!target) return route == "direct" ? Standing::unknown : Standing::refused;
  // Whether a small answer that is not on record would do, nobody knows.
  if (route == "small" && candidate_.router && candidate_.router->cascade()) return Standing::unknown;
  const bool one = run.calls.size() == 1 || was_passed_on(run);
  if (one && run.calls.back().answer()) return call_again(run.calls.back(), **target, cost);
  if (!run.calls.empty() || !run.tokens) return Standing::unknown;
  move_to(**target, static_cast<double>(run.tokens->input_tokens), static_cast<double>(run.cost));
  return Standing::expected;
}

Replay::Standing Replay::call_again(const RecordedCall& call, const model::Target& target, MicroMoney& cost) {
  if (const auto* answer = call.answer()) {
    const auto found = deployments_.find(answer->deployment);
    if (found == deployments_.end() || !offers(target, found->second)) {
      move_to(target, static_cast<double>(answer->usage.input_tokens), static_cast<double>(call.cost));
      return Standing::expected;
    }
  }
  MicroMoney explained = 0;
  for (const auto& attempt : call.attempts) {
    const auto found = deployments_.find(attempt.deployment);
    explained += attempt.cost;
    cost += found == deployments_.end()
                ? attempt.cost
                : model::cost_of(attempt.usage, candidate_.catalog->deployments()[found->second].price);
    sums_.bill.old_prices += !attempt.price;
  }
  sums_.bill.unexplained += call.cost - explained;
  cost += call.cost - explained;
  return Standing::known;
}

// As a gateway would pick: by weight among the first in line.
void Replay::move_to(const model::Target& target, double input_tokens, double recorded_cost) {
  if (target.groups.empty()) return;
  double weights = 0;
  for (const auto& one : target.groups.front()) weights += one.weight;
  for (const auto& one : target.groups.front()) {
    const double share = one.weight / weights;
    auto& moved = moved_[one.deployment];
    moved.runs += share;
    moved.input_tokens += share * input_tokens;
    moved.recorded_cost += share * recorded_cost;
  }
}

void Replay::count_time(const RecordedRun& run, const Choice* choice, const Look& look) {
  const bool timed = run.took_us > 0 && run.status == store::RunStatus::completed && !is_people(run.route);
  if (timed) {
    sums_.recorded_times[run.route].add(run.took_us);
    sums_.times_before.add(run.took_us);
  }
  const bool kept =
      run.choices.empty() || (choice && run.choices.size() == 1 && goes_as_before(run.choices[0], *choice));
  const bool looked_alike = !look || (*look && ((*look)->fate == LookedAgain::Fate::passed_on) == was_passed_on(run));
  if (kept && looked_alike) {
    if (timed) sums_.times_after.add(run.took_us);
    return;
  }
  if (kept) {
    sums_.untimed += timed;
    return;
  }
  if (!choice)
    ++sums_.untimed;
  else if (!is_people(choice->route) && choice->route != "blocked")
    ++moved_times_[choice->route];
}

void Replay::count_people(const RecordedRun& run, const Choice* choice) {
  const bool to_people = choice && is_people(choice->route);
  if (run.review) {
    judge(*run.review, to_people ? sums_.people_stay : choice ? sums_.people_spared : sums_.people_unknown);
    return;
  }
  ++(to_people ? sums_.newly_to_people : sums_.unjudged);
}

void Replay::count_findings_of(const RecordedRun& run, const Chosen& chosen) {
  replay::add(run.inbound, sums_.inbound_before);
  replay::add(run.outbound, sums_.outbound_before);
  if (chosen.inbound)
    replay::add(*chosen.inbound, sums_.inbound_after);
  else
    ++sums_.findings_unknown_runs;
  if (!chosen.inbound || run.policy == candidate_.policy_version()) return;
  for (const auto& [what, count] : run.inbound) sums_.taken_out += flow::is_gone_after(what.second) ? count : 0;
}

std::optional<Replay::Expected> Replay::expect(const model::Deployment& deployment, double runs,
                                               double input_tokens) const {
  const auto own = answer_tokens_.find(deployment.name);
  const bool known = own != answer_tokens_.end() && own->second.count() >= kFewest;
  const auto& answers = known ? own->second : all_answer_tokens_;
  if (answers.count() < kFewest) return std::nullopt;
  const double in = static_cast<double>(deployment.price.input) / kTokensPerPrice;
  const double out = static_cast<double>(deployment.price.output) / kTokensPerPrice;
  // Of the answers themselves, and of the mean that stands for them.
  const double of_sum = answers.variance() * runs * (1 + (runs / static_cast<double>(answers.count())));
  return Expected{(input_tokens * in) + (runs * answers.mean() * out), of_sum * out * out};
}

void Replay::finish(Bill& bill) const {
  double variance = 0;
  for (const auto& [index, moved] : moved_) {
    const auto expected = expect(candidate_.catalog->deployments()[index], moved.runs, moved.input_tokens);
    if (!expected) {
      const auto runs = std::min<std::uint64_t>(bill.expected_runs, std::llround(moved.runs));
      bill.expected_runs -= runs;
      bill.unknown_runs += runs;
      bill.recorded_of_unknown += std::llround(moved.recorded_cost);
      continue;
    }
    bill.expected += expected->cost;
    variance += expected->variance;
  }
  bill.deviation = std::sqrt(variance);
}

void Replay::finish_controls(Report& report) const {
  for (const std::string tier : {"large", "small"}) {
    const auto target = candidate_.catalog->resolve(tier);
    if (!target || (*target)->groups.empty()) continue;
    const auto& first = candidate_.catalog->deployments()[(*target)->groups.front().front().deployment];
    if (const auto expected = expect(first, static_cast<double>(report.control_runs), all_input_tokens_))
      report.controls.push_back({tier, expected->cost});
  }
}

void Replay::finish_times(Report& report) const {
  for (const auto& [route, runs] : moved_times_) {
    const auto known = sums_.recorded_times.find(route);
    if (known == sums_.recorded_times.end() || known->second.count() < kFewest)
      report.untimed += runs;
    else
      report.times_after.add(known->second, runs);
  }
}

Report Replay::report() const {
  Report report = sums_;
  finish(report.bill);
  finish_controls(report);
  finish_times(report);
  return report;
}

}  // namespace sb::replay
