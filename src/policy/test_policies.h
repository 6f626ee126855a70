/// Policies and texts that the tests share.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "policy/guard.h"
#include "policy/policy.h"

namespace sb::policy::test {

inline constexpr std::string_view kTokeniseAll = R"(
name: tokenise-all
version: 1
rules:
  - {name: all, types: [EMAIL, PHONE, CREDIT_CARD, IBAN, US_SSN, IP_ADDRESS, SECRET], action: tokenise}
)";

inline std::shared_ptr<const Policy> load(std::string_view yaml) {
  auto policy = Policy::load(yaml, "test");
  if (!policy) return nullptr;
  return *policy;
}

inline constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";

inline GuardContext context_for(TokenVault& vault, Direction direction = Direction::inbound) {
  return {direction, "acme", kKey, vault};
}

}  // namespace sb::policy::test
