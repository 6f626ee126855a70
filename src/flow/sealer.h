/// Payloads at rest: sealed under a key of their run, bound to it. The run's key lies beside the run, wrapped
/// (keys/envelope.h); where it is deleted, all of the run's payloads are noise, and their commitments say nothing.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "base/ids.h"
#include "keys/envelope.h"
#include "store/store.h"

namespace sb::flow {

/// Where a payload stands, to which it is bound.
namespace place {
inline constexpr std::string_view kState = "state", kInput = "input", kOutput = "output", kVault = "vault",
                                  kError = "error";
inline std::string chunk(std::uint64_t first_event) {
  return fmt::format("chunk/{}", first_event);
}
inline std::string checkpoint(StepIndex step) {
  return fmt::format("checkpoint/{}", static_cast<std::uint32_t>(step));
}
inline std::string step_error(const store::StepRow& step) {
  return fmt::format("step/{}/{}", static_cast<std::uint32_t>(step.index), step.attempt);
}
inline std::string question(const ReviewId& review) {
  return "question/" + review.to_string();
}
inline std::string verdict(const ReviewId& review) {
  return "verdict/" + review.to_string();
}
inline std::string outbox(std::uint64_t seq) {
  return fmt::format("outbox/{}", seq);
}
inline std::string note(int kind, std::string_view name) {
  return fmt::format("note/{}/{}", kind, name);
}
inline std::string label(std::string_view id) {
  return fmt::format("label/{}", id);
}
inline std::string feedback(std::string_view author) {
  return fmt::format("feedback/{}", author);
}
}  // namespace place

/// AES-256-GCM with the run's id and the place as associated data (keys/envelope.h): a payload that was moved does not
/// open. Thread-safe.
class Sealer {
 public:
  /// `old_key`: the data directory's own. It opens what was sealed before runs, tenants and server had keys.
  Sealer(const TenantKeys& tenants, std::string old_key, Entropy& entropy)
      : tenants_(tenants), old_key_(std::move(old_key)), entropy_(entropy) {}

  struct RunKey {
    std::string key;      ///< secret
    std::string wrapped;  ///< for RunRow::data_key
  };
  /// Errors: not_found (the tenant has no key).
  Result<RunKey> new_key(const RunId& run, std::string_view tenant) const {
    RunKey made{std::string(kDataKeyBytes, '\0'), {}};
    entropy_.fill({reinterpret_cast<std::uint8_t*>(made.key.data()), made.key.size()});
    SB_TRY(made.wrapped, tenants_.wrap(tenant, aad(run), made.key, entropy_));
    return made;
  }
  /// Of a run that is not stored yet: its key under the tenant's newest one, which a rotation may have changed since.
  Result<> renew(store::RunRow& run, std::string_view key) const {
    if (tenants_.is_current(run.tenant, run.data_key)) return {};
    SB_TRY(run.data_key, tenants_.wrap(run.tenant, aad(run.id), key, entropy_));
    return {};
  }
  /// The key of a stored run. Errors: not_found (erased), corrupt.
  Result<std::string> key_of(const store::RunRow& run) const {
    if (run.erased) return fail(Errc::not_found, "the run's content was erased");
    if (run.data_key.empty()) return old_key_;
    return key_of(run.id, run.tenant, run.data_key);
  }
  /// Of one whose `RunRow::data_key` was kept elsewhere. Errors: not_found, corrupt (the tenant's key is gone).
  Result<std::string> key_of(const RunId& run, std::string_view tenant, std::string_view wrapped) const {
    return tenants_.unwrap(tenant, aad(run), wrapped);
  }

  std::string seal(std::string_view key, const RunId& run, std::string_view at, std::string_view plain) const {
    return plain.empty() ? std::string() : aead_seal(key, plain, payload_context(run, at), entropy_);
  }
  /// Errors: corrupt.
  static Result<std::string> open(std::string_view key, const RunId& run, std::string_view at,
                                  std::string_view sealed) {
    if (sealed.empty()) return std::string();
    return open_payload(key, sealed, run, at);
  }

  /// Errors of a run and of its steps stand where text stood before; a flow's own words may be in them.
  std::string seal_error(std::string_view key, const RunId& run, std::string_view at, std::string_view plain) const {
    const std::string sealed = seal(key, run, at, plain);
    return sealed.empty() ? sealed : std::string(kSealedError) + to_base64(sealed);
  }

