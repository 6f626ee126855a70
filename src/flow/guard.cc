#include "flow/guard.h"

#include <algorithm>
#include <span>

#include "base/json_writer.h"

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

GuardSession::GuardSession(std::shared_ptr<const policy::Policy> policy, std::string tenant, std::string tenant_key)
    : policy_(std::move(policy)),
      tenant_(std::move(tenant)),
      tenant_key_(std::move(tenant_key)),
      vault_(std::make_unique<policy::TokenVault>()) {}

policy::GuardContext GuardSession::context(policy::Direction direction, bool restore) const {
  return policy::GuardContext{direction, tenant_, tenant_key_, *vault_, restore};
}

Result<GuardOutcome> GuardSession::inspect(policy::Direction direction, std::string text, policy::JsonProfile profile) {
  auto with = context(direction, false);
  SB_TRY(auto guarded, policy::guard_json(*policy_, with, text, profile));
  GuardOutcome outcome;
  outcome.verdict = guarded.verdict;
  outcome.types = types_of(guarded.findings);
  outcome.decision = decision_json(guarded.verdict, guarded.findings, direction);
  outcome.content = Data::from_text(guarded.changed ? std::move(guarded.json) : std::move(text));
  if (profile == policy::JsonProfile::chat_request) {
    features_ = guarded.features;
    last_user_text_ = std::move(guarded.last_user_text);
    inbound_types_ = outcome.types;
    request_bytes_ = outcome.content.text().size();
  }
  return outcome;
}

std::string GuardSession::decision_json(policy::Verdict verdict, const std::vector<policy::GuardedFinding>& findings,
                                        policy::Direction direction) const {
  // Members in the order of their bytes: the record copies what is in canonical form already (RFC 8785).
  JsonWriter out;
  out.begin_object().member("chosen", policy::to_string(verdict)).member("direction", policy::to_string(direction));
  if (!findings.empty()) {
    constexpr std::size_t kMaxListed = 100;  // a page full of numbers must not make a record of megabytes
    out.member("finding_count", findings.size()).key("findings").begin_array();
    for (const auto& found : std::span(findings).first(std::min(findings.size(), kMaxListed))) {
      out.begin_object().member("action", policy::to_string(found.action));
      out.member("detector", found.finding.detector).member("end", found.finding.span.end).member("rule", found.rule);
      out.key("score").decimal(found.finding.score, 2).member("start", found.finding.span.begin);
      out.member("type", found.finding.type).member("value_hash", found.hash_text()).end_object();
    }
    out.end_array();
  }
  out.member("kind", "guard").key("versions").begin_object();
  out.member("policy", std::string_view(policy_->hash()).substr(0, 16)).end_object().end_object();
  return std::move(out).take();
}

std::string GuardSession::restore(std::string_view json) const {
  if (vault_->empty()) return std::string(json);
  return policy::restore_json(*vault_, json).value_or(std::string(json));
}

std::string GuardSession::restore_plain(std::string_view text) const {
  return vault_->empty() ? std::string(text) : policy::restore_text(*vault_, text);
}

std::unique_ptr<StreamSession> GuardSession::stream() {
  return std::make_unique<StreamSession>(*policy_, context(policy::Direction::outbound, false));
}

std::string GuardSession::stream_decision(StreamSession& stream) const {
  return decision_json(stream.guard().verdict(), stream.guard().findings(), policy::Direction::outbound);
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

void GuardSession::set_inbound_types(std::vector<std::string> types) {
  known_types_ = std::move(types);
  inbound_types_.assign(known_types_.begin(), known_types_.end());
}

void GuardSession::read_request(const std::string& request) {
  // Placeholders are no findings, so what was policed passes as it is.
  auto with = context(policy::Direction::inbound, false);
  if (auto guarded = policy::guard_json(*policy_, with, request, policy::JsonProfile::chat_request)) {
    features_ = guarded->features;
    last_user_text_ = std::move(guarded->last_user_text);
  }
}

}  // namespace sb::flow
