#include "triage/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "triage/router_config.h"
#include "triage/sight.h"
#include "triage/verifier.h"

namespace sb::triage {
namespace {

// What the rules look at of the text; beyond it nothing is matched, and nothing is scripted either.
constexpr std::size_t kMaxRuleBytes = 16384;

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

bool waits_for_words(const Rule& rule) {
  return !rule.phrases.empty() || !rule.exact.empty();
}

// Empty: the rule does not hold. Otherwise what made it hold, without a word of the text.
std::string why_holds(const Rule& rule, const RouteBasis& basis) {
  std::string why;
  const auto holds = [&](std::string_view what) { why += why.empty() ? what : fmt::format(", {}", what); };
  if (waits_for_words(rule) && !contains(basis.said, rule.name)) return {};
  if (!rule.phrases.empty()) holds("phrase");
  if (!rule.exact.empty()) holds("exact text");
  if (!rule.finding_types.empty()) {
    const auto wanted = [&](const std::string& type) { return contains(rule.finding_types, type); };
    if (std::ranges::none_of(basis.findings, wanted)) return {};
    holds("policy finding");
  }
  if (!rule.policy_classes.empty()) {
    if (!contains(rule.policy_classes, basis.policy_class)) return {};
    holds("policy class");
  }
  const auto flag = [&](const std::optional<bool>& wanted, bool is, std::string_view what) {
    if (!wanted) return true;
    if (*wanted == is) holds(what);
    return *wanted == is;
  };
  if (!flag(rule.tools, basis.tools, "tools") || !flag(rule.images, basis.images, "images") ||
      !flag(rule.json_schema, basis.json_schema, "JSON schema")) {
    return {};
  }
  if (rule.prompt_bytes_over) {
    if (basis.prompt_bytes <= *rule.prompt_bytes_over) return {};
    holds("prompt size");
  }
  if (rule.turns_over) {
    if (basis.turns <= *rule.turns_over) return {};
    holds("turns");
  }
  return why;
}

// find stops wherever the first character is: at hardly any sign, but at each blank or letter of prose.
bool has(std::string_view text, std::string_view words) {
  const bool is_prose = words.front() == ' ' || (words.front() >= 'a' && words.front() <= 'z');
  if (!is_prose) return text.contains(words);
  return ::memmem(text.data(), text.size(), words.data(), words.size()) != nullptr;
}

bool looks_like_code(std::string_view text) {
  if (has(text, "```")) return true;
  constexpr std::string_view kSigns[] = {"();",     "{\n", "};", "#include",     "def ",
                                         "SELECT ", "=> ", "</", "public static"};
  return std::ranges::count_if(kSigns, [&](std::string_view sign) { return has(text, sign); }) >= 2;
}

// Two numbers with an operator between, or words that ask for a derivation.
bool looks_like_maths(std::string_view text, const std::string& normalised) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_operator = [](char c) { return c == '+' || c == '*' || c == '/' || c == '^' || c == '='; };
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (!is_operator(text[i])) continue;
    const auto before = text.substr(0, i).find_last_not_of(' ');
    const auto after = text.find_first_not_of(' ', i + 1);
    // 1/2/2026 is a date, not a sum.
    const bool tight = text[i] == '/' && before == i - 1 && after == i + 1;
    if (!tight && before != text.npos && after != text.npos && is_digit(text[before]) && is_digit(text[after]))
      return true;
  }
  constexpr std::string_view kWords[] = {" solve ", " equation ", " prove ", " integral ", " derivative ", " theorem "};
  return std::ranges::any_of(kWords, [&](std::string_view word) { return has(normalised, word); });
}

