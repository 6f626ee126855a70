/// The action `encrypt`: a value that travels with the text and can be read again by those who hold the tenant's key.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/errors.h"

namespace sb::policy {

/// "[EMAIL:enc:KEY:DATA]": AES-256-GCM under a key derived from `tenant_key`, the type as associated data. KEY names
/// the key (8 hex digits of its hash), DATA is base64url of nonce, ciphertext and tag. The nonce is derived from key,
/// type and value, so that a value looks the same each time within a tenant; that it is the same value is all it tells.
std::string seal_value(std::string_view tenant_key, std::string_view type, std::string_view value);

struct OpenedText {
  std::string text;
  std::size_t opened = 0;
  std::size_t refused = 0;  ///< sealed under none of the keys, or changed: left as they stood
};
/// Every sealed value of `text` that one of `tenant_keys` opens, in clear. Rotation: the newest key seals, all open.
OpenedText open_values(std::span<const std::string> tenant_keys, std::string_view text);

}  // namespace sb::policy
