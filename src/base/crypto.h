/// Thin wrappers over OpenSSL's EVP: hashes, keyed hashes, authenticated encryption, signatures.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/errors.h"

namespace sb {

using Digest = std::array<std::uint8_t, 32>;
inline std::string_view view_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Digest sha256(std::string_view data);
/// SHA-256 of the concatenation of two parts, without copying them together.
Digest sha256(std::string_view a, std::string_view b);
/// RFC 2104 with SHA-256.
Digest hmac_sha256(std::string_view key, std::string_view data);
bool constant_time_equal(std::string_view a, std::string_view b);

/// AES-256-GCM. `seal` returns nonce (12) || ciphertext || tag (16). `key`: 32 bytes. `aad` is authenticated, not
/// stored.
std::string aead_seal(std::string_view key, std::string_view plaintext, std::string_view aad, Entropy& entropy);
/// Errors: corrupt (wrong key, changed bytes or other `aad`).
Result<std::string> aead_open(std::string_view key, std::string_view sealed, std::string_view aad);

/// An Ed25519 key pair (RFC 8032) from a 32-byte seed.
class SigningKey {
 public:
  static Result<SigningKey> from_seed(std::string_view seed);
  std::string public_key() const;                    ///< 32 bytes
  std::string sign(std::string_view message) const;  ///< 64 bytes

  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey();

 private:
  struct Impl;
  explicit SigningKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

bool verify_signature(std::string_view public_key, std::string_view message, std::string_view signature);

}  // namespace sb
