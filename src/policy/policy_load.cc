#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/yaml.h"
#include "policy/detect/builtin.h"
#include "policy/detect/custom.h"
#include "policy/document_reader.h"
#include "policy/policy.h"
#include "policy/tagger/tagger_detector.h"
#include "policy/vault.h"

namespace sb::policy {
namespace {

using Detectors = std::vector<std::shared_ptr<const Detector>>;

constexpr std::size_t kMaxRules = 64;
// Detectors and rules with "deny" together: the scanner takes 64, ours included.
constexpr std::size_t kMaxDetectors = 16;

const std::vector<std::string> kTopKeys = {"name", "version", "description", "mode", "detectors", "rules", "checks"};
const std::vector<std::string> kModes = {"enforce", "log_only"};
const std::vector<std::string> kRuleKeys = {
    "name",      "description", "types", "direction",  "tenants", "keys",  "flows",          "models", "action",
    "min_score", "keep_last",   "with",  "consistent", "restore", "allow", "allow_patterns", "deny",   "deny_patterns"};
const std::vector<std::string> kDetectorKeys = {"name",  "description", "type",    "pattern",
                                                "words", "check",       "context", "score"};
// The types of no country, whether or not their detectors tell them.
const std::vector<std::string> kTypes = {"EMAIL",  "PHONE",     "CREDIT_CARD",   "IBAN",   "IP_ADDRESS", "MAC_ADDRESS",
                                         "URL",    "DATE_TIME", "DATE_OF_BIRTH", "CRYPTO", "SECRET",     "US_SSN",
                                         "PERSON", "LOCATION",  "ORGANIZATION",  "*"};
const std::vector<std::string> kDirections = {"both", "inbound", "outbound"};
const std::vector<std::string> kConsistent = {"run", "tenant"};
const std::vector<std::string> kRestore = {"caller", "caller_and_services"};
constexpr Action kActions[] = {Action::allow,          Action::mask,     Action::redact,  Action::replace,
                               Action::hash,           Action::tokenise, Action::encrypt, Action::route_to_local,
                               Action::route_to_human, Action::block};

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

bool is_type_name(std::string_view type) {
  return !type.empty() && type.size() <= kMaxTypeBytes && type[0] >= 'A' && type[0] <= 'Z' &&
         std::ranges::all_of(type, [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; });
}

std::vector<std::string> known_types(const Detectors& detectors) {
  std::vector<std::string> known = kTypes;
  for (const auto& detector : detectors) {
    for (const auto name : detector->types()) known.emplace_back(name);
  }
  return known;
}

// A type, or a pattern as "UK_*". ISO's GB is UK in our names.
std::string near_type(std::string_view type, const Detectors& detectors) {
  constexpr std::string_view kIso = "GB_", kOurs = "UK_";
  auto known = known_types(detectors);
  if (type.ends_with('*')) {
    for (std::size_t i = known.size(); i-- > 0;) {
      if (const auto family = known[i].find('_'); family == 2) known.push_back(known[i].substr(0, family + 1) + '*');
    }
  }
  std::string asked(type);
  if (asked.starts_with(kIso)) asked.replace(0, kIso.size(), kOurs);
  const auto near = nearest(asked, known);
  return near ? fmt::format("; did you mean \"{}\"?", *near) : "";
}

bool is_known_type(std::string_view type, const Detectors& detectors) {
  if (type == "*") return true;
  if (!type.ends_with('*'))
    return is_type_name(type) && std::ranges::any_of(detectors, [&](const auto& d) { return d->reports(type); });
  const auto begin = type.substr(0, type.size() - 1);
  return std::ranges::any_of(known_types(detectors), [&](const auto& known) { return known.starts_with(begin); });
}

Result<> read_types(const DocumentReader& reader, const json::object& object, std::string_view pointer,
                    const Detectors& detectors, Rule& rule) {
  SB_TRY(rule.types, reader.texts(object, pointer, "types"));
  for (std::size_t i = 0; i < rule.types.size(); ++i) {
    const auto& type = rule.types[i];
    if (!is_known_type(type, detectors))
      return reader.fault(pointer_append(pointer_append(pointer, "types"), std::to_string(i)),
                          fmt::format("unknown type \"{}\"{}", type, near_type(type, detectors)));
  }
  return {};
}

Result<> read_choices(const DocumentReader& reader, const json::object& object, std::string_view pointer, Rule& rule) {
  SB_TRY(const auto direction, reader.choice(object, pointer, "direction", kDirections, 0));
  rule.inbound = kDirections[direction] != "outbound";
  rule.outbound = kDirections[direction] != "inbound";
  std::vector<std::string> words;
  for (const auto action : kActions) words.emplace_back(to_string(action));
  SB_TRY(const auto action, reader.choice(object, pointer, "action", words, std::nullopt));
  rule.action = kActions[action];
  SB_TRY(const auto consistent, reader.choice(object, pointer, "consistent", kConsistent, 0));
  rule.tenant_wide = kConsistent[consistent] == "tenant";
  SB_TRY(const auto restore, reader.choice(object, pointer, "restore", kRestore, 0));
  rule.services = kRestore[restore] == "caller_and_services";
  return {};
}

constexpr std::string_view kCheaper =
    "let it begin with a letter, a digit or another sign of its own rather than with \".\" or \"[^...]\", and give one "
    "way alone to read a text: no repeat within a repeat, \"{2,20}\" for \"+\", no \"check\" of many lengths";

Result<> check_cost(const DocumentReader& reader, std::string_view pointer, std::size_t cost) {
  if (!reader.limits_costs() || cost <= kMaxPatternCost) return {};
  return reader.fault(pointer, fmt::format("the pattern tries up to {} places a byte of the text that is worst for it, "
                                           "and may try {}: {}",
                                           cost, kMaxPatternCost, kCheaper));
}

Result<std::vector<Pattern>> read_patterns(const DocumentReader& reader, const json::object& object,
                                           std::string_view pointer, std::string_view key) {
  std::vector<Pattern> patterns;
  SB_TRY(const auto sources, reader.texts(object, pointer, key));
  for (std::size_t i = 0; i < sources.size(); ++i) {
    auto pattern = Pattern::compile(sources[i]);
    if (!pattern) {
      return reader.fault(pointer_append(pointer_append(pointer, key), std::to_string(i)), pattern.error().detail);
    }
    SB_CHECK(check_cost(reader, pointer_append(pointer_append(pointer, key), std::to_string(i)), pattern->cost(false)));
    patterns.push_back(std::move(*pattern));
  }
  return patterns;
}

Result<> read_lists(const DocumentReader& reader, const json::object& object, std::string_view pointer, Rule& rule) {
  SB_TRY(rule.allow, reader.texts(object, pointer, "allow"));
  for (auto& entry : rule.allow) entry = sb::to_lower(entry);
  SB_TRY(rule.allow_patterns, read_patterns(reader, object, pointer, "allow_patterns"));
  CustomDetector denied;
  SB_TRY(denied.words, reader.texts(object, pointer, "deny"));
  SB_TRY(const auto patterns, reader.texts(object, pointer, "deny_patterns"));
  SB_CHECK(read_patterns(reader, object, pointer, "deny_patterns"));  // each for itself: the fault has its place
  if (denied.words.empty() && patterns.empty()) return {};
  if (!patterns.empty()) denied.pattern = fmt::format("(({}))", fmt::join(patterns, ")|("));
  denied.name = rule.name;
  denied.type = kDeniedType;
  denied.score = 1.0F;
  auto detector = make_custom_detector(std::move(denied));
  if (!detector) {
    const auto* key = detector.error().detail.contains("words") ? "deny" : "deny_patterns";
    return reader.fault(pointer_append(pointer, key), detector.error().detail);
  }
  rule.denied = std::move(*detector);
  return {};
}

// What belongs together, and what does not.
Result<> check_rule(const DocumentReader& reader, const json::object& object, std::string_view pointer,
                    const Rule& rule) {
  if (rule.types.empty() && !rule.denied)
    return reader.fault(pointer, "a rule needs \"types\", \"deny\" or \"deny_patterns\"");
  if ((rule.action == Action::replace) != object.contains("with"))
    return reader.fault(pointer, "\"with\" and the action \"replace\" belong together");
  if (rule.keep_last > 0 && rule.action != Action::mask)
    return reader.fault(pointer_append(pointer, "keep_last"), "\"keep_last\" belongs to the action \"mask\"");
  if (rule.tenant_wide && rule.action != Action::tokenise)
    return reader.fault(pointer_append(pointer, "consistent"), "\"consistent\" belongs to the action \"tokenise\"");
  if (object.contains("restore") && rule.action != Action::tokenise)
    return reader.fault(pointer_append(pointer, "restore"), "\"restore\" belongs to the action \"tokenise\"");
  if (rule.action == Action::route_to_local && rule.outbound)
    return reader.fault(pointer,
                        "the action \"route_to_local\" needs \"direction: inbound\": an answer is here already");
  return {};
}

Result<Rule> read_rule(const DocumentReader& reader, const json::value& value, std::string_view pointer,
                       std::size_t index, const Detectors& detectors) {
  SB_TRY(const auto* object, reader.object(value, pointer, "a rule", kRuleKeys));
  Rule rule;
  SB_TRY(rule.name, reader.text(*object, pointer, "name", fmt::format("rule-{}", index + 1)));
  SB_CHECK(read_types(reader, *object, pointer, detectors, rule));
  SB_CHECK(read_choices(reader, *object, pointer, rule));
  SB_TRY(rule.scope, read_scope(reader, *object, pointer));
  SB_CHECK(read_lists(reader, *object, pointer, rule));
  SB_TRY(const double least, reader.number(*object, pointer, "min_score", 0.5, 0, 1));
  rule.min_score = static_cast<float>(least);
  SB_TRY(const double keep, reader.number(*object, pointer, "keep_last", 0, 0, 8));
  rule.keep_last = static_cast<int>(keep);
  SB_TRY(rule.with, reader.text(*object, pointer, "with", ""));
  SB_CHECK(check_rule(reader, *object, pointer, rule));
  return rule;
}

Result<std::vector<Rule>> read_rules(const DocumentReader& reader, const json::object& top, const Detectors& detectors,
                                     std::size_t own_detectors) {
  std::vector<Rule> rules;
  SB_TRY(const auto* items, reader.list(top, "", "rules", kMaxRules));
  if (!items) return reader.fault("/rules", "\"rules\" must be a list of rules");
  for (std::size_t i = 0; i < items->size(); ++i) {
    const auto pointer = fmt::format("/rules/{}", i);
    SB_TRY(auto rule, read_rule(reader, (*items)[i], pointer, i, detectors));
    if (std::ranges::any_of(rules, [&](const Rule& other) { return other.name == rule.name; }))
      return reader.fault(pointer, fmt::format("two rules are named \"{}\"", rule.name));
    if (rule.denied && ++own_detectors > kMaxDetectors)
      return reader.fault(pointer, fmt::format("more than {} detectors and rules with \"deny\"", kMaxDetectors));
    rules.push_back(std::move(rule));
  }
  return rules;
}

Result<> read_detectors(const DocumentReader& reader, const json::object& top, Detectors& detectors) {
  SB_TRY(const auto* items, reader.list(top, "", "detectors", kMaxDetectors));
  for (std::size_t i = 0; items && i < items->size(); ++i) {
    const auto pointer = fmt::format("/detectors/{}", i);
    SB_TRY(const auto* object, reader.object((*items)[i], pointer, "a detector", kDetectorKeys));
    CustomDetector custom;
    SB_TRY(custom.name, reader.text(*object, pointer, "name", std::nullopt));
    SB_TRY(custom.type, reader.text(*object, pointer, "type", std::nullopt));
    if (!is_type_name(custom.type))
      return reader.fault(pointer_append(pointer, "type"),
                          "a type is capital letters, digits and '_', e.g. EMPLOYEE_ID");
    SB_TRY(custom.pattern, reader.text(*object, pointer, "pattern", ""));
    SB_TRY(custom.words, reader.texts(*object, pointer, "words"));
    SB_TRY(custom.check, reader.text(*object, pointer, "check", ""));
    SB_TRY(custom.context, reader.texts(*object, pointer, "context"));
    SB_TRY(const double score, reader.number(*object, pointer, "score", 0.85, 0, 1));
    custom.score = static_cast<float>(score);
    auto detector = make_custom_detector(std::move(custom));
    if (!detector) return reader.fault(pointer, detector.error().detail);
    SB_CHECK(check_cost(reader, pointer_append(pointer, "pattern"), (*detector)->cost()));
    detectors.push_back(std::move(*detector));
  }
  return {};
}

// All patterns of the document together, `own` being its detectors.
Result<> check_costs(const DocumentReader& reader, std::span<const std::shared_ptr<const Detector>> own,
                     const std::vector<Rule>& rules) {
  std::size_t total = 0;
  std::size_t most = 0;
  std::string dearest;
  const auto add = [&](const Detector& detector, std::string_view list, std::size_t index) {
    total += detector.cost();
    if (detector.cost() <= most) return;
    most = detector.cost();
    dearest = fmt::format("/{}/{}", list, index);
  };
  for (std::size_t i = 0; i < own.size(); ++i) add(*own[i], "detectors", i);
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (rules[i].denied) add(*rules[i].denied, "rules", i);
  }
  if (!reader.limits_costs() || total <= kMaxPatternCost) return {};
  return reader.fault(dearest,
                      fmt::format("all patterns together try up to {} places a byte of the worst text, and may "
                                  "try {}; those here try most, {}: {}",
                                  total, kMaxPatternCost, most, kCheaper));
}

}  // namespace

