#include "flow/guard.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>

#include "base/bytes.h"
#include "base/crypto.h"
#include "policy/whole_guard.h"

namespace sb::flow {
namespace {

std::vector<std::string_view> types_of(const std::vector<policy::GuardedFinding>& findings) {
  std::vector<std::string_view> types;
  for (const auto& found : findings) {
    if (std::ranges::find(types, found.finding.type) == types.end()) types.push_back(found.finding.type);
  }
  return types;
}

}  // namespace

std::string GuardOutcome::reasons() const {
  std::vector<std::string> all(types.begin(), types.end());
  all.insert(all.end(), objections.begin(), objections.end());
  return fmt::format("{}", fmt::join(all, ", "));
}

GuardSession::GuardSession(std::shared_ptr<const policy::Policy> policy, GuardSubject subject, std::string tenant_key,
                           const policy::InjectionScorer* scorer)
    : policy_(std::move(policy)),
      subject_(std::move(subject)),
      tenant_key_(std::move(tenant_key)),
      scorer_(scorer),
      vault_(std::make_unique<policy::TokenVault>()) {
  const policy::Subject about{subject_.tenant, subject_.key, subject_.flow, subject_.model, subject_.reach};
  rules_ = policy_->rules_for(about);
  checks_ = policy_->checks_for(about);
  for (std::size_t i = 0; i < policy_->checks().size(); ++i) {
    if ((checks_ >> i & 1) == 0) continue;
    checks_in_ = checks_in_ || policy_->checks()[i]->inbound;
    checks_out_ = checks_out_ || policy_->checks()[i]->outbound;
  }
  tokenises_out_ = std::ranges::any_of(policy_->rules(), [](const policy::Rule& rule) {
    return rule.outbound && rule.action == policy::Action::tokenise;
  });
}

bool GuardSession::asks_for_the_model() const {
  const auto asks = [](const policy::Scope& scope) { return !scope.models.empty(); };
  return std::ranges::any_of(policy_->rules(), asks, &policy::Rule::scope) ||
         std::ranges::any_of(policy_->checks(), [&](const auto& check) { return asks(check->scope); });
}

bool GuardSession::was_held_against(std::span<const std::string> models) const {
  const policy::Subject about{subject_.tenant, subject_.key, subject_.flow, subject_.model, models};
  const auto& rules = policy_->rules();
  const auto missed = policy_->rules_for(about) & ~rules_;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    // What lets values pass need not have been asked.
    if ((missed >> i & 1) != 0 && rules[i].action != policy::Action::allow) return false;
  }
  return (policy_->checks_for(about) & ~checks_) == 0;
}

bool GuardSession::treats_requests() const {
  if (policy_->log_only()) return false;
  const auto& rules = policy_->rules();
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if ((rules_ >> i & 1) != 0 && rules[i].inbound && rules[i].action != policy::Action::allow) return true;
  }
  return checks_in_;
}

policy::GuardContext GuardSession::context(policy::Direction direction, bool restore) const {
  policy::GuardContext context{direction, subject_.tenant, tenant_key_, *vault_, restore};
  context.rules = rules_;
  return context;
}

Result<GuardOutcome> GuardSession::inspect(policy::Direction direction, std::string text, policy::JsonProfile profile,
                                           const RecordJson& given) {
  // Outbound, checks are for answers: what goes to a service or comes from one has no shape that a policy knows.
  const bool answer = profile == policy::JsonProfile::chat_response;
  return guard(direction, std::move(text), profile,
               direction == policy::Direction::inbound ? checks_in_ : checks_out_ && answer, given);
}

Result<GuardOutcome> GuardSession::treat(policy::Direction direction, std::string text) {
  return guard(direction, std::move(text), policy::JsonProfile::any, false, {});
}

Result<GuardOutcome> GuardSession::guard(policy::Direction direction, std::string text, policy::JsonProfile profile,
                                         bool with_checks, const RecordJson& given) {
  auto with = context(direction, direction == policy::Direction::inbound && subject_.may_restore);
  std::vector<policy::CheckedText> texts;
  if (with_checks) with.texts = &texts;
  SB_TRY(auto guarded, policy::guard_json(*policy_, with, text, profile));
  GuardOutcome outcome;
  outcome.verdict = guarded.verdict;
  outcome.types = types_of(guarded.findings);
  if (!guarded.fixed.empty()) {
    outcome.objections.push_back(fmt::format("`{}` cannot be changed without changing what is asked", guarded.fixed));
    outcome.param = std::move(guarded.fixed);
  }
  outcome.content = Data::from_text(guarded.changed ? std::move(guarded.json) : std::move(text));
  if (profile == policy::JsonProfile::chat_request) {
    features_ = guarded.features;
    last_user_text_ = std::move(guarded.last_user_text);
    let_go_ = false;
    inbound_types_ = outcome.types;
    request_bytes_ = outcome.content.text().size();
    if (features_.has_json_schema && checks_out_) read_requested_schema(outcome.content);
  }
  std::vector<policy::CheckResult> checks;
  if (with.texts) {
    checks = check(direction, texts, outcome);
    note_outside(direction, std::move(texts));
  }
  if (direction == policy::Direction::inbound) needs_local_ = needs_local_ || outcome.verdict == policy::Verdict::local;
  outcome.decision = decision_json(outcome.verdict, {guarded.findings, with.unrecorded, &given}, direction, checks);
  return outcome;
}

