#include "keys/envelope.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/bytes.h"
#include "base/crypto.h"

namespace sb {
namespace {

constexpr std::size_t kNewest = kMaxKeyVersions;

std::string new_key(Entropy& entropy) {
  std::string key(kDataKeyBytes, '\0');
  entropy.fill({reinterpret_cast<std::uint8_t*>(key.data()), key.size()});
  return key;
}

// Tells one master key from another and gives nothing of it away.
std::string fingerprint(std::string_view master) {
  const Digest digest = hmac_sha256(master, "signalbox master key");
  return to_hex(std::span(digest).first(8));
}

constexpr std::string_view kTenantKey = "tenant key";
constexpr std::string_view kValueKey = "value key";
constexpr std::string_view kServerKey = "server key";

std::string context_of(std::string_view kind, std::string_view tenant, std::size_t version) {
  return fmt::format("{}/{}/{}", kind, version, tenant);
}

std::string document_context(std::string_view name) {
  return fmt::format("document/{}", name);
}

std::unexpected<Error> damaged() {
  return fail(Errc::corrupt, "the document of the tenants' keys is damaged");
}

}  // namespace

TenantKeys::TenantKeys(std::string master) : master_(std::move(master)) {
  SB_ASSERT(master_.size() == kDataKeyBytes);
}

Result<> TenantKeys::load(const json::value& document) {
  const std::lock_guard lock(mutex_);
  if (string_member(document, "master") != fingerprint(master_)) {
    return fail(
        Errc::permission_denied,
        fmt::format("the tenants' keys are wrapped by another master key (fingerprint {}, given {}): give the one "
                    "that was in force, or restore the data directory's keys/ from a backup",
                    string_member(document, "master"), fingerprint(master_)));
  }
  const auto* tenants = find_member(document, "tenants");
  if (!tenants) return damaged();
  AllKeys keys;
  SB_TRY(keys.tenants, unwrapped(*tenants, kTenantKey));
  if (const auto* values = find_member(document, "values")) {  // none: as earlier versions wrote it
    SB_TRY(keys.values, unwrapped(*values, kValueKey));
  }
  if (const auto server = string_member(document, "server"); !server.empty()) {
    const auto bytes = from_base64(server);
    if (!bytes) return damaged();
    SB_TRY(keys.server, aead_open(master_, *bytes, kServerKey));
  }
  keys_ = std::move(keys);
  return {};
}

Result<TenantKeys::Keys> TenantKeys::unwrapped(const json::value& tenants, std::string_view kind) const {
  if (!tenants.is_object()) return damaged();
  Keys keys;
  for (const auto& [tenant, versions] : tenants.get_object()) {
    auto& list = keys[std::string(tenant)];
    for (const auto& wrapped : versions.is_array() ? versions.get_array() : json::array()) {
      if (wrapped.is_null()) {
        list.emplace_back();
        continue;
      }
      const auto bytes = wrapped.is_string() ? from_base64(std::string_view(wrapped.get_string())) : std::nullopt;
      if (!bytes) return damaged();
      SB_TRY(std::string key, aead_open(master_, *bytes, context_of(kind, tenant, list.size())));
      list.push_back(std::move(key));
    }
    if (list.empty() || list.back().empty() || list.size() > kMaxKeyVersions) return damaged();
  }
  return keys;
}

json::value TenantKeys::document(Entropy& entropy) const {
  const std::lock_guard lock(mutex_);
  return document_of(keys_, entropy);
}

json::value TenantKeys::with_new_key(std::string_view tenant, Entropy& entropy) const {
  const std::lock_guard lock(mutex_);
  AllKeys keys = keys_;
  auto& versions = keys.tenants.find(tenant)->second;
  SB_ASSERT(versions.size() < kMaxKeyVersions);
  versions.push_back(new_key(entropy));
  keys.values[std::string(tenant)].push_back(new_key(entropy));
  return document_of(keys, entropy);
}

json::value TenantKeys::without_old_keys(std::string_view tenant, Entropy& entropy) const {
  const std::lock_guard lock(mutex_);
  AllKeys keys = keys_;
  auto& versions = keys.tenants.find(tenant)->second;
  for (std::string& key : std::span(versions).first(versions.size() - 1)) key.clear();
  return document_of(keys, entropy);
}

json::value TenantKeys::document_of(const AllKeys& keys, Entropy& entropy) const {
  json::object made{{"master", fingerprint(master_)},
                    {"tenants", wrapped(keys.tenants, kTenantKey, entropy)},
                    {"values", wrapped(keys.values, kValueKey, entropy)}};
  if (!keys.server.empty()) made["server"] = to_base64(aead_seal(master_, keys.server, kServerKey, entropy));
  return made;
}

json::object TenantKeys::wrapped(const Keys& keys, std::string_view kind, Entropy& entropy) const {
  json::object tenants;
  for (const auto& [tenant, versions] : keys) {
    json::array list;
    for (const std::string& key : versions) {
      if (key.empty())
        list.emplace_back(nullptr);
      else
        list.emplace_back(to_base64(aead_seal(master_, key, context_of(kind, tenant, list.size()), entropy)));
    }
    tenants[tenant] = std::move(list);
  }
  return tenants;
}

std::string TenantKeys::value_key(std::string_view tenant) const {
  const std::lock_guard lock(mutex_);
  const auto found = keys_.values.find(tenant);
  return found == keys_.values.end() ? std::string() : found->second.back();
}

std::vector<std::string> TenantKeys::value_keys(std::string_view tenant) const {
  const std::lock_guard lock(mutex_);
  const auto found = keys_.values.find(tenant);
  if (found == keys_.values.end()) return {};
  return {found->second.rbegin(), found->second.rend()};
}

void TenantKeys::adopt_value_key(std::string_view tenant, std::string key) {
  const std::lock_guard lock(mutex_);
  auto& versions = keys_.values[std::string(tenant)];
  if (versions.empty()) versions.push_back(std::move(key));
}

bool TenantKeys::has(std::string_view tenant) const {
  const std::lock_guard lock(mutex_);
  return keys_.tenants.contains(tenant);
}

std::size_t TenantKeys::version(std::string_view tenant) const {
  const std::lock_guard lock(mutex_);
  const auto found = keys_.tenants.find(tenant);
  SB_ASSERT(found != keys_.tenants.end());
  return found->second.size() - 1;
}

bool TenantKeys::is_current(std::string_view tenant, std::string_view wrapped) const {
  return !wrapped.empty() && static_cast<unsigned char>(wrapped.front()) == version(tenant);
}

std::vector<std::string> TenantKeys::rotating() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [tenant, versions] : keys_.tenants) {
    if (std::ranges::count_if(versions, [](const std::string& key) { return !key.empty(); }) > 1)
      names.push_back(tenant);
  }
  return names;
}

