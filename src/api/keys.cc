// /api/v1/keys: API keys are made, listed and revoked.
#include <fmt/format.h>

#include "api/api.h"
#include "api/control.h"
#include "flow/sealed_documents.h"

namespace sb::api {
namespace {

json::object key_json(const KeyRecord& key) {
  return {{"id", key.id.to_string()},
          {"name", key.name},
          {"tenant", key.tenant},
          {"role", to_string(key.role)},
          {"limits",
           {{"requests_per_minute", key.limits.requests_per_minute},
            {"spend_micro_per_day", key.limits.spend_micro_per_day},
            {"max_in_flight", key.limits.max_in_flight}}},
          {"createdAt", time_or_null(key.created_us)},
          {"madeBy", key.made_by ? json::value(key.made_by->to_string()) : json::value(nullptr)},
          {"revokedAt", key.revoked_us ? time_or_null(*key.revoked_us) : json::value(nullptr)}};
}

}  // namespace

Task<void> Api::list_keys(http::Exchange& exchange, const Caller&, std::vector<std::string>) {
  json::array keys;
  for (const auto& key : parts_.keys.records()) keys.push_back(key_json(key));
  co_await respond_json(exchange, 200, to_text(json::object{{"keys", std::move(keys)}}));
}

Task<Result<>> Api::store_keys(std::vector<KeyRecord> records, std::string kind, const Caller& caller,
                               const KeyRecord& key) {
  store::Commit commit;
  flow::put_sealed(commit, parts_.engine.sealer(), std::string(flow::kApiKeysDocument), to_text(keys_to_json(records)));
  store::LeafDraft leaf;
  leaf.kind = std::move(kind);
  leaf.tenant = key.tenant;
  leaf.actor = parts_.pseudonyms.actor(actor_of(caller));
  leaf.summary = fmt::format(R"({{"key":"{}","role":"{}"}})", key.id.to_string(), to_string(key.role));
  leaf.time_us = parts_.clock.now_us();
  commit.leaves.push_back(std::move(leaf));
  const bool is_new_tenant = !parts_.tenant_keys.has(key.tenant);
  if (is_new_tenant) {
    parts_.tenant_keys.add(key.tenant, parts_.entropy);
    commit.documents.emplace_back("tenant_keys", to_text(parts_.tenant_keys.document(parts_.entropy)));
    store::LeafDraft made = commit.leaves.back();
    made.kind = "tenant_key.create";
    made.summary = {};
    commit.leaves.push_back(std::move(made));
  }
  const auto stored = co_await parts_.store.commit(std::move(commit));
  if (!stored) {
    // A key that is not stored must seal nothing: what it sealed would be lost with this process.
    if (is_new_tenant) parts_.tenant_keys.remove(key.tenant);
    co_return std::unexpected(stored.error());
  }
  co_return parts_.keys.replace(std::move(records));
}

Task<void> Api::create_key(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  auto body = parse_json(exchange.request().body);
  if (!body || !body->is_object())
    co_return co_await respond_error(
        exchange, Error(Errc::invalid_argument, R"(send {"name": "...", "tenant"?, "role"?, "limits"?})"));
  const auto role = parse_role(string_member(*body, "role", "client"));
  if (!role)
    co_return co_await respond_error(
        exchange, Error(Errc::invalid_argument, "role is one of admin, operator, reviewer, client, auditor", "role"));
  KeyLimits limits;
  if (auto known = only_members(*body, {"name", "tenant", "role", "limits"}); !known)
    co_return co_await respond_error(exchange, known.error());
  if (const auto* given = find_member(*body, "limits")) {
    // A limit that is misspelt would be no limit.
    if (auto known = only_members(*given, {"requests_per_minute", "spend_micro_per_day", "max_in_flight"}); !known) {
      co_return co_await respond_error(exchange, known.error());
    }
    limits = {int_member(*given, "requests_per_minute"), int_member(*given, "spend_micro_per_day"),
              int_member(*given, "max_in_flight")};
  }
  auto pass = co_await parts_.changes.enter();
  if (!pass) co_return co_await respond_error(exchange, pass.error());
  auto made =
      make_key(std::string(string_member(*body, "name")), std::string(string_member(*body, "tenant", "default")), *role,
               limits, parts_.keys.pepper(), parts_.clock, parts_.entropy);
  if (!made) co_return co_await respond_error(exchange, made.error());
  made->record.made_by = caller.key;
  auto records = parts_.keys.records();
  records.push_back(made->record);
  if (auto stored = co_await store_keys(std::move(records), "key.create", caller, made->record); !stored)
    co_return co_await respond_error(exchange, stored.error());
  json::object answer = key_json(made->record);
  answer["key"] = made->text.reveal();  // shown this once
  co_await respond_json(exchange, 201, to_text(answer));
}

Task<void> Api::revoke_key(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  auto pass = co_await parts_.changes.enter();
  if (!pass) co_return co_await respond_error(exchange, pass.error());
  auto records = parts_.keys.records();
  const auto found =
      std::ranges::find_if(records, [&](const KeyRecord& key) { return key.id.to_string() == captured[0]; });
  if (found == records.end()) co_return co_await respond_error(exchange, no_such("key"));
  if (!found->revoked_us) found->revoked_us = parts_.clock.now_us();
  const KeyRecord revoked = *found;
  if (auto stored = co_await store_keys(std::move(records), "key.revoke", caller, revoked); !stored)
    co_return co_await respond_error(exchange, stored.error());
  co_await respond_json(exchange, 200, to_text(key_json(revoked)));
}

}  // namespace sb::api