std::vector<policy::CheckResult> GuardSession::check(policy::Direction direction,
                                                     const std::vector<policy::CheckedText>& texts,
                                                     GuardOutcome& outcome) const {
  auto results = policy::run_checks(policy_->checks(), checks_, direction, {texts, requested_schema_.get()}, scorer_);
  for (const auto& result : results) {
    if (!result.objects || policy_->log_only()) continue;
    outcome.verdict = std::max(outcome.verdict, policy::verdict_of(result.check->action));
    if (result.check->action == policy::Action::block)
      outcome.objections.push_back(fmt::format("check {}: {}", result.check->name, result.label));
    outcome.misformed = outcome.misformed || result.check->kind == policy::CheckKind::json_schema;
    if (result.check->repair && outcome.repair.empty()) outcome.repair = result.complaint;
  }
  return results;
}

void GuardSession::note_outside(policy::Direction direction, std::vector<policy::CheckedText> texts) {
  outside_ = {direction, {}, {}};
  for (std::size_t i = 0; i < policy_->checks().size(); ++i) {
    const auto& check = policy_->checks()[i];
    const bool speaks = (checks_ >> i & 1) != 0 && check->applies(direction);
    if (speaks && check->kind == policy::CheckKind::http) outside_.checks.push_back(check);
  }
  if (!outside_.checks.empty()) outside_.texts = policy::texts_for_services(std::move(texts));
}

policy::Verdict GuardSession::conclude(policy::Direction direction, const std::vector<policy::CheckResult>& results,
                                       RecordJson& decision) {
  auto verdict = policy::Verdict::allow;
  for (const auto& result : results) {
    if (result.objects && !policy_->log_only()) verdict = std::max(verdict, policy::verdict_of(result.check->action));
  }
  if (direction == policy::Direction::inbound) needs_local_ = needs_local_ || verdict == policy::Verdict::local;
  decision = decision_json(verdict, {}, direction, results);
  return verdict;
}

// A schema that we do not understand is not held against the answer: the caller's wish, not the policy's.
void GuardSession::read_requested_schema(const Data& request) {
  const auto* format = find_member(request.value(), "response_format");
  const auto* wrapped = format ? find_member(*format, "json_schema") : nullptr;
  const auto* schema = wrapped ? find_member(*wrapped, "schema") : nullptr;
  if (!schema) return;
  if (auto compiled = policy::JsonSchema::compile(*schema)) requested_schema_ = *std::move(compiled);
}

void GuardSession::tie_hashes_to(std::string_view run_key) {
  const auto key = hmac_sha256(run_key, "hashes of findings");
  hash_key_.assign(key.begin(), key.end());
}

// The policy's own hash of a value is the same in all runs of a tenant, for ever: it links a person's runs, and whoever
// may send requests can try what it is of.
std::string GuardSession::recorded_hash(const policy::GuardedFinding& found) const {
  SB_ASSERT(!hash_key_.empty());
  return to_hex(hmac_sha256(hash_key_, found.hash_text())).substr(0, found.value_hash.size());
}

RecordJson GuardSession::decision_json(policy::Verdict verdict, const Found& all, policy::Direction direction,
                                       const std::vector<policy::CheckResult>& checks) const {
  constexpr std::size_t kMaxListed = 100;  // a page full of numbers must not make a record of megabytes
  const auto listed = all.one_by_one.first(std::min(all.one_by_one.size(), kMaxListed));
  std::vector<policy::FindingCount> unlisted(all.counted.begin(), all.counted.end());
  for (const auto& found : all.one_by_one.subspan(listed.size()))
    policy::count_finding(unlisted, found.finding.type, found.action);
  std::size_t count = listed.size();
  for (const auto& kind : unlisted) count += kind.count;
  const auto ours = &RecordText::ours, named = &RecordText::configured;
  RecordWriter out;
  out.begin_object();
  if (!checks.empty()) {
    out.key("checks").begin_array();
    for (const auto& result : checks) {
      out.begin_object().member("action", ours(policy::to_string(result.check->action)));
      out.member("kind", ours(policy::to_string(result.check->kind))).member("label", named(result.label));
      out.member("name", named(result.check->name)).member("objects", result.objects);
      out.key("score").decimal(result.score, 3).end_object();
    }
    out.end_array();
  }
  out.member("chosen", ours(policy::to_string(verdict))).member("direction", ours(policy::to_string(direction)));
  if (count > 0) {
    out.member("finding_count", count).key("findings").begin_array();
    for (const auto& found : listed) {
      out.begin_object().member("action", ours(policy::to_string(found.action)));
      out.member("detector", ours(found.finding.detector)).member("end", found.finding.span.end);
      out.member("rule", named(found.rule)).key("score").decimal(found.finding.score, 2);
      out.member("start", found.finding.span.begin).member("type", named(found.finding.type));
      out.member("value_hash", ours(recorded_hash(found))).end_object();
    }
    out.end_array();
  }
  if (all.given && !all.given->empty()) out.member("given", *all.given);
  out.member("kind", "guard");
  if (policy_->log_only()) out.member("mode", "log_only");
  if (!unlisted.empty()) {
    out.key("unlisted").begin_array();
    for (const auto& kind : unlisted) {
      out.begin_object().member("action", ours(policy::to_string(kind.action))).member("count", kind.count);
      out.member("type", named(kind.type)).end_object();
    }
    out.end_array();
  }
  out.key("versions").begin_object();
  out.member("policy", ours(policy_version())).end_object().end_object();
  return std::move(out).take();
}

