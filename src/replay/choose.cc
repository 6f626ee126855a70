#include "replay/choose.h"

#include "flow/guard.h"
#include "triage/decision_record.h"

namespace sb::replay {
namespace {

using By = RecordedChoice::By;

Reason reason_of(triage::Unknown unknown) {
  switch (unknown) {
    case triage::Unknown::not_recorded:
      return Reason::not_recorded;
    case triage::Unknown::other_sight:
      return Reason::other_sight;
    case triage::Unknown::nobody_looked:
      return Reason::nobody_looked;
  }
  return Reason::not_recorded;
}

Choice choice_of(const triage::RouteDecision& decision, bool from_text) {
  return {std::string(triage::to_string(decision.route)), decision.script,
          std::string(triage::record_of(decision).text()), from_text};
}

// Where nobody needs to look at anything: as Engine::triage does it.
std::optional<Choice> without_looking(const Candidate& candidate, const RecordedChoice& recorded) {
  if (recorded.by == By::caller || recorded.by == By::policy) return Choice{.route = recorded.route};
  if (!candidate.router_of(recorded.decision)) return Choice{.route = "large"};
  return std::nullopt;
}

std::expected<Choice, Reason> from_record(const Candidate& candidate, const RecordedChoice& recorded) {
  if (auto choice = without_looking(candidate, recorded)) return *std::move(choice);
  auto again = candidate.router_of(recorded.decision)->decide_again(recorded.decision);
  if (!again) return std::unexpected(reason_of(again.error()));
  candidate.keep_trials(recorded.decision, *again);
  return choice_of(*again, false);
}

// The guard and what triage is told, as for a run that comes now.
class Looker {
 public:
  Looker(const Candidate& candidate, const RecordedRun& run, const flow::RecordedInput& input)
      : run_(run),
        same_policy_(run.policy == candidate.policy_version()),
        candidate_(candidate),
        request_(parse_json(input.stored).value_or(nullptr)),
        session_(candidate.policy, {run.tenant, input.key, run.flow, std::string(asked_model()), reach(), true},
                 input.tenant_key, candidate.scorer) {}

  Result<> guard(const flow::RecordedInput& input) {
    if (same_policy_) {
      // What the policy did is not done again: beside placeholders it may find more than it did beside values.
      session_.read_request(input.stored);
      stored_text_ = policy::last_user_text(input.stored);
      return {};
    }
    session_.tie_hashes_to("not recorded");
    const auto profile =
        find_member(request_, "messages") ? policy::JsonProfile::chat_request : policy::JsonProfile::any;
    SB_TRY(const auto outcome, session_.inspect(policy::Direction::inbound, input.as_it_came, profile));
    verdict_ = outcome.verdict;
    SB_TRY(const auto decision, parse_json(outcome.decision.text()));
    count_findings(decision, found_);
    return {};
  }

  Choice choose(const RecordedChoice& recorded) const {
    if (verdict_ == policy::Verdict::block) return {.route = "blocked", .from_text = true};
    if (recorded.by == By::caller) return {.route = recorded.route};
    if (verdict_ == policy::Verdict::human || (same_policy_ && recorded.by == By::policy)) return {.route = "human"};
    const bool named = !asked_model().empty() && asked_model() != "auto";
    if (recorded.by == By::policy && named) return {.route = route_of_named(), .from_text = true};
    const auto router = candidate_.router_of(recorded.decision);
    if (!router) return {.route = "large"};
    auto decision = router->route(query_of(recorded));
    candidate_.keep_trials(recorded.decision, decision);
    return choice_of(decision, true);
  }

  const FindingCounts& found() const { return same_policy_ ? run_.inbound : found_; }

 private:
  std::span<const std::string> reach() const {
    const bool chat = find_member(request_, "messages") != nullptr;
    return candidate_.catalog->reach(chat ? asked_model() : std::string_view());
  }
  std::string_view asked_model() const { return string_member(request_, "model"); }
  std::string route_of_named() const {
    const auto target = candidate_.catalog->resolve(asked_model());
    return target && !(*target)->tier.empty() ? (*target)->tier : "direct";
  }

  // What the policy found then is not in the text any more.
  triage::RouteQuery query_of(const RecordedChoice& recorded) const {
    auto query = session_.route_query();
    if (!same_policy_) return query;
    const auto& basis = recorded.decision.basis;
    query.text = stored_text_;
    if (!basis.sight.empty()) query.prompt_bytes = basis.prompt_bytes;
    types_.assign(basis.findings.begin(), basis.findings.end());
    if (basis.sight.empty()) {
      for (const auto& [what, count] : run_.inbound) types_.push_back(what.first);
    }
    query.finding_types = types_;
    return query;
  }

  const RecordedRun& run_;
  const bool same_policy_;
  const Candidate& candidate_;
  const json::value request_;
  flow::GuardSession session_;
  policy::Verdict verdict_ = policy::Verdict::allow;
  FindingCounts found_;
  std::string stored_text_;
  mutable std::vector<std::string_view> types_;
};

// A run that the policy stopped has no choice on record: had it been let through, somebody would have chosen.
std::vector<RecordedChoice> choices_of(const RecordedRun& run) {
  if (run.choices.empty() && run.verdict == "block") return {RecordedChoice{.by = By::triage, .route = "blocked"}};
  return run.choices;
}

}  // namespace

std::string_view explain(Reason reason) {
  switch (reason) {
    case Reason::not_recorded:
      return "recorded before decisions kept what they rest on: --texts looks again";
    case Reason::other_sight:
      return "another classifier, encoder or phrases of rules: --texts looks again";
    case Reason::nobody_looked:
      return "a rule decided, and none does now: --texts asks the classifier";
    case Reason::other_policy:
      return "another policy: --texts treats the texts by it";
    case Reason::erased:
      return "it takes the text, and that was erased";
  }
  return "";
}

Result<Chosen> choose(const Candidate& candidate, const RecordedRun& run, const flow::OpenInput& open) {
  const bool same_policy = run.policy == candidate.policy_version();
  const auto recorded = choices_of(run);
  Chosen out;
  if (same_policy) out.inbound = run.inbound;
  bool look = !same_policy;
  for (const auto& choice : recorded) {
    if (same_policy && choice.route == "blocked") {
      out.choices.emplace_back(Choice{.route = "blocked"});
    } else {
      out.choices.push_back(same_policy ? from_record(candidate, choice) : std::unexpected(Reason::other_policy));
    }
    look = look || !out.choices.back();
  }
  if (!look || !open) return out;
  SB_TRY(const auto input, open(run.id));
  if (!input) {
    for (auto& choice : out.choices) {
      if (!choice) choice = std::unexpected(Reason::erased);
    }
    return out;
  }
  Looker looker(candidate, run, *input);
  SB_CHECK(looker.guard(*input));
  out.inbound = looker.found();
  for (std::size_t i = 0; i < recorded.size(); ++i) {
    if (!out.choices[i]) out.choices[i] = looker.choose(recorded[i]);
  }
  return out;
}

}  // namespace sb::replay