// Why the large model; empty: the small one will do.
std::string why_large(const LargeWhen& when, const RouteBasis& basis, const Prediction* seen) {
  if (basis.prompt_bytes > when.prompt_bytes_over) return "prompt size";
  if (basis.text_bytes > when.text_bytes_over) return "message size";
  if (basis.turns > when.turns_over) return "turns";
  if (when.tools && basis.tools) return "tools";
  if (when.images && basis.images) return "images";
  if (when.json_schema && basis.json_schema) return "JSON schema";
  if (when.code && basis.code) return "code";
  if (when.maths && basis.maths) return "maths";
  if (!seen) return {};
  if (when.abstained && seen->abstained) return "classifier abstained";
  if (contains(when.intents, seen->intent)) return "intent";
  return {};
}

RouteBasis basis_of(const Router::Config& config, const RouteQuery& query, const std::string& normalised) {
  RouteBasis basis;
  basis.sight = config.sight;
  basis.findings.assign(query.finding_types.begin(), query.finding_types.end());
  basis.policy_class = query.policy_class;
  basis.tools = query.has_tools;
  basis.images = query.has_images;
  basis.json_schema = query.wants_json_schema;
  basis.prompt_bytes = query.prompt_bytes;
  basis.text_bytes = query.text.size();
  basis.turns = query.turns;
  const auto read = query.text.substr(0, kMaxRuleBytes);
  basis.code = looks_like_code(read);
  basis.maths = looks_like_maths(read, normalised);
  const auto has_phrase = config.phrases.find(normalised);
  for (std::size_t i = 0; i < config.rules.size(); ++i) {
    const auto& rule = config.rules[i];
    const bool phrase = rule.phrases.empty() || (i < has_phrase.size() && has_phrase[i]);
    const bool exact = rule.exact.empty() || contains(rule.exact, normalised);
    if (waits_for_words(rule) && phrase && exact) basis.said.push_back(rule.name);
  }
  return basis;
}

void apply_rule(const Rule& rule, std::string why, RouteDecision& out) {
  out.route = rule.route;
  out.script = rule.script;
  out.confidence = 1;
  out.reasons.push_back(fmt::format("rule {}: {}", rule.name, why));
}

void describe(const Prediction& seen, RouteDecision& out) {
  out.intent = seen.intent;
  out.confidence = seen.confidence;
  out.out_of_scope = seen.out_of_scope;
  out.basis.seen = seen_of(seen);
  for (const auto& alternative : seen.alternatives) {
    if (!alternative.intent.empty() && alternative.intent != seen.intent) {
      out.alternatives.push_back({std::string(alternative.intent), alternative.probability});
    }
  }
}

}  // namespace

std::string_view to_string(Route route) {
  switch (route) {
    case Route::script:
      return "script";
    case Route::small:
      return "small";
    case Route::large:
      return "large";
    case Route::human:
      return "human";
  }
  return "large";
}

std::optional<Route> route_from(std::string_view name) {
  for (const auto route : {Route::script, Route::small, Route::large, Route::human}) {
    if (to_string(route) == name) return route;
  }
  return std::nullopt;
}

Router::Router(std::shared_ptr<const Config> config) : config_(std::move(config)) {}

const std::optional<IntentModel>& Router::model() const {
  return config_->model;
}

const std::string& Router::version() const {
  return config_->version;
}

const std::string& Router::sight() const {
  return config_->sight;
}

const Cascade* Router::cascade() const {
  return config_->cascade ? &*config_->cascade : nullptr;
}

std::vector<std::string> Router::script_names() const {
  std::vector<std::string> names;
  for (const auto& [intent, script] : config_->scripts) names.push_back(script);
  for (const auto& rule : config_->rules) {
    if (!rule.script.empty()) names.push_back(rule.script);
  }
  std::ranges::sort(names);
  const auto tail = std::ranges::unique(names);
  names.erase(tail.begin(), tail.end());
  return names;
}

