#include "policy/whole_guard.h"

#include <algorithm>

namespace sb::policy {

Verdict verdict_of(Action action) {
  switch (action) {
    case Action::route_to_local:
      return Verdict::local;
    case Action::route_to_human:
      return Verdict::human;
    case Action::block:
      return Verdict::block;
    default:
      return Verdict::allow;
  }
}

Result<WholeResult> guard_whole(const Policy& policy, GuardContext& context, std::string_view text,
                                std::optional<JsonProfile> profile, const InjectionScorer* scorer) {
  WholeResult whole;
  std::vector<CheckedText> texts;
  if (profile) {
    context.texts = &texts;
    SB_TRY(auto guarded, guard_json(policy, context, text, *profile));
    context.texts = nullptr;
    whole.verdict = guarded.verdict;
    whole.text = guarded.changed ? std::move(guarded.json) : std::string(text);
    whole.findings = std::move(guarded.findings);
  } else {
    SB_TRY(auto guarded, guard_text_or_json(policy, context, text));
    whole.verdict = guarded.verdict;
    whole.text = std::move(guarded.text);
    whole.findings = std::move(guarded.findings);
    texts.push_back({whole.text, context.direction == Direction::inbound ? TextRole::outside : TextRole::answer});
  }
  if (profile == JsonProfile::any && context.direction == Direction::outbound) return whole;
  for (const auto& result : run_checks(policy.checks(), context.checks, context.direction, {texts}, scorer)) {
    if (!result.objects) continue;
    whole.objections.push_back(result.check);
    if (!policy.log_only()) whole.verdict = std::max(whole.verdict, verdict_of(result.check->action));
  }
  return whole;
}

}  // namespace sb::policy
