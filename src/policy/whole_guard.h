/// Everything a policy says of one text: findings, actions and checks. For commands; the engine does the same step by
/// step.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/guard.h"
#include "policy/guards/check.h"
#include "policy/json_guard.h"

namespace sb::policy {

struct WholeResult {
  Verdict verdict = Verdict::allow;
  std::string text;
  std::vector<GuardedFinding> findings;
  std::vector<const Check*> objections;  ///< checks that object; live as long as the policy
};

/// What a check's action makes of a text it objects to.
Verdict verdict_of(Action action);

/// `profile`: which JSON it is; nothing: a text, which may hold JSON. Checks over HTTP are not asked, and none of JSON
/// that is no chat on its way out, as in the engine. Errors: as guard_text and guard_json.
Result<WholeResult> guard_whole(const Policy& policy, GuardContext& context, std::string_view text,
                                std::optional<JsonProfile> profile, const InjectionScorer* scorer);

}  // namespace sb::policy