namespace {

Thresholds limits_of(const Router::Config& config, const Prediction& seen) {
  auto out = seen.limits;
  out.script = config.script_threshold.value_or(out.script);
  out.human = config.human_threshold.value_or(out.human);
  out.veto = config.veto.value_or(out.veto);
  return out;
}

bool unfit_for_scripts(const RouteBasis& basis) {
  return basis.tools || basis.images || basis.json_schema;
}

// A person or a script by the classifier; false: a model must answer, `out` says why so far.
bool by_classifier(const Router::Config& config, const Prediction& seen, RouteDecision& out) {
  const double human = seen.kind_mass[static_cast<std::size_t>(AnswerKind::human)];
  const auto limits = limits_of(config, seen);
  const double script_threshold = std::max(limits.script, out.floor);
  const double human_threshold = limits.human;
  const double veto = limits.veto;
  if (seen.readable && human >= human_threshold) {
    out.route = Route::human;
    out.confidence = human;
    out.threshold = human_threshold;
    out.reasons.push_back(fmt::format("needs a person: {:.3f} >= {:.3f}", human, human_threshold));
    return true;
  }
  if (!seen.readable) {
    out.reasons.emplace_back("text is empty or not readable");
    return false;
  }
  if (seen.kind != AnswerKind::script) {
    out.reasons.emplace_back(seen.kind == AnswerKind::human ? "may need a person, below the threshold"
                                                            : "intent is for a model");
    return false;
  }
  out.threshold = script_threshold;
  const auto refuse = [&](std::string reason) {
    out.reasons.push_back(std::move(reason));
    return false;
  };
  if (seen.script_score < script_threshold) {
    return refuse(fmt::format("script score {:.3f} < {:.3f}{}", seen.script_score, script_threshold,
                              out.floor > limits.script ? ", tightened by the guard" : ""));
  }
  if (human >= veto) return refuse(fmt::format("no script: needs a person with {:.3f} >= {:.3f}", human, veto));
  if (seen.truncated) return refuse("no script: message longer than the classifier reads");
  if (unfit_for_scripts(out.basis)) {
    return refuse("no script: the request has tools, images or a JSON schema");
  }
  const auto script = config.scripts.find(seen.intent);
  if (script == config.scripts.end()) return refuse("no script is configured for the intent");
  out.route = Route::script;
  out.script = script->second;
  out.reasons.push_back(fmt::format("script score {:.3f} >= {:.3f}", seen.script_score, script_threshold));
  return true;
}

// The rules' word; false: none decides, `out` says which held in vain.
bool by_rules(const Router::Config& config, RouteDecision& out) {
  const bool unfit = unfit_for_scripts(out.basis) || out.basis.text_bytes > kMaxRuleBytes;
  for (const auto& rule : config.rules) {
    auto why = why_holds(rule, out.basis);
    if (why.empty()) continue;
    if (rule.route == Route::script && unfit) {
      out.reasons.push_back(fmt::format(
          "rule {}: {}; not scripted, the request has tools, images, a JSON schema or is too long", rule.name, why));
      continue;
    }
    apply_rule(rule, std::move(why), out);
    return true;
  }
  return false;
}

// What the rules left open. `seen` may be null.
void by_model_and_size(const Router::Config& config, const Prediction* seen, RouteDecision& out) {
  if (seen) {
    if (config.model) out.model_version = config.model->version();
    describe(*seen, out);
    if (by_classifier(config, *seen, out)) return;
  }
  const auto why = why_large(config.large_when, out.basis, seen);
  out.route = why.empty() ? config.otherwise : Route::large;
  out.reasons.push_back(why.empty() ? fmt::format("nothing asks for the large model: {}", to_string(config.otherwise))
                                    : fmt::format("large: {}", why));
}

// `look`: gives the classifier's word, or null; not called where a rule decides.
template <class Look>
RouteDecision decide_by(const Router::Config& config, const RouteQuery& query, Look&& look) {
  const std::string normalised = normalise_phrase(query.text.substr(0, kMaxRuleBytes));
  RouteDecision out;
  out.config_version = config.version;
  out.basis = basis_of(config, query, normalised);
  if (by_rules(config, out)) return out;
  out.floor = config.script_floor;
  by_model_and_size(config, look(), out);
  return out;
}

}  // namespace

