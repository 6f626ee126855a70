/// Everything a policy says of one text: findings, actions and checks. For commands; the engine does the same step by
/// step.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policy/guard.h"
#include "policy/guards/check.h"

namespace sb::policy {

struct WholeResult {
  Verdict verdict = Verdict::allow;
  std::string text;
  std::vector<GuardedFinding> findings;
  std::vector<std::string> objections;  ///< names of the checks that object
};

/// What a check's action makes of a text it objects to.
Verdict verdict_of(Action action);

/// `is_chat`: an OpenAI chat request, or answer; else plain text. Checks over HTTP are not asked.
/// Errors: as guard_text and guard_json.
Result<WholeResult> guard_whole(const Policy& policy, GuardContext& context, std::string_view text, bool is_chat,
                                const InjectionScorer* scorer);

}  // namespace sb::policy
