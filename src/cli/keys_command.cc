#include "cli/keys_command.h"

#include <fmt/format.h>

#include <chrono>
#include <ostream>
#include <thread>

#include "cli/api_client.h"

namespace sb::cli {
namespace {

constexpr std::chrono::milliseconds kAskEvery{200};

Result<json::array> tenant_keys(const Invocation& it) {
  SB_TRY(const json::value answer, call_api(it, "GET", "/api/v1/tenant-keys"));
  const auto* keys = find_member(answer, "tenantKeys");
  if (!keys || !keys->is_array()) return fail(Errc::internal, "the server's answer has no list of keys");
  return keys->get_array();
}

int list_keys(const Invocation& it) {
  const auto keys = tenant_keys(it);
  if (!keys) return it.fail(keys.error());
  for (const json::value& key : *keys) {
    it.out << fmt::format("{}  version {}{}\n", string_member(key, "tenant"), int_member(key, "version"),
                          bool_member(key, "rotating") ? "  rotating" : "");
  }
  return kExitOk;
}

Result<> rotate_and_wait(const Invocation& it, const std::string& tenant) {
  SB_TRY(const json::value begun, call_api(it, "POST", fmt::format("/api/v1/tenant-keys/{}/rotate", tenant)));
  it.out << fmt::format("tenant {} has a new key, version {}\n", tenant, int_member(begun, "version")) << std::flush;
  if (it.has("no-wait")) return {};
  for (bool rotating = true; rotating;) {
    std::this_thread::sleep_for(kAskEvery);
    SB_TRY(const json::array keys, tenant_keys(it));
    rotating = false;
    for (const json::value& key : keys) {
      rotating |= string_member(key, "tenant") == tenant && bool_member(key, "rotating");
    }
  }
  it.out << "all that its older keys sealed is under it; they are destroyed\n";
  return {};
}

}  // namespace

Command keys_command() {
  Command keys("keys", "the keys that data is sealed with");
  add_api_flags(keys.add(Command("tenants", "which version of its key each tenant is at")).run(list_keys));
  add_api_flags(
      keys.add(Command("rotate-tenant", "give a tenant a new key, put all that is sealed under it, destroy the older"))
          .required("tenant", "the tenant's name")
          .toggle("no-wait", "return when the new key is in force; the server does the rest, also after a crash")
          .example("signalbox keys rotate-tenant acme", "works while the server does; contents are not touched")
          .run([](const Invocation& it) {
            const auto done = rotate_and_wait(it, it.position("tenant"));
            return done ? kExitOk : it.fail(done.error());
          }));
  return keys;
}

}  // namespace sb::cli
