/// Payloads at rest: sealed under the data directory's key, bound to the run they belong to.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "base/ids.h"

namespace sb::flow {

/// AES-256-GCM with the run's id as associated data: a payload moved to another run does not open. Thread-safe.
class Sealer {
 public:
  Sealer(std::string key, Entropy& entropy) : key_(std::move(key)), entropy_(entropy) {}

  std::string seal(const RunId& run, std::string_view plain) const {
    return plain.empty() ? std::string() : aead_seal(key_, plain, aad(run), entropy_);
  }
  /// Errors: corrupt.
  Result<std::string> open(const RunId& run, std::string_view sealed) const {
    if (sealed.empty()) return std::string();
    return aead_open(key_, sealed, aad(run));
  }

  /// The same for a document of the store, bound to its name.
  std::string seal_document(std::string_view name, std::string_view plain) const {
    return aead_seal(key_, plain, "document/" + std::string(name), entropy_);
  }
  /// Errors: corrupt.
  Result<std::string> open_document(std::string_view name, std::string_view sealed) const {
    return aead_open(key_, sealed, "document/" + std::string(name));
  }

  /// Hex SHA-256(salt || payload), where the salt is derived from the key: without the key the log says nothing about
  /// what was in the payload (DESIGN 2, invariant 6).
  std::string commitment(const RunId& run, std::string_view kind, std::string_view payload) const {
    const std::string context = run.to_string() + "/" + std::string(kind);
    const Digest salt = hmac_sha256(key_, context);
    return to_hex(sha256({reinterpret_cast<const char*>(salt.data()), salt.size()}, payload));
  }

 private:
  static std::string_view aad(const RunId& run) {
    return {reinterpret_cast<const char*>(run.uuid.bytes.data()), run.uuid.bytes.size()};
  }
  std::string key_;
  Entropy& entropy_;
};

}  // namespace sb::flow
