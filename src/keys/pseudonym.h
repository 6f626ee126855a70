/// Names of people and keys as the record has them: the same for the same person, and nobody's without the secret.
#pragma once

#include <span>
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

 private:
  std::string made(std::string_view kind, std::string_view scope, std::string_view name) const {
    if (name.empty()) return {};
    std::string text(kind);
    (text += scope) += '\0';
    const Digest digest = hmac_sha256(secret_, text += name);
    return "p-" + to_hex(std::span(digest).first(12));
  }
  std::string secret_;
};

}  // namespace sb
