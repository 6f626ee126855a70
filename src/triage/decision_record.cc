#include "triage/decision_record.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

namespace sb::triage {
namespace {

constexpr auto ours = &RecordText::ours;
constexpr auto named = &RecordText::configured;

// Read back as the same number, so that thresholds meet what they met before: as text, for the canonical form of JSON
// numbers is another.
void append_exact(RecordWriter& out, RecordText name, double value) {
  out.member(name, ours(fmt::format("{}", value)));
}

void append_names(RecordWriter& out, RecordText name, const std::vector<std::string>& names) {
  if (names.empty()) return;
  out.key(name).begin_array();
  for (const auto& one : names) out.string(named(one));
  out.end_array();
}

void append_flag(RecordWriter& out, RecordText name, bool flag) {
  if (flag) out.member(name, true);
}

void append_basis(RecordWriter& out, const RouteBasis& basis) {
  const auto& seen = basis.seen;
  out.key("basis").begin_object();
  append_flag(out, "code", basis.code);
  if (seen) append_exact(out, "confidence", seen->confidence);
  append_flag(out, "early", seen && seen->early);
  append_names(out, "findings", basis.findings);
  if (seen) append_exact(out, "human", seen->human);
  append_flag(out, "images", basis.images);
  append_flag(out, "json_schema", basis.json_schema);
  append_flag(out, "maths", basis.maths);
  if (!basis.policy_class.empty()) out.member("policy_class", named(basis.policy_class));
  out.member("prompt_bytes", basis.prompt_bytes);
  append_names(out, "said", basis.said);
  if (seen) append_exact(out, "script_score", seen->script_score);
  out.member("sight", ours(basis.sight)).member("text_bytes", basis.text_bytes);
  if (seen) out.member("tier", seen->tier);
  append_flag(out, "tools", basis.tools);
  append_flag(out, "truncated", seen && seen->truncated);
  out.member("turns", basis.turns);
  append_flag(out, "unreadable", seen && !seen->readable);
  out.end_object();
}

void append_shadow(RecordWriter& out, const ShadowDecision& shadow) {
  out.begin_object();
  if (!shadow.unknown.empty()) {
    out.member("trial", named(shadow.trial)).member("unknown", ours(shadow.unknown)).end_object();
    return;
  }
  out.member("classifier", ours(shadow.model_version)).key("confidence").decimal(shadow.confidence, 4);
  out.member("intent", named(shadow.intent)).member("route", ours(to_string(shadow.route)));
  out.member("script", named(shadow.script)).member("triage", ours(shadow.config_version));
  out.member("trial", named(shadow.trial)).end_object();
}

// Takes members; the first that is none of its type is the fault.
class Members {
 public:
  explicit Members(const json::value& object) : object_(object) {}

  std::string text(std::string_view name) {
    const auto* member = find_member(object_, name);
    if (!member) return {};
    if (!member->is_string()) return wrong(name), std::string();
    return std::string(member->get_string());
  }
  double number(std::string_view name) {
    const auto* member = find_member(object_, name);
    if (!member) return 0;
    if (!member->is_number()) return wrong(name), 0;
    return member->to_number<double>();
  }
  double exact(std::string_view name) {
    const auto digits = text(name);
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) wrong(name);
    return value;
  }
  std::size_t count(std::string_view name) {
    const auto* member = find_member(object_, name);
    if (!member || !member->is_int64() || member->get_int64() < 0) return wrong(name), 0;
    return static_cast<std::size_t>(member->get_int64());
  }
  bool flag(std::string_view name) const { return bool_member(object_, name); }
  bool has(std::string_view name) const { return find_member(object_, name) != nullptr; }
  const json::array& list(std::string_view name) {
    static const json::array kNone;
    const auto* member = find_member(object_, name);
    if (!member) return kNone;
    if (!member->is_array()) return wrong(name), kNone;
    return member->get_array();
  }
  std::vector<std::string> texts(std::string_view name) {
    std::vector<std::string> out;
    for (const auto& one : list(name)) {
      if (one.is_string())
        out.emplace_back(one.get_string());
      else
        wrong(name);
    }
    return out;
  }
  Result<> result() const {
    if (fault_.empty()) return {};
    return fail(Errc::corrupt, fmt::format("a recorded choice of a route: \"{}\" is not what it should be", fault_));
  }

 private:
  void wrong(std::string_view name) {
    if (fault_.empty()) fault_ = name;
  }