std::vector<std::string> GuardSession::may_give(std::vector<std::string> types) const {
  std::erase_if(types, [&](const std::string& type) {
    return !subject_.may_restore || !policy_->restores_for_services(type, rules_);
  });
  return types;
}

RecordJson GuardSession::given_decision(const RecordJson& given) const {
  return decision_json(policy::Verdict::allow, {{}, {}, &given}, policy::Direction::outbound, {});
}

std::string GuardSession::restore(std::string_view json) const {
  if (!restores()) return std::string(json);
  return policy::restore_json(*vault_, json, json_pieces()).value_or(std::string(json));
}

std::unique_ptr<policy::ChatStreamRestorer> GuardSession::stream_restorer() const {
  const bool may_come = subject_.may_restore && tokenises_out_;
  return restores() || may_come ? std::make_unique<policy::ChatStreamRestorer>(*vault_, json_pieces()) : nullptr;
}

std::string GuardSession::restore_plain(std::string_view text) const {
  return restores() ? policy::restore_text(*vault_, text) : std::string(text);
}

std::unique_ptr<StreamSession> GuardSession::stream() {
  return std::make_unique<StreamSession>(*policy_, context(policy::Direction::outbound, false));
}

RecordJson GuardSession::stream_decision(StreamSession& stream) const {
  return decision_json(stream.guard().verdict(), {stream.guard().findings(), stream.unrecorded()},
                       policy::Direction::outbound, {});
}

std::string GuardSession::vault_json() const {
  return vault_->empty() ? std::string() : to_text(vault_->to_json());
}

Result<> GuardSession::load_vault(std::string_view json) {
  if (json.empty()) return {};
  SB_TRY(const auto document, parse_json(json));
  SB_TRY(*vault_, policy::TokenVault::from_json(document));
  return {};
}

triage::RouteQuery GuardSession::route_query() const {
  triage::RouteQuery query;
  query.text = last_user_text_;
  query.finding_types = inbound_types_;
  query.has_tools = features_.has_tools;
  query.has_images = features_.has_images;
  query.wants_json_schema = features_.has_json_schema;
  query.prompt_bytes = features_.text_bytes;
  query.turns = features_.message_count;
  return query;
}

void GuardSession::let_go_of_user_text() {
  if (last_user_text_.empty()) return;
  std::string().swap(last_user_text_);
  let_go_ = true;
}

void GuardSession::recall_user_text(std::string_view request) {
  if (std::exchange(let_go_, false)) last_user_text_ = policy::last_user_text(request);
}

void GuardSession::set_inbound_types(std::vector<std::string> types) {
  known_types_ = std::move(types);
  inbound_types_.assign(known_types_.begin(), known_types_.end());
}

void GuardSession::set_aside() {
  aside_.emplace(std::exchange(features_, {}), std::exchange(last_user_text_, {}), std::exchange(let_go_, false),
                 std::exchange(inbound_types_, {}), std::exchange(known_types_, {}), std::exchange(request_bytes_, 0),
                 std::exchange(requested_schema_, {}));
}

void GuardSession::take_back() {
  features_ = aside_->features;
  last_user_text_ = std::move(aside_->last_user_text);
  let_go_ = aside_->let_go;
  inbound_types_ = std::move(aside_->inbound_types);
  known_types_ = std::move(aside_->known_types);
  request_bytes_ = aside_->bytes;
  requested_schema_ = std::move(aside_->schema);
  aside_.reset();
}

void GuardSession::read_request(const std::string& request) {
  // Placeholders are no findings, so what was policed passes as it is.
  auto with = context(policy::Direction::inbound, false);
  std::vector<policy::CheckedText> texts;
  if (checks_in_) with.texts = &texts;
  if (auto guarded = policy::guard_json(*policy_, with, request, policy::JsonProfile::chat_request)) {
    features_ = guarded->features;
    last_user_text_ = std::move(guarded->last_user_text);
    needs_local_ = guarded->verdict == policy::Verdict::local;
    note_outside(policy::Direction::inbound, std::move(texts));
    if (features_.has_json_schema && checks_out_) read_requested_schema(Data::from_text(request));
  }
}

}  // namespace sb::flow
