/// Envelope encryption: a master key wraps a key for each tenant, that wraps a data key for each run. What people wrote
/// and no tenant owns (policies, flows, names of API keys) is sealed under a key of the server's own, beside the
/// tenants'.
///
/// A payload that is to be gone for ever need not be found in every copy: without its data key it is noise, and a data
/// key is 61 bytes in one place. Rotating the master key wraps the tenants' keys anew, not the runs'; rotating a
/// tenant's key wraps its runs' data keys anew, not their payloads.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/errors.h"
#include "base/ids.h"
#include "base/json.h"

namespace sb {

inline constexpr std::size_t kDataKeyBytes = 32;
/// A tenant has at most so many keys, one after the other. The version is the first byte of what a key sealed; 255 is
/// none of a tenant's.
inline constexpr std::size_t kMaxKeyVersions = 255;

/// The tenants' keys, in memory. Thread-safe. Stored as a document that holds them only wrapped.
class TenantKeys {
 public:
  /// REQUIRES a master key of 32 bytes.
  explicit TenantKeys(std::string master);

  /// Reads what document() wrote. Errors: permission_denied (wrapped by another master key), corrupt.
  Result<> load(const json::value& document);
  json::value document(Entropy& entropy) const;
  /// The document with a newer key of that tenant, and without its older ones. To be stored first, then to be loaded:
  /// no key seals anything before it is on disk, and none is forgotten before the disk has forgotten it. REQUIRES
  /// has(), and for a new key fewer than kMaxKeyVersions so far.
  json::value with_new_key(std::string_view tenant, Entropy& entropy) const;
  json::value without_old_keys(std::string_view tenant, Entropy& entropy) const;

  bool has(std::string_view tenant) const;
  /// Of the newest key. REQUIRES has().
  std::size_t version(std::string_view tenant) const;
  /// Whether the tenant's newest key wrapped it.
  bool is_current(std::string_view tenant, std::string_view wrapped) const;
  /// Tenants that have older keys beside their newest one.
  std::vector<std::string> rotating() const;
  /// Gives the tenant a new key for what comes; what its older keys wrapped still opens. Store document() before a
  /// data key that it wraps. REQUIRES fewer than kMaxKeyVersions so far.
  void add(std::string_view tenant, Entropy& entropy);
  /// What values are hashed and sealed with that go elsewhere (policy actions `hash` and `encrypt`): the newest of the
  /// tenant's value keys. They come with its keys and are kept when those go, because what they sealed is out of reach.
  /// Empty: the tenant has none.
  std::string value_key(std::string_view tenant) const;
  /// All of them, the newest first: each opens what it sealed.
  std::vector<std::string> value_keys(std::string_view tenant) const;
  /// The first one of a tenant that has keys and no value key yet.
  void adopt_value_key(std::string_view tenant, std::string key);
  /// The server's own key comes with the first document that it seals. REQUIRES for sealing: it has one.
  bool has_server_key() const;
  void add_server_key(Entropy& entropy);
  /// Bytes, bound to the document's name.
  std::string seal_document(std::string_view name, std::string_view text, Entropy& entropy) const;
  /// Errors: corrupt (damaged, moved, or in clear: nobody but the server writes one that opens).
  Result<std::string> open_document(std::string_view name, std::string_view sealed) const;
  /// Forgets a tenant's keys: with the stored document, all that they wrapped is gone.
  void remove(std::string_view tenant);
  std::vector<std::string> tenants() const;
  /// document() is written under another master key from now on.
  void change_master(std::string master);

  /// `context` is bound to the data key: it opens under the same one alone. Errors: not_found (a tenant without a key).
  Result<std::string> wrap(std::string_view tenant, std::string_view context, std::string_view data_key,
                           Entropy& entropy) const;
  /// Errors: not_found, corrupt.
  Result<std::string> unwrap(std::string_view tenant, std::string_view context, std::string_view wrapped) const;

 private:
  using Keys = std::map<std::string, std::vector<std::string>, std::less<>>;  ///< by tenant and version; empty: gone
  struct AllKeys {
    Keys tenants;
    Keys values;         ///< the newest last
    std::string server;  ///< seals documents; empty: none yet
  };
  json::value document_of(const AllKeys& keys, Entropy& entropy) const;
  json::object wrapped(const Keys& keys, std::string_view kind, Entropy& entropy) const;
  Result<Keys> unwrapped(const json::value& tenants, std::string_view kind) const;
  Result<std::string> key_of(std::string_view tenant, std::size_t version) const;

  mutable std::mutex mutex_;
  std::string master_;
  AllKeys keys_;
};

/// What a sealed payload is bound to, AES-GCM's associated data: the run's 16 bytes, then the place where it stands
/// ("input", "output", "verdict/ID" ...). Moved to another run or place it does not open.
std::string payload_context(const RunId& run, std::string_view place);
/// Those from before payloads were bound to their place too. Errors: corrupt.
Result<std::string> open_payload(std::string_view data_key, std::string_view sealed, const RunId& run,
                                 std::string_view place);

/// What commitments to a run's payloads are salted with: made of its data key, so that it goes with it.
std::string payload_salt(std::string_view data_key, std::string_view kind);

/// The master key of a data directory that was given none: made of its own key.
std::string default_master_key(std::string_view vault_key);

/// A master key as it is given from outside: 32 bytes as they are, in hex or in base64.
/// Errors: invalid_argument, without the text.
Result<std::string> parse_master_key(std::string_view text);

}  // namespace sb