void TenantKeys::add(std::string_view tenant, Entropy& entropy) {
  const std::lock_guard lock(mutex_);
  auto& versions = keys_.tenants[std::string(tenant)];
  SB_ASSERT(versions.size() < kMaxKeyVersions);
  versions.push_back(new_key(entropy));
  auto& values = keys_.values[std::string(tenant)];
  if (values.empty()) values.push_back(new_key(entropy));
}

bool TenantKeys::has_server_key() const {
  const std::lock_guard lock(mutex_);
  return !keys_.server.empty();
}

void TenantKeys::add_server_key(Entropy& entropy) {
  const std::lock_guard lock(mutex_);
  SB_ASSERT(keys_.server.empty());
  keys_.server = new_key(entropy);
}

std::string TenantKeys::seal_document(std::string_view name, std::string_view text, Entropy& entropy) const {
  const std::lock_guard lock(mutex_);
  SB_ASSERT(!keys_.server.empty());
  return aead_seal(keys_.server, text, document_context(name), entropy);
}

Result<std::string> TenantKeys::open_document(std::string_view name, std::string_view sealed) const {
  const std::lock_guard lock(mutex_);
  if (keys_.server.empty()) return fail(Errc::corrupt, "the server's key is missing from the tenants' keys");
  return aead_open(keys_.server, sealed, document_context(name));
}

