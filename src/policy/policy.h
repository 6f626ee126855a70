/// A data policy: which personal data and secrets may pass, in which direction, and what happens to the rest.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/json.h"
#include "policy/detector.h"
#include "policy/scanner.h"

namespace sb::policy {

/// inbound: from the caller towards a model, a script, a store. outbound: back to the caller.
enum class Direction : std::uint8_t { inbound, outbound };

/// What a rule does with a finding; in order of severity where two rules' verdicts meet.
enum class Action : std::uint8_t {
  allow,           ///< recorded, not touched ("log only")
  mask,            ///< letters and digits become '*', but for the last `keep_last`
  redact,          ///< "[EMAIL]"
  replace,         ///< the rule's own text, `with`
  hash,            ///< "[EMAIL:9f86d081884c7d65]": HMAC-SHA256 under the tenant's key, first 64 bits
  tokenise,        ///< "[EMAIL_1]", restored in the reply
  route_to_human,  ///< a person decides; the value is redacted until then
  block,           ///< nothing goes on
};

std::string_view to_string(Direction direction);
std::string_view to_string(Action action);

struct Rule {
  std::string name;
  std::vector<std::string> types;  ///< "*": all
  bool inbound = true;
  bool outbound = true;
  Action action = Action::redact;
  float min_score = 0.5F;
  int keep_last = 0;
  std::string with;
  std::vector<std::string> allow;  ///< values left alone, lower case; "*suffix" matches an ending
  std::vector<std::string> deny;   ///< words always found, as type DENIED
};

/// One version of a policy document. Immutable and thread-safe; findings point into it.
class Policy {
 public:
  /// Reads a YAML document (schema: policies/policy.schema.json). `origin` names it in errors: a file or policy name.
  /// `more`: detectors beside the shipped ones, of types that the rules may then name.
  /// Errors: invalid_argument: "ORIGIN: line L, column C: ...", with the nearest known key or word.
  static Result<std::shared_ptr<const Policy>> load(std::string_view yaml, std::string_view origin,
                                                    std::vector<std::shared_ptr<const Detector>> more = {});

  /// Knows nothing but placeholders: for restoring alone.
  static const Policy& restore_only();

  const std::string& name() const { return name_; }
  std::int64_t version() const { return version_; }
  /// SHA-256 (hex) of the document as canonical JSON (sorted keys, no blanks): layout and comments do not count.
  const std::string& hash() const { return hash_; }
  const std::vector<Rule>& rules() const { return rules_; }

  const Scanner& scanner(Direction direction) const { return direction == Direction::inbound ? *inbound_ : *outbound_; }

  /// The first rule that speaks of this finding, or null: then it passes. `value`: the bytes it covers.
  const Rule* rule_for(Direction direction, const Finding& finding) const;
  /// Whether `rule` lets this very value pass.
  static bool is_allowed(const Rule& rule, std::string_view value);

 private:
  Policy() = default;
  void build_scanners(const std::vector<std::shared_ptr<const Detector>>& detectors);

  std::string name_;
  std::int64_t version_ = 0;
  std::string hash_;
  std::vector<Rule> rules_;
  std::unique_ptr<Scanner> inbound_;
  std::unique_ptr<Scanner> outbound_;
};

/// The type of findings of `deny` words.
inline constexpr std::string_view kDeniedType = "DENIED";
/// The type of placeholders in outbound text; no rule speaks of it.
inline constexpr std::string_view kPlaceholderType = "PLACEHOLDER";

}  // namespace sb::policy
