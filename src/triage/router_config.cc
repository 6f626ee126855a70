#include "triage/router_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/yaml.h"

namespace sb::triage {
namespace {

constexpr std::size_t kMaxRules = 1000;
constexpr std::size_t kMaxPhrases = 10'000;

using Names = std::vector<std::string>;

// Walks the document; every fault is reported with its line, and an unknown name with its nearest known one.
class ConfigReader {
 public:
  ConfigReader(const YamlDocument& document, std::string name) : document_(document), name_(std::move(name)) {}

  std::unexpected<Error> fault(std::string_view pointer, std::string_view what) const {
    const auto at = document_.position_of(pointer);
    return fail(Errc::invalid_argument, fmt::format("{}:{}:{}: {}", name_, at.line, at.column, what),
                std::string(pointer));
  }

  static std::string hint(std::string_view word, const Names& known) {
    const auto near = nearest(word, known);
    return near ? fmt::format("; did you mean \"{}\"?", *near) : std::string();
  }

  // `value` is an object with no other keys than `known`.
  Result<> keys(const json::value& value, const std::string& pointer, const Names& known) const {
    if (!value.is_object()) return fault(pointer, fmt::format("is not a map of {}", fmt::join(known, ", ")));
    for (const auto& member : value.get_object()) {
      const std::string_view key = member.key();
      if (std::ranges::find(known, key) != known.end()) continue;
      auto near = hint(key, known);
      if (near.empty()) near = fmt::format("; known: {}", fmt::join(known, ", "));
      return fault(pointer_append(pointer, key), fmt::format("unknown key \"{}\"{}", key, near));
    }
    return {};
  }

  Result<> number(const json::value& object, const std::string& pointer, std::string_view key, double low, double high,
                  std::optional<double>& out) const {
    const auto* value = find_member(object, key);
    if (!value) return {};
    const double number = value->is_number() ? value->to_number<double>() : high + 1;
    if (number < low || number > high) {
      return fault(pointer_append(pointer, key), fmt::format("{}: must be a number from {} to {}", key, low, high));
    }
    out = number;
    return {};
  }

  template <class T>
  Result<> count(const json::value& object, const std::string& pointer, std::string_view key, T& out) const {
    const auto* value = find_member(object, key);
    if (!value) return {};
    if (!value->is_int64() || value->get_int64() < 0) {
      return fault(pointer_append(pointer, key), fmt::format("{}: must be a whole number, 0 or more", key));
    }
    out = static_cast<std::size_t>(value->get_int64());
    return {};
  }

  template <class T>
  Result<> flag(const json::value& object, const std::string& pointer, std::string_view key, T& out) const {
    const auto* value = find_member(object, key);
    if (!value) return {};
    if (!value->is_bool()) return fault(pointer_append(pointer, key), fmt::format("{}: must be true or false", key));
    out = value->get_bool();
    return {};
  }

  Result<> text(const json::value& object, const std::string& pointer, std::string_view key, std::string& out) const {
    const auto* value = find_member(object, key);
    if (!value) return {};
    if (!value->is_string() || value->get_string().empty()) {
      return fault(pointer_append(pointer, key), fmt::format("{}: must be a text that is not empty", key));
    }
    out = value->get_string();
    return {};
  }

  Result<> texts(const json::value& object, const std::string& pointer, std::string_view key, Names& out) const {
    const auto* value = find_member(object, key);
    if (!value) return {};
    const auto here = pointer_append(pointer, key);
    if (!value->is_array() || value->get_array().empty() || value->get_array().size() > kMaxPhrases) {
      return fault(here, fmt::format("{}: must be a list of 1 to {} texts", key, kMaxPhrases));
    }
    for (std::size_t i = 0; i < value->get_array().size(); ++i) {
      const auto* entry = value->get_array()[i].if_string();
      if (!entry || entry->empty()) {
        return fault(pointer_append(here, std::to_string(i)),
                     fmt::format("{}: must be a text that is not empty; quote it", key));
      }
      out.emplace_back(*entry);
    }
    return {};
  }