  /// Opens the sealed columns of a stored run in place; of an erased one nothing is left. Errors: corrupt.
  Result<> unseal(store::RunRow& run) const {
    if (run.erased) return {};
    SB_TRY(const std::string key, key_of(run));
    for (const auto& [at, column] : {std::pair(place::kState, &run.state),
                                     {place::kInput, &run.input},
                                     {place::kOutput, &run.output},
                                     {place::kVault, &run.vault}}) {
      SB_TRY(*column, open(key, run.id, at, *column));
    }
    return open_error(key, run.id, place::kError, run.error);
  }
  /// Opens what the run's steps say in their errors, in place. Of an erased run only that they failed is left.
  /// Errors: corrupt.
  Result<> unseal(const store::RunRow& run, std::vector<store::StepRow>& steps) const {
    std::string key;
    for (auto& step : steps) {
      if (step.error.empty()) continue;
      if (run.erased) {
        step.error = "null";
        continue;
      }
      if (key.empty()) {
        SB_TRY(key, key_of(run));
      }
      SB_CHECK(open_error(key, run.id, place::step_error(step), step.error));
    }
    return {};
  }

  /// The value behind a placeholder of the tenant, bound to it. Errors: not_found (the tenant has no key).
  Result<std::string> seal_token(std::string_view tenant, std::string_view token, std::string_view value) const {
    return tenants_.wrap(tenant, token_context(token), value, entropy_);
  }
  /// Errors: not_found, corrupt.
  Result<std::string> open_token(std::string_view tenant, std::string_view token, std::string_view sealed) const {
    if (!sealed.empty() && static_cast<unsigned char>(sealed.front()) == kMaxKeyVersions) {
      const std::string name = "document/vault/" + std::string(tenant) + "/" + std::string(token);
      return aead_open(old_key_, sealed.substr(1), name);  // from before tenants had keys
    }
    return tenants_.unwrap(tenant, token_context(token), sealed);
  }

  /// A document of nobody's in particular, under the server's own key; bound to its name.
  std::string seal_document(std::string_view name, std::string_view text) const {
    return tenants_.seal_document(name, text, entropy_);
  }
  /// Errors: corrupt.
  Result<std::string> open_document(std::string_view name, std::string_view sealed) const {
    return tenants_.open_document(name, sealed);
  }
  /// The same of one text of a document; bound to where it stands.
  std::string seal_text(std::string_view place, std::string_view text) const {
    return to_base64(seal_document(place, text));
  }
  /// Errors: corrupt.
  Result<std::string> open_text(std::string_view place, std::string_view sealed) const {
    const auto bytes = from_base64(sealed);
    if (!bytes) return fail(Errc::corrupt, "a sealed text of a document is damaged");
    auto text = open_document(place, *bytes);
    return text ? text : aead_open(old_key_, *bytes, place);  // from before the server had a key of its own
  }

  /// The same under the tenant's newest key. Errors: not_found, corrupt.
  Result<std::string> reseal(std::string_view tenant, const store::SealedRow& row) const {
    if (row.kind == store::SealedKind::token) {
      SB_TRY(const std::string value, open_token(tenant, row.token, row.sealed));
      return seal_token(tenant, row.token, value);
    }
    SB_TRY(const std::string key, tenants_.unwrap(tenant, aad(row.run), row.sealed));
    return tenants_.wrap(tenant, aad(row.run), key, entropy_);
  }

  /// Hex SHA-256(salt || ciphertext): without the run's key the log says nothing about what was in the payload
  /// (DESIGN 2, invariant 6).
  static std::string commitment(std::string_view key, std::string_view kind, std::string_view ciphertext) {
    return to_hex(sha256(payload_salt(key, kind), ciphertext));
  }

 private:
  static std::string token_context(std::string_view token) { return "token/" + std::string(token); }
  static std::string_view aad(const RunId& run) {
    return {reinterpret_cast<const char*>(run.uuid.bytes.data()), run.uuid.bytes.size()};
  }
  static constexpr std::string_view kSealedError = "sealed:";
  static Result<> open_error(std::string_view key, const RunId& run, std::string_view at, std::string& error) {
    if (!error.starts_with(kSealedError)) return {};  // none, or from before errors were sealed
    const auto sealed = from_base64(std::string_view(error).substr(kSealedError.size()));
    if (!sealed) return fail(Errc::corrupt, "an error of the run is damaged");
    SB_TRY(error, open(key, run, at, *sealed));
    return {};
  }

  const TenantKeys& tenants_;
  const std::string old_key_;
  Entropy& entropy_;
};

}  // namespace sb::flow
