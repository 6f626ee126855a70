// /api/v1/tenant-keys: which key version each tenant is at, and the rotation of one.
#include "api/api.h"
#include "api/control.h"
#include "api/key_rotation.h"

namespace sb::api {

Task<void> Api::list_tenant_keys(http::Exchange& exchange, const Caller&, std::vector<std::string>) {
  const auto rotating = parts_.tenant_keys.rotating();
  json::array keys;
  for (const auto& tenant : parts_.tenant_keys.tenants()) {
    keys.push_back(json::object{{"tenant", tenant},
                                {"version", parts_.tenant_keys.version(tenant)},
                                {"rotating", std::ranges::find(rotating, tenant) != rotating.end()}});
  }
  co_await respond_json(exchange, 200, to_text(json::object{{"tenantKeys", std::move(keys)}}));
}

// Accepted when the new key is on disk: from then on a crash only delays the rest.
Task<void> Api::rotate_tenant_key(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  const std::string tenant = captured[0];
  if (auto begun = co_await parts_.key_rotation.begin(tenant, parts_.pseudonyms.actor(actor_of(caller))); !begun)
    co_return co_await respond_error(exchange, begun.error());
  co_await respond_json(
      exchange, 202,
      to_text(json::object{{"tenant", tenant}, {"version", parts_.tenant_keys.version(tenant)}, {"rotating", true}}));
}

}  // namespace sb::api