Result<std::shared_ptr<const Policy>> Policy::load(std::string_view yaml, std::string_view origin,
                                                   std::vector<std::shared_ptr<const Detector>> more) {
  return read(yaml, origin, std::move(more), true);
}

Result<std::shared_ptr<const Policy>> Policy::load_kept(std::string_view yaml, std::string_view origin) {
  return read(yaml, origin, {}, false);
}

Result<std::shared_ptr<const Policy>> Policy::read(std::string_view yaml, std::string_view origin,
                                                   std::vector<std::shared_ptr<const Detector>> more,
                                                   bool limits_costs) {
  auto document = parse_yaml(yaml);
  if (!document) return fail(document.error().code, fmt::format("{}: {}", origin, document.error().detail));
  const DocumentReader reader(*document, origin, limits_costs);
  SB_TRY(const auto* top, reader.object(document->value, "", "a policy", kTopKeys));
  auto detectors = make_builtin_detectors();
  detectors.push_back(make_tagger_detector());
  detectors.insert(detectors.end(), more.begin(), more.end());

  std::shared_ptr<Policy> policy(new Policy());
  SB_TRY(policy->name_, reader.text(*top, "", "name", std::nullopt));
  const auto* version = top->if_contains("version");
  if (!version || !version->is_int64() || version->get_int64() < 1) {
    return reader.fault("/version", "\"version\" must be a whole number from 1; raise it with every change");
  }
  policy->version_ = version->get_int64();
  SB_TRY(const auto mode, reader.choice(*top, "", "mode", kModes, 0));
  policy->log_only_ = kModes[mode] == "log_only";
  const std::size_t shipped = detectors.size();
  SB_CHECK(read_detectors(reader, *top, detectors));
  SB_TRY(policy->rules_, read_rules(reader, *top, detectors, detectors.size() - shipped));
  SB_CHECK(check_costs(reader, std::span(detectors).subspan(shipped), policy->rules_));
  SB_TRY(policy->checks_, read_checks(reader, *top));
  std::string canonical;
  append_canonical(canonical, document->value);
  policy->hash_ = to_hex(sha256(canonical));
  policy->build_scanners(detectors);
  policy->detectors_ = std::move(detectors);
  return policy;
}

Result<> Policy::check_type(std::string_view type) const {
  if (std::ranges::any_of(detectors_, [&](const auto& detector) { return detector->reports(type); })) return {};
  return fail(Errc::invalid_argument, fmt::format("unknown type \"{}\"{}", type, near_type(type, detectors_)));
}

}  // namespace sb::policy
