#include "policy/detect/phone_plans.h"

#include <algorithm>
#include <array>

namespace sb::policy {
namespace {

constexpr PhonePlan kPlans[] = {
#include "policy/detect/phone_plans.inc"
};

// By the first three digits: index of the plan and length of its code. E.164 codes are prefix-free.
struct Prefix {
  std::uint16_t plan = 0;
  std::uint8_t digits = 0;  // 0: no such code
};

constexpr auto kByPrefix = [] {
  std::array<Prefix, 1000> prefixes{};
  for (std::size_t i = 0; i < std::size(kPlans); ++i) {
    const auto code = kPlans[i].code;
    const std::uint8_t digits = code < 10 ? 1 : code < 100 ? 2 : 3;
    const std::size_t span = digits == 1 ? 100 : digits == 2 ? 10 : 1;
    for (std::size_t n = code * span; n < (code + 1U) * span; ++n)
      prefixes[n] = {static_cast<std::uint16_t>(i), digits};
  }
  return prefixes;
}();

}  // namespace

bool is_international(std::string_view digits) {
  if (digits.size() < 7 || digits.size() > 17 || digits[0] == '0') return false;
  const auto prefix = static_cast<std::size_t>((digits[0] - '0') * 100 + (digits[1] - '0') * 10 + digits[2] - '0');
  const Prefix& found = kByPrefix[prefix];
  if (found.digits == 0) return false;
  const auto lengths = kPlans[found.plan].lengths;
  auto national = digits.substr(found.digits);
  if ((lengths >> national.size() & 1) != 0) return true;
  return national[0] == '0' && (lengths >> (national.size() - 1) & 1) != 0;
}

}  // namespace sb::policy