  Result<> route(const json::value& object, const std::string& pointer, std::string_view key, const Names& allowed,
                 Route& out) const {
    std::string name;
    SB_CHECK(text(object, pointer, key, name));
    if (name.empty()) return {};
    if (std::ranges::find(allowed, name) == allowed.end()) {
      return fault(pointer_append(pointer, key), fmt::format("{}: \"{}\" is not one of {}{}", key, name,
                                                             fmt::join(allowed, ", "), hint(name, allowed)));
    }
    out = *route_from(name);
    return {};
  }

 private:
  const YamlDocument& document_;
  std::string name_;
};

// Phrases that hold no letter or digit would be found in every text.
Result<> normalise_all(const ConfigReader& reader, const std::string& pointer, Names& phrases) {
  for (std::size_t i = 0; i < phrases.size(); ++i) {
    auto normal = normalise_phrase(phrases[i]);
    if (normal == " ") return reader.fault(pointer_append(pointer, std::to_string(i)), "has no letter or digit in it");
    phrases[i] = std::move(normal);
  }
  return {};
}

Result<> read_when(const ConfigReader& reader, const json::value& when, const std::string& at, Rule& rule) {
  SB_CHECK(reader.keys(when, at,
                       {"phrases", "exact", "findings", "policy_classes", "tools", "images", "json_schema",
                        "prompt_bytes_over", "turns_over"}));
  if (when.get_object().empty()) return reader.fault(at, "when: names no condition; the rule would always decide");
  SB_CHECK(reader.texts(when, at, "phrases", rule.phrases));
  SB_CHECK(normalise_all(reader, at + "/phrases", rule.phrases));
  SB_CHECK(reader.texts(when, at, "exact", rule.exact));
  SB_CHECK(normalise_all(reader, at + "/exact", rule.exact));
  SB_CHECK(reader.texts(when, at, "findings", rule.finding_types));
  SB_CHECK(reader.texts(when, at, "policy_classes", rule.policy_classes));
  SB_CHECK(reader.flag(when, at, "tools", rule.tools));
  SB_CHECK(reader.flag(when, at, "images", rule.images));
  SB_CHECK(reader.flag(when, at, "json_schema", rule.json_schema));
  SB_CHECK(reader.count(when, at, "prompt_bytes_over", rule.prompt_bytes_over));
  SB_CHECK(reader.count(when, at, "turns_over", rule.turns_over));
  return {};
}

Result<Rule> read_rule(const ConfigReader& reader, const json::value& value, const std::string& at) {
  SB_CHECK(reader.keys(value, at, {"name", "when", "route", "script"}));
  Rule rule;
  SB_CHECK(reader.text(value, at, "name", rule.name));
  if (rule.name.empty()) return reader.fault(at, "a rule needs a name: decisions refer to it");
  const auto* when = find_member(value, "when");
  if (!when) return reader.fault(at, fmt::format("rule {}: no \"when\"", rule.name));
  SB_CHECK(read_when(reader, *when, at + "/when", rule));
  if (!find_member(value, "route")) return reader.fault(at, fmt::format("rule {}: no \"route\"", rule.name));
  SB_CHECK(reader.route(value, at, "route", {"script", "small", "large", "human"}, rule.route));
  SB_CHECK(reader.text(value, at, "script", rule.script));
  if ((rule.route == Route::script) != !rule.script.empty()) {
    return reader.fault(at,
                        fmt::format("rule {}: route script needs \"script\", and no other route takes one", rule.name));
  }
  return rule;
}

Result<> read_rules(const ConfigReader& reader, const json::value& root, Router::Config& out) {
  const auto* rules = find_member(root, "rules");
  if (!rules) return {};
  if (!rules->is_array() || rules->get_array().size() > kMaxRules) {
    return reader.fault("/rules", fmt::format("rules: must be a list of at most {}", kMaxRules));
  }
  for (std::size_t i = 0; i < rules->get_array().size(); ++i) {
    const auto at = pointer_append("/rules", std::to_string(i));
    SB_TRY(auto rule, read_rule(reader, rules->get_array()[i], at));
    if (std::ranges::find(out.rules, rule.name, &Rule::name) != out.rules.end()) {
      return reader.fault(at, fmt::format("rule {}: the name is taken", rule.name));
    }
    for (const auto& phrase : rule.phrases) out.phrases.add(phrase, out.rules.size());
    out.rules.push_back(std::move(rule));
  }
  return {};
}

Result<> read_generative(const ConfigReader& reader, const json::value& root, Router::Config& out) {
  const auto* generative = find_member(root, "generative");
  if (!generative) return {};
  SB_CHECK(reader.keys(*generative, "/generative", {"otherwise", "large_when"}));
  SB_CHECK(reader.route(*generative, "/generative", "otherwise", {"small", "large"}, out.otherwise));
  const auto* when = find_member(*generative, "large_when");
  if (!when) return {};
  const std::string at = "/generative/large_when";
  auto& large = out.large_when;
  SB_CHECK(reader.keys(*when, at,
                       {"prompt_bytes_over", "text_bytes_over", "turns_over", "code", "maths", "tools", "images",
                        "json_schema", "abstained", "intents"}));
  SB_CHECK(reader.count(*when, at, "prompt_bytes_over", large.prompt_bytes_over));
  SB_CHECK(reader.count(*when, at, "text_bytes_over", large.text_bytes_over));
  SB_CHECK(reader.count(*when, at, "turns_over", large.turns_over));
  SB_CHECK(reader.flag(*when, at, "code", large.code));
  SB_CHECK(reader.flag(*when, at, "maths", large.maths));
  SB_CHECK(reader.flag(*when, at, "tools", large.tools));
  SB_CHECK(reader.flag(*when, at, "images", large.images));
  SB_CHECK(reader.flag(*when, at, "json_schema", large.json_schema));
  SB_CHECK(reader.flag(*when, at, "abstained", large.abstained));
  SB_CHECK(reader.texts(*when, at, "intents", large.intents));
  return {};
}

Result<> read_scripts(const ConfigReader& reader, const json::value& root, Router::Config& out) {
  const auto* scripts = find_member(root, "scripts");
  if (!scripts) return {};
  if (!scripts->is_object()) return reader.fault("/scripts", "scripts: must be a map of intent: script");
  for (const auto& member : scripts->get_object()) {
    std::string script;
    SB_CHECK(reader.text(*scripts, "/scripts", member.key(), script));
    out.scripts.emplace(member.key(), std::move(script));
  }
  return {};
}

Result<> read_thresholds(const ConfigReader& reader, const json::value& root, Router::Config& out) {
  const auto* thresholds = find_member(root, "thresholds");
  if (!thresholds) return {};
  SB_CHECK(reader.keys(*thresholds, "/thresholds", {"script", "human", "veto"}));
  // Above 1 nothing is ever scripted, or handed over: that is how a tier is switched off.
  SB_CHECK(reader.number(*thresholds, "/thresholds", "script", 0, 1.1, out.script_threshold));
  SB_CHECK(reader.number(*thresholds, "/thresholds", "human", 0, 1.1, out.human_threshold));
  SB_CHECK(reader.number(*thresholds, "/thresholds", "veto", 0, 1, out.veto));
  return {};
}

// `checks: []`: none, for a verifier alone.
Result<> read_checks_of(const ConfigReader& reader, const json::value& cascade, Cascade& out) {
  const auto* named = find_member(cascade, "checks");
  if (!named) return {};
  out.checks.clear();
  if (named->is_array() && named->get_array().empty()) return {};
  Names names, known;
  SB_CHECK(reader.texts(cascade, "/cascade", "checks", names));
  for (const auto fault : all_answer_faults()) known.emplace_back(to_string(fault));
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto at = fmt::format("/cascade/checks/{}", i);
    const auto fault = answer_fault_from(names[i]);
    if (!fault) {
      return reader.fault(at, fmt::format("checks: \"{}\" is not one of {}{}", names[i], fmt::join(known, ", "),
                                          ConfigReader::hint(names[i], known)));
    }
    if (std::ranges::find(out.checks, *fault) != out.checks.end())
      return reader.fault(at, fmt::format("checks: \"{}\" stands there twice", names[i]));
    out.checks.push_back(*fault);
  }
  std::ranges::sort(out.checks);
  return {};
}

Result<> read_cascade(const ConfigReader& reader, const json::value& root, Router::Config& out) {
  const auto* cascade = find_member(root, "cascade");
  if (!cascade) return {};
  SB_CHECK(reader.keys(*cascade, "/cascade", {"verifier", "gain_over", "checks"}));
  SB_CHECK(reader.text(*cascade, "/cascade", "verifier", out.verifier_path));
  SB_CHECK(reader.number(*cascade, "/cascade", "gain_over", -1, 1, out.gain_over));
  SB_CHECK(read_checks_of(reader, *cascade, out.cascade.emplace()));
  if (out.verifier_path.empty() && out.gain_over)
    return reader.fault("/cascade/gain_over", "gain_over: needs a \"verifier\" that tells the gain");
  if (out.verifier_path.empty() && out.cascade->checks.empty())
    return reader.fault("/cascade", "cascade: no check and no verifier, so nothing would be looked at");
  return {};
}

Result<YamlDocument> parse_named(std::string_view yaml, const std::string& name) {
  auto document = parse_yaml(yaml);
  if (!document) return fail(document.error().code, fmt::format("{}: {}", name, document.error().detail));
  return document;
}

}  // namespace

