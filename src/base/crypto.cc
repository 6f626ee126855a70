#include "base/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>
#include <utility>

#include "base/bytes.h"
#include "base/openssl_ptr.h"

namespace sb {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;

using DigestContext = OpensslPtr<EVP_MD_CTX, EVP_MD_CTX_free>;
using CipherContext = OpensslPtr<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using Key = OpensslPtr<EVP_PKEY, EVP_PKEY_free>;

// EVP_aes_256_gcm() is looked up by name on every init in OpenSSL 3; a fetched method is not.
const EVP_CIPHER* gcm_method() {
  static EVP_CIPHER* const method = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  return method;
}

int length_of(std::string_view bytes) {
  return static_cast<int>(bytes.size());
}
const unsigned char* data_of(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* data_of(std::string& bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

}  // namespace

Digest sha256(std::string_view data) {
  return sha256(data, {});
}

// By its own functions, which OpenSSL 3 calls deprecated: EVP's look-ups and locks cost more than what a leaf of the
// record takes to hash, and a request makes forty.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
Digest sha256(std::string_view a, std::string_view b) {
  Digest digest;
  SHA256_CTX context;
  SB_ASSERT(SHA256_Init(&context) == 1);
  SB_ASSERT(SHA256_Update(&context, a.data(), a.size()) == 1);
  SB_ASSERT(SHA256_Update(&context, b.data(), b.size()) == 1);
  SB_ASSERT(SHA256_Final(digest.data(), &context) == 1);
  OPENSSL_cleanse(&context, sizeof context);
  return digest;
}
#pragma clang diagnostic pop

// RFC 2104 by its definition: two hashes; OpenSSL 3's own HMAC spends longer on look-ups than on hashing.
Digest hmac_sha256(std::string_view key, std::string_view data) {
  constexpr std::size_t kBlock = 64;
  std::array<char, kBlock> inner;
  std::array<char, kBlock> outer;
  inner.fill('\x36');
  outer.fill('\x5c');
  const Digest hashed = key.size() > kBlock ? sha256(key) : Digest{};
  if (key.size() > kBlock) key = {reinterpret_cast<const char*>(hashed.data()), hashed.size()};
  for (std::size_t i = 0; i < key.size(); ++i) {
    inner[i] = static_cast<char>(inner[i] ^ key[i]);
    outer[i] = static_cast<char>(outer[i] ^ key[i]);
  }
  const Digest digest = sha256({inner.data(), kBlock}, data);
  const Digest mac = sha256({outer.data(), kBlock}, {reinterpret_cast<const char*>(digest.data()), digest.size()});
  OPENSSL_cleanse(inner.data(), inner.size());
  OPENSSL_cleanse(outer.data(), outer.size());
  return mac;
}

bool constant_time_equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string aead_seal(std::string_view key, std::string_view plaintext, std::string_view aad, Entropy& entropy) {
  SB_ASSERT(key.size() == kKeyBytes);
  std::string sealed(kNonceBytes + plaintext.size() + kTagBytes, '\0');
  entropy.fill({data_of(sealed), kNonceBytes});
  const CipherContext context(EVP_CIPHER_CTX_new());
  int written = 0;
  unsigned char* const out = data_of(sealed) + kNonceBytes;
  SB_ASSERT(EVP_EncryptInit_ex2(context.get(), gcm_method(), data_of(key), data_of(sealed), nullptr) == 1);
  SB_ASSERT(aad.empty() || EVP_EncryptUpdate(context.get(), nullptr, &written, data_of(aad), length_of(aad)) == 1);
  SB_ASSERT(EVP_EncryptUpdate(context.get(), out, &written, data_of(plaintext), length_of(plaintext)) == 1);
  SB_ASSERT(EVP_EncryptFinal_ex(context.get(), out + written, &written) == 1);
  SB_ASSERT(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, out + plaintext.size()) == 1);
  return sealed;
}

Result<std::string> aead_open(std::string_view key, std::string_view sealed, std::string_view aad) {
  SB_ASSERT(key.size() == kKeyBytes);
  if (sealed.size() < kNonceBytes + kTagBytes)
    return fail(Errc::corrupt, "sealed value is shorter than its nonce and tag");
  const std::string_view nonce = sealed.substr(0, kNonceBytes);
  const std::string_view body = sealed.substr(kNonceBytes, sealed.size() - kNonceBytes - kTagBytes);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  std::string plaintext(body.size(), '\0');
  const CipherContext context(EVP_CIPHER_CTX_new());
  int written = 0;
  SB_ASSERT(EVP_DecryptInit_ex2(context.get(), gcm_method(), data_of(key), data_of(nonce), nullptr) == 1);
  SB_ASSERT(aad.empty() || EVP_DecryptUpdate(context.get(), nullptr, &written, data_of(aad), length_of(aad)) == 1);
  SB_ASSERT(EVP_DecryptUpdate(context.get(), data_of(plaintext), &written, data_of(body), length_of(body)) == 1);
  SB_ASSERT(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1);
  if (EVP_DecryptFinal_ex(context.get(), data_of(plaintext) + written, &written) != 1) {
    return fail(Errc::corrupt, "sealed value does not open: wrong key, or its bytes were changed");
  }
  return plaintext;
}

struct SigningKey::Impl {
  Key key;
};

SigningKey::SigningKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

Result<SigningKey> SigningKey::from_seed(std::string_view seed) {
  if (seed.size() != 32) return fail(Errc::invalid_argument, "an Ed25519 seed has 32 bytes");
  Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, data_of(seed), seed.size()));
  SB_ASSERT(key);
  auto impl = std::make_unique<Impl>();
  impl->key = std::move(key);
  return SigningKey(std::move(impl));
}

std::string SigningKey::public_key() const {
  std::string bytes(32, '\0');
  std::size_t size = bytes.size();
  SB_ASSERT(EVP_PKEY_get_raw_public_key(impl_->key.get(), data_of(bytes), &size) == 1);
  return bytes;
}

std::string SigningKey::sign(std::string_view message) const {
  const DigestContext context(EVP_MD_CTX_new());
  std::string signature(64, '\0');
  std::size_t size = signature.size();
  SB_ASSERT(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, impl_->key.get()) == 1);
  SB_ASSERT(EVP_DigestSign(context.get(), data_of(signature), &size, data_of(message), message.size()) == 1);
  return signature;
}

bool verify_signature(std::string_view public_key, std::string_view message, std::string_view signature) {
  const Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, data_of(public_key), public_key.size()));
  if (!key) return false;
  const DigestContext context(EVP_MD_CTX_new());
  return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), data_of(signature), signature.size(), data_of(message), message.size()) == 1;
}

}  // namespace sb
