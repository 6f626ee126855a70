/// API keys: their form, their keyed hash, and what is kept of them.
///
/// A key is "sbk_" and 32 characters of [0-9A-Za-z]: 26 random (154 bits), 6 of a checksum, so that a typo or a cut-off
/// key is refused without a lookup and secret scanners can recognise ours. It is shown once, when it is made; kept is
/// HMAC-SHA256(pepper, key). The pepper is a file beside the database: a stolen database alone verifies no key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"
#include "base/errors.h"
#include "base/ids.h"
#include "base/json.h"
#include "config/secret.h"
#include "keys/roles.h"

namespace sb {

Secret generate_api_key(Entropy& entropy);
bool is_api_key(std::string_view text);  ///< form and checksum only

/// The server's own secret that key hashes are made with. Immutable, so thread-safe.
class Pepper {
 public:
  /// Reads `file`, or makes it with mode 0600, durably, if it is not there; two servers that start at once agree on
  /// one. Errors: permission_denied (others may read it), corrupt (not 64 hex digits), disk_full, internal.
  static Result<Pepper> load_or_create(const std::filesystem::path& file, Entropy& entropy);
  /// `bytes`: 32.
  explicit Pepper(Secret bytes);

  Digest hash(std::string_view api_key) const { return hmac_sha256(bytes_.reveal(), api_key); }

 private:
  Secret bytes_;
};

/// 0: no limit.
struct KeyLimits {
  std::int64_t requests_per_minute = 0;
  MicroMoney spend_micro_per_day = 0;
  std::int64_t max_in_flight = 0;

  bool operator==(const KeyLimits&) const = default;
};

/// What is kept of a key.
struct KeyRecord {
  KeyId id;
  std::string name;    ///< for people, at most 128 bytes
  std::string tenant;  ///< the isolation boundary, [a-z0-9][a-z0-9-]{0,62}
  Role role = Role::client;
  KeyLimits limits;
  Digest hash{};
  Micros created_us = 0;
  std::optional<Micros> revoked_us;
  std::optional<KeyId> made_by = {};  ///< none: by no key (`init`, a server without keys), or before this was kept

  bool operator==(const KeyRecord&) const = default;
};

bool is_tenant_name(std::string_view text);

/// A new key and its record. Errors: invalid_argument (name, tenant or limits out of range).
struct NewKey {
  Secret text;
  KeyRecord record;
};
Result<NewKey> make_key(std::string name, std::string tenant, Role role, KeyLimits limits, const Pepper& pepper,
                        const Clock& clock, Entropy& entropy);

/// {"id","name","tenant","role","limits":{..},"hash","created_us","revoked_us"?,"made_by"?}
json::value to_json(const KeyRecord& record);
/// Errors: corrupt, `detail` names the member.
Result<KeyRecord> key_from_json(const json::value& value);

/// The document the store keeps: {"version":1,"keys":[...]}.
json::value keys_to_json(std::span<const KeyRecord> records);
/// Errors: corrupt, unsupported (a newer version).
Result<std::vector<KeyRecord>> keys_from_json(const json::value& document);

}  // namespace sb
