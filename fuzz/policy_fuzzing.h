/// What the fuzzers of the policy share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "policy/guard.h"
#include "policy/policy.h"

namespace sb::policy::fuzzing {

inline constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";

inline void require(bool condition, std::source_location where = std::source_location::current()) {
  if (condition) return;
  std::fprintf(stderr, "%s:%u: what is required does not hold\n", where.file_name(), where.line());
  std::abort();
}

// Names, which cost ten times what all patterns do, are looked for where the input says so.
inline std::shared_ptr<const Policy> load_policy(std::string_view types) {
  const std::string yaml =
      "{name: fuzz, version: 1, rules: [{types: [URL], direction: inbound, action: allow, min_score: 0}, {types: "
      "[AGE], "
      "action: allow, min_score: 0}, {types: [EMAIL], action: tokenise, allow: ['*@x.org']}, {types: ['DATE*'], "
      "direction: inbound, action: route_to_local, min_score: 0}, {name: all, types: " +
      std::string(types) + ", action: tokenise}, {name: words, deny: [project x, zz], action: redact}]}";
  return Policy::load(yaml, "fuzz").value();
}

inline constexpr std::string_view kAllTypes = "['*']";
inline constexpr std::string_view kPatternTypes =
    "[EMAIL, PHONE, CREDIT_CARD, IBAN, US_BANK_NUMBER, CRYPTO, IP_ADDRESS, MAC_ADDRESS, URL, SECRET, 'US_*', 'DE_*', "
    "PASSPORT, CUSTOMER_ID]";

// An input: what is to be done in its first byte, then the text.
struct Input {
  explicit Input(std::string_view bytes)
      : text(bytes.substr(1)),
        direction((bytes[0] & 1) != 0 ? Direction::outbound : Direction::inbound),
        names((bytes[0] & 6) == 6),
        is_utf8(is_valid_utf8(text)),
        step(std::max<std::size_t>(1U + (static_cast<unsigned char>(bytes[0]) >> 3), text.size() / kMostPieces)) {}

  // More pieces of a longer text take time and find nothing that those of a shorter do not.
  static constexpr std::size_t kMostPieces = 96;
  static constexpr std::size_t kMostBytes = 2048;

  std::string_view text;
  Direction direction;
  bool names;
  bool is_utf8;      // what else comes is no JSON, and its windows may end elsewhere in pieces
  std::size_t step;  // bytes a piece
};

}  // namespace sb::policy::fuzzing
