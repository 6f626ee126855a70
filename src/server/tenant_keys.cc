#include "server/tenant_keys.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <cstdio>
#include <set>

#include "api/legal_holds.h"
#include "base/crypto.h"
#include "base/json.h"
#include "keys/derived_keys.h"
#include "server/wait_for.h"

namespace sb::server {
namespace {

constexpr const char* kKeysDocument = "tenant_keys";

Result<std::string> key_at(const SecretRef& place, const char* name) {
  auto secret = place.resolve();
  if (!secret) return fail(secret.error().code, fmt::format("encryption.{}: {}", name, secret.error().detail), name);
  auto key = parse_master_key(secret->reveal());
  if (!key) return fail(key.error().code, fmt::format("encryption.{}: {}", name, key.error().detail), name);
  return key;
}

// Its output is the key, so that nothing of it is repeated in an error.
Result<std::string> key_of_command(const std::string& command) {
  std::FILE* const pipe = ::popen(command.c_str(), "re");
  if (!pipe) return fail(Errc::unavailable, "encryption.master_key_command: cannot start a shell");
  std::string output(4096, '\0');
  output.resize(std::fread(output.data(), 1, output.size(), pipe));
  if (const int status = ::pclose(pipe); status != 0) {
    return fail(Errc::unavailable, fmt::format("encryption.master_key_command: {} {}",
                                               WIFEXITED(status) ? "ended with status" : "killed by signal",
                                               WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status)));
  }
  auto key = parse_master_key(output);
  if (!key) return fail(key.error().code, "encryption.master_key_command: " + key.error().detail);
  return key;
}

store::LeafDraft key_leaf(std::string kind, std::string tenant) {
  store::LeafDraft leaf;
  leaf.kind = std::move(kind);
  leaf.tenant = std::move(tenant);
  leaf.time_us = system_clock().now_us();
  return leaf;
}

/// True: they were wrapped by the previous master key, which they are under now.
Result<bool> load(TenantKeys& keys, const json::value& document, const EncryptionConfig& config) {
  const auto loaded = keys.load(document);
  if (loaded) return false;
  const auto& previous = config.previous_master_key;
  if (!previous || loaded.error().code != Errc::permission_denied) return std::unexpected(loaded.error());
  SB_TRY(std::string old, key_at(*previous, "previous_master_key"));
  keys.change_master(std::move(old));
  SB_CHECK(keys.load(document));
  return true;
}

// Whom they hold stays to be compared with the record; why goes under the server's key.
Result<std::string> sealed_holds(std::string_view text, const flow::Sealer& sealer) {
  SB_TRY(json::array holds, api::parse_holds(std::string(text)));
  for (json::value& hold : holds) {
    SB_TRY(const std::string reason, api::reason_of(hold, sealer));
    api::seal_reason(hold, reason, sealer);
  }
  return to_text(holds);
}

Result<> store_with_keys(Services& services, store::Commit commit) {
  commit.documents.emplace_back(kKeysDocument, to_text(services.tenant_keys->document(system_entropy())));
  return wait_for(services.store->commit(std::move(commit)), services.startup);
}

}  // namespace

Result<std::string> master_key(const Services& services) {
  const EncryptionConfig& config = services.config.encryption;
  if (!config.master_key_command.empty()) return key_of_command(config.master_key_command);
  if (config.master_key) return key_at(*config.master_key, "master_key");
  return default_master_key(services.data.vault_key());
}

// Under the master key that they were found under: a change of it has its own place in the record.
store::SealDocument document_sealing(const Services& services, std::string master) {
  const auto keys = std::make_shared<TenantKeys>(std::move(master));
  return [keys, &services](std::string_view name, std::string_view text) -> Result<std::string> {
    if (name == api::kLegalHolds)
      return sealed_holds(text, flow::Sealer(*keys, services.data.vault_key(), system_entropy()));
    if (name != kKeysDocument) return keys->seal_document(name, text, system_entropy());
    if (!text.empty()) {
      SB_TRY(const json::value document, parse_json(text));
      SB_CHECK(load(*keys, document, services.config.encryption));
    }
    if (!keys->has_server_key()) keys->add_server_key(system_entropy());
    return to_text(keys->document(system_entropy()));
  };
}

Result<> open_tenant_keys(Services& services, const std::string& master) {
  services.tenant_keys = std::make_unique<TenantKeys>(master);
  TenantKeys& keys = *services.tenant_keys;
  SB_TRY(const auto stored, wait_for(services.store->load_document(kKeysDocument), services.startup));
  store::Commit commit;
  if (stored) {
    SB_TRY(const json::value document, parse_json(*stored));
    SB_TRY(const bool by_previous, load(keys, document, services.config.encryption));
    if (by_previous) commit.leaves.push_back(key_leaf("master_key.rotate", {}));
    keys.change_master(master);
  }
  if (keys.has_server_key() && commit.leaves.empty()) return {};
  if (!keys.has_server_key()) keys.add_server_key(system_entropy());
  return store_with_keys(services, std::move(commit));
}

Result<> complete_tenant_keys(Services& services) {
  TenantKeys& keys = *services.tenant_keys;
  store::Commit commit;
  std::set<std::string> tenants{"default"};
  for (const auto& key : services.keys->records()) tenants.insert(key.tenant);
  for (const std::string& tenant : tenants) {
    if (keys.has(tenant)) continue;
    keys.add(tenant, system_entropy());
    commit.leaves.push_back(key_leaf("tenant_key.create", tenant));
  }
  bool adopted = false;  // from before value keys were kept: what was sealed then still opens
  for (const std::string& tenant : keys.tenants()) {
    if (!keys.value_key(tenant).empty()) continue;
    keys.adopt_value_key(tenant, value_key(value_secret(services.data.vault_key()), tenant));
    adopted = true;
  }
  if (commit.leaves.empty() && !adopted) return {};
  return store_with_keys(services, std::move(commit));
}

}  // namespace sb::server
