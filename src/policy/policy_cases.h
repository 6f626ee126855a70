/// `signalbox policy test`: cases in YAML beside the policy.
#pragma once

#include <iosfwd>
#include <span>
#include <string>

#include "base/errors.h"
#include "policy/guards/check.h"

namespace sb::policy {

/// Runs the cases of each file and prints what failed. Returns 0, or 1 where a case failed.
///
///     policy: default.yaml          # beside this file
///     cases:
///       - name: an address is tokenised
///         direction: inbound         # default
///         text: mail ann@example.org
///         expect: mail [EMAIL_1]     # the new text
///         verdict: changed           # optional
///         findings: [EMAIL]          # optional: the types, in order
///         checks: [size]             # optional: the checks that object; [] says none does
///         tenant: acme               # optional, as key, flow, model: for rules that speak of some alone
///
/// Errors: not_found, invalid_argument (with line and column).
Result<int> run_policy_tests(std::span<const std::string> files, const InjectionScorer* scorer, std::ostream& out);

}  // namespace sb::policy
