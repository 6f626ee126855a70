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
#include "policy/guards/check.h"
#include "policy/rule.h"
#include "policy/scanner.h"

namespace sb::policy {

/// What patterns may cost a byte of the worst text (Pattern::cost): one, and all that look at every text together.
/// There a kilobyte of such a text takes up to 10 ms: a place costs some 20 ns.
inline constexpr std::size_t kMaxPatternCost = 512;

/// One version of a policy document. Immutable and thread-safe; findings point into it.
class Policy {
 public:
  /// Reads a YAML document (schema: policies/policy.schema.json). `origin` names it in errors: a file or policy name.
  /// `more`: detectors beside the shipped ones, of types that the rules may then name.
  /// Errors: invalid_argument: "ORIGIN: line L, column C: ...", with the nearest known key or word.
  static Result<std::shared_ptr<const Policy>> load(std::string_view yaml, std::string_view origin,
                                                    std::vector<std::shared_ptr<const Detector>> more = {});
  /// One that was taken before, maybe by an earlier program: its own patterns may cost what they cost.
  static Result<std::shared_ptr<const Policy>> load_kept(std::string_view yaml, std::string_view origin);

  /// Knows nothing but placeholders: for restoring alone.
  static const Policy& restore_only();

  const std::string& name() const { return name_; }
  std::int64_t version() const { return version_; }
  /// SHA-256 (hex) of the document as canonical JSON (sorted keys, no blanks): layout and comments do not count.
  const std::string& hash() const { return hash_; }
  const std::vector<Rule>& rules() const { return rules_; }
  const std::vector<std::shared_ptr<const Check>>& checks() const { return checks_; }

  const Scanner& scanner(Direction direction) const { return direction == Direction::inbound ? *inbound_ : *outbound_; }

  /// Findings are recorded as the rules say, and nothing is touched: how a new version shows what it would do.
  bool log_only() const { return log_only_; }
  std::uint64_t rules_for(const Subject& subject) const;
  /// Those of checks() that speak of the run, bit n: the n-th.
  std::uint64_t checks_for(const Subject& subject) const;

  /// The first of `rules` that speaks of this finding, or null: then it passes.
  const Rule* rule_for(Direction direction, const Finding& finding, std::uint64_t rules) const;
  /// Whether a service may be given what stands behind placeholders of this type: every one of `rules` that makes them
  /// says so.
  bool restores_for_services(std::string_view type, std::uint64_t rules) const;
  /// Whether anything is found of this type. Errors: invalid_argument, with the nearest one.
  Result<> check_type(std::string_view type) const;
  /// Whether `rule` lets this very value pass.
  static bool is_allowed(const Rule& rule, std::string_view value);

 private:
  static Result<std::shared_ptr<const Policy>> read(std::string_view yaml, std::string_view origin,
                                                    std::vector<std::shared_ptr<const Detector>> more,
                                                    bool limits_costs);
  Policy() = default;
  void build_scanners(const std::vector<std::shared_ptr<const Detector>>& detectors);

  std::string name_;
  std::int64_t version_ = 0;
  std::string hash_;
  std::vector<Rule> rules_;
  std::vector<std::shared_ptr<const Check>> checks_;
  bool log_only_ = false;
  std::unique_ptr<Scanner> inbound_;
  std::unique_ptr<Scanner> outbound_;
  std::vector<std::shared_ptr<const Detector>> detectors_;
};

/// The type of findings of `deny` words.
inline constexpr std::string_view kDeniedType = "DENIED";
/// The type of placeholders in outbound text; no rule speaks of it.
inline constexpr std::string_view kPlaceholderType = "PLACEHOLDER";

}  // namespace sb::policy
