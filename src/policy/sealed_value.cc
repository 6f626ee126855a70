#include "policy/sealed_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/bytes.h"
#include "base/crypto.h"
#include "policy/detect/bytes_class.h"
#include "policy/vault.h"

namespace sb::policy {
namespace {

constexpr std::string_view kSealMark = ":enc:";
constexpr std::size_t kKeyNameBytes = 8;
// A sealed value of the longest kind, as base64.
constexpr std::size_t kMaxDataBytes = (TokenVault::kMaxValueBytes + 12 + 16) * 4 / 3 + 4;

std::string bytes_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

struct SealingKey {
  explicit SealingKey(std::string_view tenant_key)
      : key(bytes_of(hmac_sha256(tenant_key, "policy encrypt 1"))),
        name(to_hex(sha256(key)).substr(0, kKeyNameBytes)) {}

  std::string key;
  std::string name;
};

// A nonce that the value itself decides (as in AES-SIV): the same value twice is the same nonce for the same plaintext,
// which gives nothing away but that it is the same; two values share one with probability 2^-96.
class ValueNonce final : public Entropy {
 public:
  ValueNonce(std::string_view key, std::string_view type, std::string_view value) {
    std::string message(type);
    message.append(1, '\0').append(value);
    digest_ = hmac_sha256(key, message);
  }
  void fill(std::span<std::uint8_t> out) override {
    SB_ASSERT(out.size() <= digest_.size());
    std::copy_n(digest_.begin(), out.size(), out.begin());
  }

 private:
  Digest digest_;
};

std::string url_base64(std::string_view bytes) {
  std::string out = to_base64(bytes);
  std::ranges::replace(out, '+', '-');
  std::ranges::replace(out, '/', '_');
  out.erase(std::find(out.begin(), out.end(), '='), out.end());
  return out;
}

std::optional<std::string> from_url_base64(std::string_view text) {
  std::string plain(text);
  std::ranges::replace(plain, '-', '+');
  std::ranges::replace(plain, '_', '/');
  plain.append((4 - plain.size() % 4) % 4, '=');
  return from_base64(plain);
}

struct Sealed {
  std::string_view type, key, data;
  std::size_t size = 0;
};

// The sealed value that begins with the '[' at `at`.
std::optional<Sealed> sealed_at(std::string_view text, std::size_t at) {
  const auto mark = text.substr(at, kMaxTypeBytes + 1 + kSealMark.size()).find(kSealMark);
  if (mark == std::string_view::npos || mark < 2) return std::nullopt;
  const std::size_t key_at = at + mark + kSealMark.size();
  const std::size_t data_at = key_at + kKeyNameBytes + 1;
  if (data_at > text.size() || text[data_at - 1] != ':') return std::nullopt;
  const auto end = text.substr(data_at, kMaxDataBytes + 1).find(']');
  if (end == std::string_view::npos) return std::nullopt;
  return Sealed{text.substr(at + 1, mark - 1), text.substr(key_at, kKeyNameBytes), text.substr(data_at, end),
                data_at + end + 1 - at};
}

std::optional<std::string> open_one(const std::vector<SealingKey>& keys, const Sealed& sealed) {
  const auto data = from_url_base64(sealed.data);
  if (!data) return std::nullopt;
  for (const auto& key : keys) {
    if (key.name != sealed.key) continue;
    if (auto value = aead_open(key.key, *data, sealed.type)) return std::move(*value);
  }
  return std::nullopt;
}

}  // namespace

std::string seal_value(std::string_view tenant_key, std::string_view type, std::string_view value) {
  const SealingKey key(tenant_key);
  ValueNonce nonce(key.key, type, value);
  return fmt::format("[{}{}{}:{}]", type, kSealMark, key.name, url_base64(aead_seal(key.key, value, type, nonce)));
}

OpenedText open_values(std::span<const std::string> tenant_keys, std::string_view text) {
  const std::vector<SealingKey> keys(tenant_keys.begin(), tenant_keys.end());
  OpenedText out;
  std::size_t done = 0;
  for (auto at = text.find('['); at != std::string_view::npos; at = text.find('[', at + 1)) {
    const auto sealed = sealed_at(text, at);
    if (!sealed) continue;
    const auto value = open_one(keys, *sealed);
    ++(value ? out.opened : out.refused);
    if (!value) continue;
    out.text += text.substr(done, at - done);
    out.text += *value;
    done = at + sealed->size;
    at = done - 1;
  }
  out.text += text.substr(done);
  return out;
}

}  // namespace sb::policy
