/// Numbers of JSON texts, as they are written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sb::policy {

/// Reads a number byte by byte, by the grammar of RFC 8259, section 6.
class JsonNumber {
 public:
  /// False: `c` does not go on with it. What was read before stands.
  bool read(char c);
  /// Whether what was read is a whole number.
  bool is_complete() const;

 private:
  enum class State : std::uint8_t { start, minus, zero, digits, point, fraction, e, sign, exponent };
  State state_ = State::start;
};

bool is_json_number(std::string_view text);

/// Longer numbers are judged by their beginning: a stream cannot hold more of them back.
inline constexpr std::size_t kMaxNumberBytes = 64;

/// The digits that a number stands for where it may be an identifier that nobody quoted: of an integer, however it is
/// written (-4111111111111111, 4111111111111111.0, 4.111111111111111e15), without its sign; empty where it is none, or
/// too short to identify anybody. Of a longer number than kMaxNumberBytes: its integer part, or its significant digits
/// where that is short. REQUIRES: a JSON number, or the first kMaxNumberBytes of one and more. The answer lives in
/// `number` or in `scratch`.
std::string_view identifying_digits(std::string_view number, std::string& scratch);

}  // namespace sb::policy