  const json::value& object_;
  std::string fault_;
};

Result<ShadowDecision> read_shadow(const json::value& document) {
  Members from(document);
  ShadowDecision out{.trial = from.text("trial"), .unknown = from.text("unknown")};
  const auto route = route_from(from.text("route"));
  if (out.unknown.empty() && !route) return fail(Errc::corrupt, "a recorded choice of a route: a shadow has none");
  out.route = route.value_or(Route::large);
  out.intent = from.text("intent");
  out.script = from.text("script");
  out.confidence = from.number("confidence");
  out.model_version = from.text("classifier");
  out.config_version = from.text("triage");
  SB_CHECK(from.result());
  return out;
}

Result<RouteBasis> read_basis(const json::value& document) {
  Members from(document);
  RouteBasis basis;
  basis.code = from.flag("code");
  basis.findings = from.texts("findings");
  basis.images = from.flag("images");
  basis.json_schema = from.flag("json_schema");
  basis.maths = from.flag("maths");
  basis.policy_class = from.text("policy_class");
  basis.prompt_bytes = from.count("prompt_bytes");
  basis.said = from.texts("said");
  basis.sight = from.text("sight");
  basis.text_bytes = from.count("text_bytes");
  basis.tools = from.flag("tools");
  basis.turns = from.count("turns");
  if (from.has("confidence")) {
    basis.seen = Seen{.tier = static_cast<std::uint8_t>(from.count("tier")),
                      .early = from.flag("early"),
                      .readable = !from.flag("unreadable"),
                      .truncated = from.flag("truncated"),
                      .confidence = from.exact("confidence"),
                      .script_score = from.exact("script_score"),
                      .human = from.exact("human")};
  }
  SB_CHECK(from.result());
  return basis;
}

}  // namespace

RecordJson record_of(const RouteDecision& decision) {
  RecordWriter out(768);
  out.begin_object().key("alternatives").begin_array();
  for (const auto& [intent, probability] : decision.alternatives) {
    out.begin_object().member("intent", named(intent)).key("probability").decimal(probability, 4).end_object();
  }
  out.end_array();
  const auto& basis = decision.basis;
  if (!basis.sight.empty() && basis.said.size() <= kMaxSaidOnRecord) append_basis(out, basis);
  out.member("chosen", ours(to_string(decision.route)));
  if (decision.floor > 0) append_exact(out, "floor", decision.floor);
  out.member("intent", named(decision.intent));
  out.member("kind", "route").key("out_of_scope").decimal(decision.out_of_scope, 4);
  out.key("reasons").begin_array();
  for (const auto& reason : decision.reasons) out.string(named(reason));
  out.end_array().key("score").decimal(decision.confidence, 4).member("script", named(decision.script));
  if (!decision.shadows.empty()) {
    out.key("shadows").begin_array();
    for (const auto& shadow : decision.shadows) append_shadow(out, shadow);
    out.end_array();
  }
  out.key("threshold").decimal(decision.threshold, 4);
  if (!decision.trial.empty()) {
    out.key("trial").begin_object().member("by", decision.by_candidate ? RecordText("candidate") : "in force");
    out.member("name", named(decision.trial)).end_object();
  }
  out.key("versions").begin_object();
  out.member("classifier", ours(decision.model_version)).member("triage", ours(decision.config_version)).end_object();
  return std::move(out.end_object()).take();
}

ShadowDecision shadow_of(std::string trial, const RouteDecision& decision) {
  return {.trial = std::move(trial),
          .route = decision.route,
          .intent = decision.intent,
          .script = decision.script,
          .confidence = decision.confidence,
          .model_version = decision.model_version,
          .config_version = decision.config_version};
}

Result<RouteDecision> read_record(const json::value& document) {
  Members from(document);
  const auto route = route_from(from.text("chosen"));
  if (from.text("kind") != "route" || !route)
    return fail(Errc::corrupt, "a recorded choice of a route: \"chosen\" is not what it should be");
  RouteDecision out;
  out.route = *route;
  out.intent = from.text("intent");
  out.script = from.text("script");
  out.confidence = from.number("score");
  out.threshold = from.number("threshold");
  out.out_of_scope = from.number("out_of_scope");
  if (from.has("floor")) out.floor = from.exact("floor");
  out.reasons = from.texts("reasons");
  for (const auto& one : from.list("alternatives")) {
    Members alternative(one);
    out.alternatives.push_back({alternative.text("intent"), alternative.number("probability")});
    SB_CHECK(alternative.result());
  }
  if (const auto* versions = find_member(document, "versions")) {
    out.model_version = string_member(*versions, "classifier");
    out.config_version = string_member(*versions, "triage");
  }
  for (const auto& one : from.list("shadows")) {
    SB_TRY(out.shadows.emplace_back(), read_shadow(one));
  }
  if (const auto* trial = find_member(document, "trial")) {
    out.trial = string_member(*trial, "name");
    out.by_candidate = string_member(*trial, "by") == "candidate";
  }
  if (const auto* basis = find_member(document, "basis")) {
    SB_TRY(out.basis, read_basis(*basis));
  }
  SB_CHECK(from.result());
  return out;
}

}  // namespace sb::triage
