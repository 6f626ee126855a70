/// One rule of a policy: whom it speaks of, which findings, and what happens to them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "policy/detect/pattern.h"
#include "policy/detector.h"
#include "policy/scope.h"

namespace sb::policy {

/// inbound: from the caller towards a model, a script, a store. outbound: back to the caller.
enum class Direction : std::uint8_t { inbound, outbound };

/// What a rule does with a finding.
enum class Action : std::uint8_t {
  allow,           ///< recorded, not touched ("log only")
  mask,            ///< letters and digits become '*', but for the last `keep_last`
  redact,          ///< "[EMAIL]"
  replace,         ///< the rule's own text, `with`
  hash,            ///< "[EMAIL:9f86d081884c7d65]": HMAC-SHA256 under the tenant's key, first 64 bits
  tokenise,        ///< "[EMAIL_1]", restored in the reply
  encrypt,         ///< "[EMAIL:enc:...]": sealed under the tenant's key, opened by those with the permission
  route_to_local,  ///< untouched, but no model outside may see it
  route_to_human,  ///< a person decides; the value is redacted until then
  block,           ///< nothing goes on
};

std::string_view to_string(Direction direction);
std::string_view to_string(Action action);

struct Rule {
  std::string name;
  Scope scope;
  std::vector<std::string> types;  ///< "DE_*": all that begin so; "*": all
  bool inbound = true;
  bool outbound = true;
  Action action = Action::redact;
  float min_score = 0.5F;
  int keep_last = 0;
  std::string with;
  bool tenant_wide = false;                ///< tokenise: one placeholder for a value in all runs of a tenant
  bool services = false;                   ///< tokenise: services that the configuration trusts may have the value
  std::vector<std::string> allow;          ///< values left alone, lower case; "*suffix" matches an ending
  std::vector<Pattern> allow_patterns;     ///< values left alone: the whole value matches
  std::shared_ptr<const Detector> denied;  ///< finds `deny` words and `deny_patterns`, as type DENIED; null: none
};

/// Bits of the rules that speak of a run, by index.
inline constexpr std::uint64_t kAllRules = ~std::uint64_t{0};

}  // namespace sb::policy