void TenantKeys::remove(std::string_view tenant) {
  const std::lock_guard lock(mutex_);
  if (const auto found = keys_.tenants.find(tenant); found != keys_.tenants.end()) keys_.tenants.erase(found);
  if (const auto found = keys_.values.find(tenant); found != keys_.values.end()) keys_.values.erase(found);
}

std::vector<std::string> TenantKeys::tenants() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [tenant, versions] : keys_.tenants) names.push_back(tenant);
  return names;
}

void TenantKeys::change_master(std::string master) {
  SB_ASSERT(master.size() == kDataKeyBytes);
  const std::lock_guard lock(mutex_);
  master_ = std::move(master);
}

Result<std::string> TenantKeys::key_of(std::string_view tenant, std::size_t version) const {
  const std::lock_guard lock(mutex_);
  const auto found = keys_.tenants.find(tenant);
  if (found == keys_.tenants.end() || found->second.empty())
    return fail(Errc::not_found, fmt::format("tenant {} has no encryption key", tenant));
  if (version == kNewest) return static_cast<char>(found->second.size() - 1) + found->second.back();
  if (version >= found->second.size() || found->second[version].empty())
    return fail(Errc::corrupt, "a data key is wrapped by a tenant key that is gone");
  return static_cast<char>(version) + found->second[version];
}

Result<std::string> TenantKeys::wrap(std::string_view tenant, std::string_view context, std::string_view data_key,
                                     Entropy& entropy) const {
  SB_TRY(const std::string key, key_of(tenant, kNewest));
  return key.substr(0, 1) + aead_seal(std::string_view(key).substr(1), data_key, context, entropy);
}

Result<std::string> TenantKeys::unwrap(std::string_view tenant, std::string_view context,
                                       std::string_view wrapped) const {
  if (wrapped.empty()) return fail(Errc::corrupt, "a data key is missing");
  const std::size_t version = static_cast<unsigned char>(wrapped.front());
  if (version >= kMaxKeyVersions) return fail(Errc::corrupt, "a data key is wrapped by no key of a tenant");
  SB_TRY(const std::string key, key_of(tenant, version));
  return aead_open(std::string_view(key).substr(1), wrapped.substr(1), context);
}

std::string payload_context(const RunId& run, std::string_view place) {
  std::string context(reinterpret_cast<const char*>(run.uuid.bytes.data()), run.uuid.bytes.size());
  return context += place;
}

Result<std::string> open_payload(std::string_view data_key, std::string_view sealed, const RunId& run,
                                 std::string_view place) {
  auto opened = aead_open(data_key, sealed, payload_context(run, place));
  return opened ? opened : aead_open(data_key, sealed, payload_context(run, {}));
}

std::string payload_salt(std::string_view data_key, std::string_view kind) {
  const Digest salt = hmac_sha256(data_key, "salt/" + std::string(kind));
  return {reinterpret_cast<const char*>(salt.data()), salt.size()};
}

std::string default_master_key(std::string_view vault_key) {
  const Digest key = hmac_sha256(vault_key, "master key");
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

Result<std::string> parse_master_key(std::string_view text) {
  if (text.size() == kDataKeyBytes) return std::string(text);
  const auto trimmed = trim(text);
  if (auto key = from_hex(trimmed); key && key->size() == kDataKeyBytes) return *key;
  if (auto key = from_base64(trimmed); key && key->size() == kDataKeyBytes) return *key;
  return fail(Errc::invalid_argument, "the master key must be 32 bytes: as they are, as 64 hex digits, or in base64");
}

}  // namespace sb
