#include "policy/stand_ins.h"

#include <fmt/format.h>

#include "base/crypto.h"
#include "policy/detect/bytes_class.h"

namespace sb::policy {

std::string stand_in_for(std::string_view tenant_key, std::string_view identifier) {
  std::string out;
  Digest digest{};
  for (std::size_t i = 0; i < identifier.size(); ++i) {
    const std::size_t at = i % digest.size();
    if (at == 0) digest = hmac_sha256(tenant_key, fmt::format("identifier {} {}", i, identifier));
    const bool is_mark = !is_alnum(static_cast<unsigned char>(identifier[i]));
    out += is_mark ? identifier[i] : static_cast<char>('a' + static_cast<unsigned char>(digest[at]) % 26);
  }
  return out;
}

std::uint32_t stand_in_number(std::string_view tenant_key, std::string_view digits) {
  const Digest digest = hmac_sha256(tenant_key, fmt::format("number {}", digits));
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<std::uint8_t>(digest[i]);
  return number >> 12;  // of seven digits at most: no identifier
}

}  // namespace sb::policy
