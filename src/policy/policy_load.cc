#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/yaml.h"
#include "policy/detect/builtin.h"
#include "policy/policy.h"
#include "policy/vault.h"

namespace sb::policy {
namespace {

constexpr std::size_t kMaxRules = 64;
constexpr std::size_t kMaxListEntries = 1000;
constexpr std::size_t kMaxDenyRules = 8;

const std::vector<std::string> kTopKeys = {"name", "version", "description", "rules"};
const std::vector<std::string> kRuleKeys = {"name",      "description", "types", "direction", "action",
                                            "min_score", "keep_last",   "with",  "allow",     "deny"};
const std::vector<std::string> kTypes = {"EMAIL",  "PHONE",      "CREDIT_CARD", "IBAN",
                                         "US_SSN", "IP_ADDRESS", "SECRET",      "*"};
const std::vector<std::string> kDirections = {"inbound", "outbound", "both"};
constexpr Action kActions[] = {Action::allow, Action::mask,     Action::redact,         Action::replace,
                               Action::hash,  Action::tokenise, Action::route_to_human, Action::block};

std::string join(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

// Sorted keys, no blanks: the same policy in another layout has the same hash.
void append_canonical(std::string& out, const json::value& value) {
  if (const auto* object = value.if_object()) {
    std::set<std::string_view> keys;
    for (const auto& member : *object) keys.insert(member.key());
    out += '{';
    for (const auto key : keys) {
      if (out.back() != '{') out += ',';
      append_json_string(out, key);
      out += ':';
      append_canonical(out, object->at(key));
    }
    out += '}';
  } else if (const auto* array = value.if_array()) {
    out += '[';
    for (const auto& item : *array) {
      if (out.back() != '[') out += ',';
      append_canonical(out, item);
    }
    out += ']';
  } else {
    out += to_text(value);
  }
}

// Reads one document; every fault says where it stands and what was meant.
class Reader {
 public:
  Reader(const YamlDocument& document, std::string_view origin) : document_(document), origin_(origin) {}

  std::unexpected<Error> fault(std::string_view pointer, std::string_view what) const {
    const auto at = document_.position_of(pointer);
    return fail(Errc::invalid_argument, fmt::format("{}: line {}, column {}: {}", origin_, at.line, at.column, what));
  }

  std::unexpected<Error> unknown(std::string_view pointer, std::string_view kind, std::string_view word,
                                 const std::vector<std::string>& known) const {
    if (const auto near = nearest(word, known)) {
      return fault(pointer, fmt::format("unknown {} \"{}\"; did you mean \"{}\"?", kind, word, *near));
    }
    return fault(pointer, fmt::format("unknown {} \"{}\"; known: {}", kind, word, join(known)));
  }

  Result<const json::object*> object(const json::value& value, std::string_view pointer, std::string_view what,
                                     const std::vector<std::string>& keys) const {
    if (!value.is_object()) return fault(pointer, fmt::format("{} must be a mapping with {}", what, join(keys)));
    for (const auto& member : value.get_object()) {
      if (std::ranges::find(keys, member.key()) == keys.end()) {
        return unknown(pointer_append(pointer, member.key()), "key", member.key(), keys);
      }
    }
    return &value.get_object();
  }

  Result<std::string> text(const json::object& object, std::string_view pointer, std::string_view key,
                           std::optional<std::string> otherwise) const {
    const auto* value = object.if_contains(key);
    if (!value && otherwise) return *otherwise;
    if (!value) return fault(pointer, fmt::format("\"{}\" is missing", key));
    if (!value->is_string()) return fault(pointer_append(pointer, key), fmt::format("\"{}\" must be text", key));
    return std::string(value->get_string());
  }

  Result<std::vector<std::string>> texts(const json::object& object, std::string_view pointer,
                                         std::string_view key) const {
    std::vector<std::string> out;
    const auto* value = object.if_contains(key);
    if (!value) return out;
    const auto at = pointer_append(pointer, key);
    if (!value->is_array()) return fault(at, fmt::format("\"{}\" must be a list, e.g. [a, b]", key));
    if (value->get_array().size() > kMaxListEntries)
      return fault(at, fmt::format("\"{}\" has more than {} entries", key, kMaxListEntries));
    for (std::size_t i = 0; i < value->get_array().size(); ++i) {
      const auto& item = value->get_array()[i];
      if (!item.is_string() || item.get_string().empty()) {
        return fault(pointer_append(at, std::to_string(i)),
                     fmt::format("an entry of \"{}\" must be text; quote numbers", key));
      }
      out.emplace_back(item.get_string());
    }
    return out;
  }

  Result<double> number(const json::object& object, std::string_view pointer, std::string_view key, double otherwise,
                        double low, double high) const {
    const auto* value = object.if_contains(key);
    if (!value) return otherwise;
    const double found = value->is_double()  ? value->get_double()
                         : value->is_int64() ? static_cast<double>(value->get_int64())
                                             : NAN;
    if (!(found >= low && found <= high)) {
      return fault(pointer_append(pointer, key), fmt::format("\"{}\" must be a number from {} to {}", key, low, high));
    }
    return found;
  }

 private:
  const YamlDocument& document_;
  std::string_view origin_;
};

bool is_type_name(std::string_view type) {
  return !type.empty() && type.size() <= kMaxTypeBytes && type[0] >= 'A' && type[0] <= 'Z' &&
         std::ranges::all_of(type, [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; });
}

Result<> read_types(const Reader& reader, const json::object& object, std::string_view pointer,
                    const std::vector<std::shared_ptr<const Detector>>& detectors, Rule& rule) {
  SB_TRY(rule.types, reader.texts(object, pointer, "types"));
  for (std::size_t i = 0; i < rule.types.size(); ++i) {
    const auto& type = rule.types[i];
    const bool known = type == "*" || (is_type_name(type) &&
                                       std::ranges::any_of(detectors, [&](const auto& d) { return d->reports(type); }));
    if (!known)
      return reader.unknown(pointer_append(pointer_append(pointer, "types"), std::to_string(i)), "type", type, kTypes);
  }
  return {};
}

Result<> read_choice(const Reader& reader, const json::object& object, std::string_view pointer, Rule& rule) {
  SB_TRY(const auto direction, reader.text(object, pointer, "direction", "both"));
  if (std::ranges::find(kDirections, direction) == kDirections.end()) {
    return reader.unknown(pointer_append(pointer, "direction"), "direction", direction, kDirections);
  }
  rule.inbound = direction != "outbound";
  rule.outbound = direction != "inbound";
  SB_TRY(const auto word, reader.text(object, pointer, "action", std::nullopt));
  const auto action = std::ranges::find_if(kActions, [&](Action a) { return to_string(a) == word; });
  if (action == std::end(kActions)) {
    std::vector<std::string> known;
    for (const auto a : kActions) known.emplace_back(to_string(a));
    return reader.unknown(pointer_append(pointer, "action"), "action", word, known);
  }
  rule.action = *action;
  return {};
}

Result<> read_lists(const Reader& reader, const json::object& object, std::string_view pointer, Rule& rule) {
  SB_TRY(rule.allow, reader.texts(object, pointer, "allow"));
  for (auto& entry : rule.allow) entry = to_lower(entry);
  SB_TRY(rule.deny, reader.texts(object, pointer, "deny"));
  for (std::size_t i = 0; i < rule.deny.size(); ++i) {
    if (rule.deny[i].size() < 2 || rule.deny[i].size() > 48) {
      return reader.fault(pointer_append(pointer_append(pointer, "deny"), std::to_string(i)),
                          "a denied word has 2 to 48 bytes");
    }
  }
  return {};
}

Result<Rule> read_rule(const Reader& reader, const json::value& value, std::string_view pointer, std::size_t index,
                       const std::vector<std::shared_ptr<const Detector>>& detectors) {
  SB_TRY(const auto* object, reader.object(value, pointer, "a rule", kRuleKeys));
  Rule rule;
  SB_TRY(rule.name, reader.text(*object, pointer, "name", fmt::format("rule-{}", index + 1)));
  SB_CHECK(read_types(reader, *object, pointer, detectors, rule));
  SB_CHECK(read_choice(reader, *object, pointer, rule));
  SB_CHECK(read_lists(reader, *object, pointer, rule));
  SB_TRY(const double least, reader.number(*object, pointer, "min_score", 0.5, 0, 1));
  rule.min_score = static_cast<float>(least);
  SB_TRY(const double keep, reader.number(*object, pointer, "keep_last", 0, 0, 8));
  rule.keep_last = static_cast<int>(keep);
  SB_TRY(rule.with, reader.text(*object, pointer, "with", ""));
  if (rule.types.empty() && rule.deny.empty()) return reader.fault(pointer, "a rule needs \"types\" or \"deny\"");
  if ((rule.action == Action::replace) != object->contains("with")) {
    return reader.fault(pointer, "\"with\" and the action \"replace\" belong together");
  }
  if (rule.keep_last > 0 && rule.action != Action::mask) {
    return reader.fault(pointer_append(pointer, "keep_last"), "\"keep_last\" belongs to the action \"mask\"");
  }
  return rule;
}

}  // namespace

Result<std::shared_ptr<const Policy>> Policy::load(std::string_view yaml, std::string_view origin,
                                                   std::vector<std::shared_ptr<const Detector>> more) {
  auto document = parse_yaml(yaml);
  if (!document) return fail(document.error().code, fmt::format("{}: {}", origin, document.error().detail));
  const Reader reader(*document, origin);
  SB_TRY(const auto* top, reader.object(document->value, "", "a policy", kTopKeys));
  auto detectors = make_builtin_detectors();
  detectors.insert(detectors.end(), more.begin(), more.end());

  std::shared_ptr<Policy> policy(new Policy());
  SB_TRY(policy->name_, reader.text(*top, "", "name", std::nullopt));
  const auto* version = top->if_contains("version");
  if (!version || !version->is_int64() || version->get_int64() < 1) {
    return reader.fault("/version", "\"version\" must be a whole number from 1; raise it with every change");
  }
  policy->version_ = version->get_int64();
  const auto* rules = top->if_contains("rules");
  if (!rules || !rules->is_array()) return reader.fault("/rules", "\"rules\" must be a list of rules");
  if (rules->get_array().size() > kMaxRules)
    return reader.fault("/rules", fmt::format("more than {} rules", kMaxRules));
  std::size_t deny_rules = 0;
  for (std::size_t i = 0; i < rules->get_array().size(); ++i) {
    const auto pointer = fmt::format("/rules/{}", i);
    SB_TRY(auto rule, read_rule(reader, rules->get_array()[i], pointer, i, detectors));
    const bool taken = std::ranges::any_of(policy->rules_, [&](const Rule& other) { return other.name == rule.name; });
    if (taken) return reader.fault(pointer, fmt::format("two rules are named \"{}\"", rule.name));
    if (!rule.deny.empty() && ++deny_rules > kMaxDenyRules)
      return reader.fault(pointer, fmt::format("more than {} rules with \"deny\"", kMaxDenyRules));
    policy->rules_.push_back(std::move(rule));
  }
  std::string canonical;
  append_canonical(canonical, document->value);
  policy->hash_ = to_hex(sha256(canonical));
  policy->build_scanners(detectors);
  return policy;
}

}  // namespace sb::policy