RouteDecision Router::route(const RouteQuery& query) const {
  std::optional<Prediction> seen;
  return decide_by(*config_, query, [&]() -> const Prediction* {
    if (!config_->model) return nullptr;
    return &seen.emplace(config_->model->predict(query.text));
  });
}

RouteDecision Router::decide(const RouteQuery& query, const Prediction* seen) const {
  return decide_by(*config_, query, [&] { return seen; });
}

std::expected<RouteDecision, Unknown> Router::decide_again(const RouteDecision& before) const {
  return decide_from(before, before.floor);  // the traffic was what it was
}

std::expected<RouteDecision, Unknown> Router::decide_beside(const RouteDecision& other) const {
  return decide_from(other, config_->script_floor);
}

std::expected<RouteDecision, Unknown> Router::decide_from(const RouteDecision& before, double floor) const {
  if (before.basis.sight.empty()) return std::unexpected(Unknown::not_recorded);
  if (before.basis.sight != config_->sight) return std::unexpected(Unknown::other_sight);
  RouteDecision out;
  out.config_version = config_->version;
  out.basis = before.basis;
  if (by_rules(*config_, out)) {
    out.basis.seen.reset();
    return out;
  }
  if (!config_->model) {
    by_model_and_size(*config_, nullptr, out);
    return out;
  }
  if (!before.basis.seen) return std::unexpected(Unknown::nobody_looked);
  out.floor = floor;
  auto seen = config_->model->recall(*before.basis.seen, before.intent);
  if (!seen) return std::unexpected(Unknown::not_recorded);
  seen->out_of_scope = before.out_of_scope;
  for (std::size_t i = 0; i < std::min(before.alternatives.size(), seen->alternatives.size()); ++i)
    seen->alternatives[i] = {before.alternatives[i].intent, before.alternatives[i].probability};
  by_model_and_size(*config_, &*seen, out);
  return out;
}

Thresholds Router::limits(const Prediction& seen) const {
  return limits_of(*config_, seen);
}

std::shared_ptr<const Router> Router::with_script_threshold(double threshold) const {
  auto config = std::make_shared<Config>(*config_);
  config->script_threshold = threshold;
  return std::make_shared<const Router>(std::move(config));
}

std::shared_ptr<const Router> Router::with_script_floor(double floor) const {
  auto config = std::make_shared<Config>(*config_);
  config->script_floor = floor;
  return std::make_shared<const Router>(std::move(config));
}

std::shared_ptr<const Router> Router::of_model(IntentModel model) {
  auto config = std::make_shared<Config>();
  config->version = model.version();
  for (const auto& label : model.data().labels) {
    if (label.kind == AnswerKind::script) config->scripts.emplace(label.name, label.name);
  }
  config->model = std::move(model);
  config->sight = sight_of(*config);
  return std::make_shared<const Router>(std::move(config));
}

Result<std::shared_ptr<const Router>> Router::from_text(std::string_view yaml, const std::string& name,
                                                        std::optional<IntentModel> model,
                                                        std::shared_ptr<const Verifier> verifier) {
  SB_TRY(auto config, parse_router_config(yaml, name));
  if (!config.verifier_path.empty()) {
    if (!verifier) return fail(Errc::invalid_argument, fmt::format("{}: its verifier is not at hand", name));
    config.cascade->gain_over = config.gain_over.value_or(verifier->gain_over());
    config.cascade->verifier = std::move(verifier);
  }
  if (model) SB_CHECK(bind_model(yaml, name, *model, config));
  config.model = std::move(model);
  config.sight = sight_of(config);
  return std::make_shared<const Router>(std::make_shared<const Config>(std::move(config)));
}

}  // namespace sb::triage
