/// Policies and texts that the tests share.
#pragma once

#include <algorithm>
#include <memory>
#include <regex>
#include <string>
#include <string_view>

#include "policy/detect/fold.h"
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

/// Characters of a text as it stands: an escape is one, an invisible one too, an escape that is not whole none.
inline std::size_t characters(std::string_view raw) {
  static const std::regex kEscapes(R"(&#?x?[0-9a-z]{1,8};|\\u[0-9a-fA-F]{4}|\\[nrt"/]|%[0-9a-fA-F]{2}|<wbr>)");
  static const std::regex kBeginnings(R"((&#?x?[0-9a-z]{0,8}|\\u?[0-9a-fA-F]{0,3}|%[0-9a-fA-F]?|<w?b?r?)$)");
  const std::string whole = std::regex_replace(std::string(raw), kEscapes, "x");
  const std::string left = std::regex_replace(whole, kBeginnings, "");
  return static_cast<std::size_t>(
      std::ranges::count_if(left, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

/// Without the character or escape that the end cuts: what has come of the one behind those that are held back.
inline std::string_view without_cut(std::string_view held) {
  Fold fold;
  fold.assign(held, false);
  return held.substr(0, fold.folded_bytes());
}

inline constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";

inline GuardContext context_for(TokenVault& vault, Direction direction = Direction::inbound) {
  return {direction, "acme", kKey, vault};
}

}  // namespace sb::policy::test