std::string normalise_phrase(std::string_view text) {
  std::string out = " ";
  for (const char raw : text) {
    const auto c = static_cast<unsigned char>(raw);
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;
    if (letter)
      out += raw;
    else if (c >= 'A' && c <= 'Z')
      out += static_cast<char>(c + 32);
    else if (c != '\'' && out.back() != ' ')
      out += ' ';
  }
  if (out.back() != ' ') out += ' ';
  return out;
}

Result<Router::Config> parse_router_config(std::string_view yaml, const std::string& name) {
  SB_TRY(const auto document, parse_named(yaml, name));
  const ConfigReader reader(document, name);
  const auto& root = document.value;
  SB_CHECK(reader.keys(root, "",
                       {"version", "model", "encoder", "thresholds", "scripts", "rules", "generative", "cascade"}));
  if (int_member(root, "version") != 1) return reader.fault("/version", "version: must be 1");
  Router::Config out;
  out.version = to_hex(sha256(yaml)).substr(0, 16);
  SB_CHECK(reader.text(root, "", "model", out.model_path));
  SB_CHECK(reader.text(root, "", "encoder", out.encoder_path));
  SB_CHECK(read_thresholds(reader, root, out));
  SB_CHECK(read_scripts(reader, root, out));
  SB_CHECK(read_rules(reader, root, out));
  SB_CHECK(read_generative(reader, root, out));
  SB_CHECK(read_cascade(reader, root, out));
  if (out.model_path.empty() && !out.scripts.empty()) {
    return reader.fault("/scripts", "scripts: need a \"model\" that recognises their intents");
  }
  return out;
}

Result<> bind_model(std::string_view yaml, const std::string& name, const IntentModel& model,
                    const Router::Config& config) {
  SB_TRY(const auto document, parse_named(yaml, name));
  const ConfigReader reader(document, name);
  Names known;
  for (const auto& label : model.data().labels) known.push_back(label.name);
  const auto unknown = [&](const std::string& pointer, const std::string& intent) {
    return reader.fault(pointer,
                        fmt::format("the model has no intent \"{}\"{}", intent, ConfigReader::hint(intent, known)));
  };
  for (const auto& [intent, script] : config.scripts) {
    const auto* label = model.find_label(intent);
    const auto at = pointer_append("/scripts", intent);
    if (!label) return unknown(at, intent);
    if (label->kind != AnswerKind::script) {
      return reader.fault(
          at, fmt::format("intent \"{}\" was trained as {}, not script: retrain with another routes file", intent,
                          to_string(label->kind)));
    }
  }
  for (std::size_t i = 0; i < config.large_when.intents.size(); ++i) {
    const auto& intent = config.large_when.intents[i];
    if (!model.find_label(intent)) return unknown(fmt::format("/generative/large_when/intents/{}", i), intent);
  }
  return {};
}

}  // namespace sb::triage
