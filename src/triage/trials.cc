#include "triage/trials.h"

#include <algorithm>

#include "base/crypto.h"
#include "base/json.h"

namespace sb::triage {
namespace {

/// The name that stays the same for all that belongs together. What kind of name it is goes into the draw: a person
/// called like a conversation is another one.
std::string unit_of(const TrialRules& rules, const Asker& asker) {
  if (const auto tag = asker.tags.find(rules.sticky_by); tag != asker.tags.end()) return "tag\n" + tag->second;
  if (!asker.person.empty()) return "person\n" + asker.person;
  if (!asker.key.empty()) return "key\n" + asker.key;
  return "run\n" + asker.otherwise;
}

}  // namespace

std::string_view to_string(TrialMode mode) {
  return mode == TrialMode::shadow ? "shadow" : "split";
}

bool speaks_of(const TrialRules& rules, const Asker& asker) {
  if (!rules.tenants.empty() && std::ranges::find(rules.tenants, asker.tenant) == rules.tenants.end()) return false;
  return std::ranges::all_of(rules.tags, [&](const auto& wanted) {
    const auto tag = asker.tags.find(wanted.first);
    return tag != asker.tags.end() && tag->second == wanted.second;
  });
}

bool draws(const TrialRules& rules, const Asker& asker) {
  const auto digest = sha256(rules.name + "\n" + asker.tenant + "\n" + unit_of(rules, asker));
  std::uint64_t drawn = 0;
  for (std::size_t i = 0; i < 4; ++i) drawn = drawn << 8 | static_cast<std::uint8_t>(digest[i]);
  return (drawn * 1000) >> 32 < rules.weight_per_mille;
}

std::string trial_document(std::string_view name) {
  return "triage_trial/" + std::string(name);
}

std::string to_json(const TrialState& state) {
  return to_text(json::object{{"identity", state.identity},
                              {"began_us", state.began_us},
                              {"from_leaf", state.from_leaf},
                              {"ended_us", state.ended_us},
                              {"guard", state.guard}});
}

std::optional<TrialState> read_trial_state(std::string_view text) {
  const auto parsed = parse_json(text);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  return TrialState{std::string(string_member(*parsed, "identity")), int_member(*parsed, "began_us"),
                    static_cast<std::uint64_t>(int_member(*parsed, "from_leaf")), int_member(*parsed, "ended_us"),
                    std::string(string_member(*parsed, "guard"))};
}

LiveTrial::LiveTrial(TrialRules rules, std::unique_ptr<LiveRouter> candidate, std::string identity)
    : rules_(std::move(rules)), live_(std::move(candidate)), identity_(std::move(identity)) {}

void LiveTrial::resume(const TrialState& state) {
  began_us_ = state.began_us;
  from_leaf_ = state.from_leaf;
  ended_us_ = state.ended_us;
  if (!state.guard.empty()) live_->resume(state.guard);
}

bool LiveTrial::end(Micros now_us) {
  Micros goes_on = 0;
  return ended_us_.compare_exchange_strong(goes_on, now_us, std::memory_order_acq_rel);
}

TrialState LiveTrial::state() const {
  return {identity_, began_us_, from_leaf_, ended_us_.load(std::memory_order_acquire),
          live_->is_watched() ? live_->state_json() : std::string()};
}

std::unique_ptr<Membership> Trials::membership(const Asker& asker) const {
  std::unique_ptr<Membership> out;
  for (const auto& trial : trials_) {
    const auto& rules = trial->rules();
    if (!trial->goes_on() || !speaks_of(rules, asker)) continue;
    const bool drawn = draws(rules, asker);
    const bool split = rules.mode == TrialMode::split;
    if (split ? out && out->split : !drawn) continue;
    if (!out) out = std::make_unique<Membership>();
    if (!split) {
      out->shadows.push_back(trial.get());
      continue;
    }
    out->split = trial.get();
    out->candidate = drawn;
  }
  return out;
}

std::string Trials::to_json(const Membership& membership) {
  json::array shadows;
  for (const auto* shadow : membership.shadows) shadows.push_back(json::string(shadow->rules().name));
  return to_text(json::object{{"split", membership.split ? membership.split->rules().name : std::string()},
                              {"candidate", membership.candidate},
                              {"shadows", std::move(shadows)}});
}

std::unique_ptr<Membership> Trials::read_membership(const json::value& kept) const {
  auto out = std::make_unique<Membership>();
  out->split = find(string_member(kept, "split"));
  out->candidate = bool_member(kept, "candidate");
  const auto* shadows = find_member(kept, "shadows");
  for (const auto& name : shadows && shadows->is_array() ? shadows->get_array() : json::array()) {
    const auto* text = name.if_string();
    if (auto* shadow = text ? find(*text) : nullptr) out->shadows.push_back(shadow);
  }
  return out->split || !out->shadows.empty() ? std::move(out) : nullptr;
}

LiveTrial* Trials::find(std::string_view name) const {
  const auto found = std::ranges::find_if(trials_, [&](const auto& trial) { return trial->rules().name == name; });
  return found == trials_.end() ? nullptr : found->get();
}

bool Trials::splits() const {
  return std::ranges::any_of(trials_, [](const auto& trial) { return trial->rules().mode == TrialMode::split; });
}

RouteDecision decide_beside(const Router& candidate, const RouteDecision& decided, const RouteQuery& query) {
  if (auto again = candidate.decide_beside(decided)) return *std::move(again);
  return candidate.route(query);
}

bool is_slow_beside(const Router& candidate, const RouteDecision& decided) {
  const bool looks_through_encoder = candidate.model() && candidate.model()->has_encoder();
  return looks_through_encoder && (decided.basis.sight != candidate.sight() || !decided.basis.seen);
}

}  // namespace sb::triage
