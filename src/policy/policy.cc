#include "policy/policy.h"

#include <algorithm>

#include "base/bytes.h"
#include "policy/detect/literal.h"

namespace sb::policy {
namespace {

bool speaks_of(const Rule& rule, std::string_view type) {
  return std::ranges::any_of(rule.types, [&](const std::string& t) { return t == type || t == "*"; });
}

bool applies(const Rule& rule, Direction direction) {
  return direction == Direction::inbound ? rule.inbound : rule.outbound;
}

}  // namespace

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
        if (!applies(rule, direction)) return false;
        return std::ranges::any_of(rule.types,
                                   [&](const auto& type) { return type == "*" || detector->reports(type); });
      });
      if (needed) awake.push_back(detector);
    }
    for (const auto& rule : rules_) {
      if (applies(rule, direction) && !rule.deny.empty()) awake.push_back(make_deny_detector(rule.name, rule.deny));
    }
    awake.push_back(make_placeholder_detector());
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

const Rule* Policy::rule_for(Direction direction, const Finding& finding) const {
  const auto found = std::ranges::find_if(rules_, [&](const Rule& rule) {
    if (!applies(rule, direction)) return false;
    if (finding.type == kDeniedType) return !rule.deny.empty() && rule.name == finding.rule;
    return finding.score >= rule.min_score && speaks_of(rule, finding.type);
  });
  return found == rules_.end() ? nullptr : &*found;
}

bool Policy::is_allowed(const Rule& rule, std::string_view value) {
  if (rule.allow.empty()) return false;
  const auto lower = to_lower(value);
  return std::ranges::any_of(rule.allow, [&](std::string_view entry) {
    return entry.starts_with('*') ? lower.ends_with(entry.substr(1)) : lower == entry;
  });
}

}  // namespace sb::policy
