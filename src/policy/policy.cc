#include "policy/policy.h"

#include <algorithm>

#include "base/bytes.h"
#include "policy/detect/literal.h"
#include "policy/detect/pattern.h"

namespace sb::policy {
namespace {

// "*", "DE_*", "EMAIL".
bool is_open(std::string_view type) {
  return type.ends_with('*');
}

bool speaks_of(const Rule& rule, std::string_view type) {
  return std::ranges::any_of(rule.types, [&](std::string_view t) {
    return is_open(t) ? type.starts_with(t.substr(0, t.size() - 1)) : t == type;
  });
}

bool applies(const Rule& rule, Direction direction) {
  return direction == Direction::inbound ? rule.inbound : rule.outbound;
}

struct WholeValue {
  std::string_view text;
  int at(std::size_t index) const { return index < text.size() ? static_cast<unsigned char>(text[index]) : -1; }
};

bool matches_whole(const Pattern& pattern, std::string_view value) {
  WholeValue whole{value};
  return pattern.match(whole, 0, [&](std::size_t end) { return end == value.size(); }) != 0;
}

// Whether the detector may find what a rule's `type` speaks of.
bool may_find(const Detector& detector, std::string_view type) {
  if (!is_open(type)) return detector.reports(type);
  const auto types = detector.types();
  const auto begin = type.substr(0, type.size() - 1);
  return types.empty() || std::ranges::any_of(types, [&](std::string_view t) { return t.starts_with(begin); });
}

std::vector<std::string> types_with_digits(const std::vector<std::shared_ptr<const Detector>>& detectors) {
  std::vector<std::string> types;
  for (const auto& detector : detectors) {
    for (const auto type : detector->types()) {
      if (std::ranges::any_of(type, [](char c) { return c >= '0' && c <= '9'; })) types.emplace_back(type);
    }
  }
  return types;
}

}  // namespace

std::uint64_t Policy::rules_for(const Subject& subject) const {
  std::uint64_t rules = 0;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const Rule& rule = rules_[i];
    const bool speaks = rule.action == Action::allow ? rule.scope.covers_all(subject) : rule.scope.covers(subject);
    if (speaks) rules |= std::uint64_t{1} << i;
  }
  return rules;
}

std::uint64_t Policy::checks_for(const Subject& subject) const {
  std::uint64_t checks = 0;
  for (std::size_t i = 0; i < checks_.size(); ++i) {
    if (checks_[i]->scope.covers(subject)) checks |= std::uint64_t{1} << i;
  }
  return checks;
}

std::string_view to_string(Direction direction) {
  return direction == Direction::inbound ? "inbound" : "outbound";
}

std::string_view to_string(Action action) {
  switch (action) {
    case Action::allow:
      return "allow";
    case Action::mask:
      return "mask";
    case Action::redact:
      return "redact";
    case Action::replace:
      return "replace";
    case Action::hash:
      return "hash";
    case Action::tokenise:
      return "tokenise";
    case Action::encrypt:
      return "encrypt";
    case Action::route_to_local:
      return "route_to_local";
    case Action::route_to_human:
      return "route_to_human";
    case Action::block:
      return "block";
  }
  return "block";
}

const Policy& Policy::restore_only() {
  static const Policy policy = [] {
    Policy only;
    only.name_ = "restore";
    only.build_scanners({});
    return only;
  }();
  return policy;
}

void Policy::build_scanners(const std::vector<std::shared_ptr<const Detector>>& detectors) {
  for (const auto direction : {Direction::inbound, Direction::outbound}) {
    std::vector<std::shared_ptr<const Detector>> awake;
    for (const auto& detector : detectors) {
      const bool needed = std::ranges::any_of(rules_, [&](const Rule& rule) {
        return applies(rule, direction) &&
               std::ranges::any_of(rule.types, [&](const auto& type) { return may_find(*detector, type); });
      });
      if (needed) awake.push_back(detector);
    }
    for (const auto& rule : rules_) {
      if (applies(rule, direction) && rule.denied) awake.push_back(rule.denied);
    }
    awake.push_back(
        make_placeholder_detector(detectors.empty() ? std::nullopt : std::optional(types_with_digits(detectors))));
    const auto least_score = [&](std::string_view type) {
      float least = 2;
      for (const auto& rule : rules_) {
        if (applies(rule, direction) && speaks_of(rule, type)) least = std::min(least, rule.min_score);
      }
      return least;
    };
    const bool looks_only = std::ranges::any_of(
        rules_, [&](const Rule& rule) { return applies(rule, direction) && rule.action == Action::allow; });
    (direction == Direction::inbound ? inbound_ : outbound_) = std::make_unique<Scanner>(
        std::move(awake), least_score, looks_only ? Scanner::Overlaps::keep : Scanner::Overlaps::drop);
  }
}

const Rule* Policy::rule_for(Direction direction, const Finding& finding, std::uint64_t rules) const {
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const Rule& rule = rules_[i];
    if ((rules >> i & 1) == 0 || !applies(rule, direction)) continue;
    const bool speaks = finding.type == kDeniedType ? rule.denied && rule.name == finding.rule
                                                    : finding.score >= rule.min_score && speaks_of(rule, finding.type);
    if (speaks) return &rule;
  }
  return nullptr;
}

bool Policy::restores_for_services(std::string_view type, std::uint64_t rules) const {
  bool any = false;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const Rule& rule = rules_[i];
    const bool makes =
        rule.action == Action::tokenise && (type == kDeniedType ? rule.denied != nullptr : speaks_of(rule, type));
    if ((rules >> i & 1) == 0 || !makes) continue;
    if (!rule.services) return false;
    any = true;
  }
  return any;
}

bool Policy::is_allowed(const Rule& rule, std::string_view value) {
  if (std::ranges::any_of(rule.allow_patterns, [&](const Pattern& pattern) { return matches_whole(pattern, value); }))
    return true;
  if (rule.allow.empty()) return false;
  const auto lower = sb::to_lower(value);
  return std::ranges::any_of(rule.allow, [&](std::string_view entry) {
    return entry.starts_with('*') ? lower.ends_with(entry.substr(1)) : lower == entry;
  });
}

}  // namespace sb::policy
