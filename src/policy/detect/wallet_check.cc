#include <array>
#include <cstdint>
#include <cstring>

#include "base/crypto.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/check_digits.h"

namespace sb::policy::check {
namespace {

constexpr std::string_view kBase58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
constexpr std::string_view kBech32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

std::uint32_t polymod(std::uint32_t check, std::uint32_t value) {
  static constexpr std::uint32_t kGenerator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
  const std::uint32_t top = check >> 25;
  check = (check & 0x1ffffff) << 5 ^ value;
  for (std::uint32_t i = 0; i < 5; ++i) {
    if ((top >> i & 1) != 0) check ^= kGenerator[i];
  }
  return check;
}

}  // namespace

bool base58check(std::string_view v) {
  std::array<std::uint8_t, 25> bytes{};
  for (const char c : v) {
    const auto value = kBase58.find(c);
    if (value == std::string_view::npos) return false;
    std::uint32_t carry = static_cast<std::uint32_t>(value);
    for (std::size_t i = bytes.size(); i-- > 0;) {
      carry += 58U * bytes[i];
      bytes[i] = static_cast<std::uint8_t>(carry);
      carry >>= 8;
    }
    if (carry != 0) return false;
  }
  const auto once = sha256({reinterpret_cast<const char*>(bytes.data()), 21});
  const auto twice = sha256({reinterpret_cast<const char*>(once.data()), once.size()});
  return std::memcmp(twice.data(), bytes.data() + 21, 4) == 0;
}

bool bech32(std::string_view v) {
  const auto one = v.rfind('1');
  if (one == std::string_view::npos || one == 0 || v.size() - one < 7) return false;
  std::uint32_t check = 1;
  for (const char c : v.substr(0, one)) check = polymod(check, static_cast<std::uint32_t>(c) >> 5);
  check = polymod(check, 0);
  for (const char c : v.substr(0, one)) check = polymod(check, static_cast<std::uint32_t>(c) & 31);
  for (const char c : v.substr(one + 1)) {
    const auto value = kBech32.find(c);
    if (value == std::string_view::npos) return false;
    check = polymod(check, static_cast<std::uint32_t>(value));
  }
  return check == 1 || check == 0x2bc830a3;
}

}  // namespace sb::policy::check
