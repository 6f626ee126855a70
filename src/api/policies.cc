// /api/v1/policies: versions of the data policy; /api/v1/reveal: what `encrypt` sealed.
#include <fmt/format.h>

#include "api/api.h"
#include "api/control.h"
#include "api/policy_book.h"

namespace sb::api {
namespace {

json::object version_json(const PolicyVersion& version) {
  return {{"hash", version.hash},
          {"name", version.name},
          {"version", version.version},
          {"state", to_string(version.state)},
          {"author", version.author},
          {"approver", version.approver.empty() ? json::value(nullptr) : json::value(version.approver)},
          {"createdAt", rfc3339(version.created_us)}};
}

// One policy holds for all tenants, and its lists may name what only one of them is to know.
Result<> require_all_tenants(const Caller& caller, std::string_view what) {
  if (is_for_all_tenants(caller)) return {};
  return fail(Errc::permission_denied,
              fmt::format("one policy holds for all tenants: a key of tenant {} may not {} it; ask an admin, or an "
                          "operator of tenant {}, for rules with \"tenants: [{}]\"",
                          caller.tenant, what, kOwnTenant, caller.tenant));
}

}  // namespace

// A tenant's own people see what holds for them, and no drafts.
Task<void> Api::list_policies(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  const std::string in_force = parts_.policies.current()->hash();  // first: it is among the versions that follow
  json::array versions;
  for (const auto& version : parts_.policies.versions()) {
    if (version.hash == in_force || is_for_all_tenants(caller)) versions.push_back(version_json(version));
  }
  co_await respond_json(exchange, 200, to_text(json::object{{"inForce", in_force}, {"policies", std::move(versions)}}));
}

Task<void> Api::get_policy(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  if (auto may = require_all_tenants(caller, "read"); !may) co_return co_await respond_error(exchange, may.error());
  auto text = co_await parts_.policies.text_of(captured[0]);
  if (!text) co_return co_await respond_error(exchange, text.error());
  co_await respond_json(exchange, 200, *std::move(text), {{"content-type", "application/yaml"}});
}

Task<void> Api::publish_policy(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  if (auto may = require_all_tenants(caller, "publish"); !may) co_return co_await respond_error(exchange, may.error());
  auto published = co_await parts_.policies.publish(exchange.take_body(), actor_of(caller));
  if (!published) {
    if (published.error().code != Errc::invalid_argument) co_return co_await respond_error(exchange, published.error());
    const json::object problem{
        {"title", "the policy was refused"}, {"status", 422}, {"detail", published.error().detail}};
    co_return co_await respond_json(exchange, 422, to_text(problem), {{"content-type", "application/problem+json"}});
  }
  co_await respond_json(exchange, published->state == PolicyState::pending ? 202 : 201,
                        to_text(version_json(*published)));
}

Task<void> Api::approve_policy(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  if (auto may = require_all_tenants(caller, "approve"); !may) co_return co_await respond_error(exchange, may.error());
  auto approved = co_await parts_.policies.approve(captured[0], actor_of(caller), parts_.keys.records());
  if (!approved) co_return co_await respond_error(exchange, approved.error());
  co_await respond_json(exchange, 200, to_text(version_json(*approved)));
}

// The tenant's own values alone, and on record that somebody looked: how many, not which.
Task<void> Api::reveal(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  auto body = parse_json(exchange.request().body);
  const auto* text = body ? find_member(*body, "text") : nullptr;
  if (!text || !text->is_string())
    co_return co_await respond_error(exchange, Error(Errc::invalid_argument, R"(send {"text": "..."})"));
  const auto opened = parts_.engine.reveal(caller.tenant, std::string_view(text->get_string()));
  store::Commit commit;
  store::LeafDraft leaf;
  leaf.kind = "record.opened";
  leaf.tenant = caller.tenant;
  leaf.actor = parts_.pseudonyms.actor(actor_of(caller));
  leaf.summary = fmt::format(R"({{"opened":{},"refused":{},"what":"reveal"}})", opened.opened, opened.refused);
  leaf.time_us = parts_.clock.now_us();
  commit.leaves.push_back(std::move(leaf));
  if (auto written = co_await parts_.store.commit(std::move(commit)); !written)
    co_return co_await respond_error(exchange, written.error());
  co_await respond_json(
      exchange, 200,
      to_text(json::object{{"text", opened.text}, {"opened", opened.opened}, {"refused", opened.refused}}));
}

}  // namespace sb::api
