#include "keys/derived_keys.h"

#include "base/crypto.h"
#include "config/secret.h"
#include "keys/envelope.h"

namespace sb {
namespace {

std::string derived(std::string_view key, std::string_view what) {
  const Digest made = hmac_sha256(key, what);
  return {reinterpret_cast<const char*>(made.data()), made.size()};
}

}  // namespace

Result<std::string> master_key_of(std::string_view ref, std::string_view vault_key) {
  if (ref.empty()) return default_master_key(vault_key);
  const auto place = SecretRef::parse(ref);
  if (!place) return fail(Errc::invalid_argument, "--master-key takes env:NAME or file:PATH, never the key itself");
  SB_TRY(const Secret secret, place->resolve());
  return parse_master_key(secret.reveal());
}

std::string pseudonym_secret(std::string_view pepper) {
  return derived(pepper, "pseudonyms");
}

std::string value_secret(std::string_view vault_key) {
  return derived(vault_key, "tenant keys");
}

std::string value_key(std::string_view value_secret, std::string_view tenant) {
  return derived(value_secret, tenant);
}

}  // namespace sb
