/// Names of people, keys and requests as they are kept: the same for the same one, and nobody's without the secret.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/crypto.h"

namespace sb {

class Pseudonyms {
 public:
  explicit Pseudonyms(std::string secret) : secret_(std::move(secret)) {}

  /// Of who acts: an API key's id, or "local". Empty stays empty.
  std::string actor(std::string_view id) const { return made("actor/", {}, id); }
  /// Of whose data it is, apart in each tenant. Empty stays empty.
  std::string subject(std::string_view tenant, std::string_view name) const { return made("subject/", tenant, name); }
  /// Of an Idempotency-Key: clients write what they like into it, names and addresses too. Empty stays empty.
  std::string request_key(std::string_view tenant, std::string_view key) const {
    return key.empty() ? std::string() : std::string(kRequestKey) + digest("request/", tenant, key).substr(0, 24);
  }
  /// Of a request's SHA-256, by which alone the request could be guessed: 64 hex digits. Empty stays empty.
  std::string request_hash(std::string_view tenant, std::string_view sha256_hex) const {
    return sha256_hex.empty() ? std::string() : digest("request hash/", tenant, sha256_hex);
  }
  /// Of a CloudEvent: what senders put into `source` and `id` may be a person's. 32 hex digits.
  std::string event(std::string_view tenant, std::string_view source, std::string_view id) const {
    return digest("event/", tenant, std::string(source) + '\0' + std::string(id)).substr(0, 32);
  }
  /// Of a tag: runs of the tenant are found by it. 32 hex digits.
  std::string tag(std::string_view tenant, std::string_view name, std::string_view value) const {
    return digest("tag/", tenant, std::string(name) + '\0' + std::string(value)).substr(0, 32);
  }
  /// Of what tells a run's notes apart. 32 hex digits.
  std::string note(std::string_view tenant, std::string_view what) const {
    return digest("note/", tenant, what).substr(0, 32);
  }
  /// Of a labelled text. 32 hex digits.
  std::string label(std::string_view tenant, std::string_view text) const {
    return digest("label/", tenant, text).substr(0, 32);
  }
  /// So begins what `request_key` makes, and no key that a client is likely to choose.
  static constexpr std::string_view kRequestKey = "~1-";

 private:
  std::string made(std::string_view kind, std::string_view scope, std::string_view name) const {
    return name.empty() ? std::string() : "p-" + digest(kind, scope, name).substr(0, 24);
  }
  std::string digest(std::string_view kind, std::string_view scope, std::string_view name) const {
    std::string text(kind);
    (text += scope) += '\0';
    return to_hex(hmac_sha256(secret_, text += name));
  }
  std::string secret_;
};

}  // namespace sb
