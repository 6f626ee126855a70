/// Which numbers exist behind a '+': country calling codes with the lengths of their national numbers.
#pragma once

#include <cstdint>
#include <string_view>

namespace sb::policy {

struct PhonePlan {
  std::uint16_t code;     ///< country calling code, ITU-T E.164
  std::uint32_t lengths;  ///< bit n: there are national numbers of n digits
};

/// Whether `digits` (without '+' or "00") are a calling code and as many digits as its plan has. One digit more than
/// the plan's longest is forgiven where it is a trunk '0' that people write all the same ("+49 (0) 30 ...").
bool is_international(std::string_view digits);

}  // namespace sb::policy
