#include "policy/json_number.h"

#include <algorithm>
#include <charconv>

namespace sb::policy {
namespace {

// Whole numbers with fewer digits identify nobody; with more, neither.
constexpr std::size_t kLeastDigits = 7;
constexpr std::size_t kMostDigits = 40;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view without_leading_zeros(std::string_view digits) {
  return digits.substr(std::min(digits.find_first_not_of('0'), digits.size()));
}

std::string_view without_trailing_zeros(std::string_view digits) {
  return digits.substr(0, digits.find_last_not_of('0') + 1);
}

std::string_view if_identifying(std::string_view digits) {
  return digits.size() < kLeastDigits || digits.size() > kMostDigits ? std::string_view() : digits;
}

}  // namespace

bool JsonNumber::read(char c) {
  using enum State;
  const auto go = [this](State next) {
    state_ = next;
    return true;
  };
  const bool digit = is_digit(c);
  const bool is_e = c == 'e' || c == 'E';
  switch (state_) {
    case start:
      if (c == '-') return go(minus);
      [[fallthrough]];
    case minus:
      return digit && go(c == '0' ? zero : digits);
    case digits:
      if (digit) return true;
      [[fallthrough]];
    case zero:
      return (c == '.' && go(point)) || (is_e && go(e));
    case point:
      return digit && go(fraction);
    case fraction:
      return digit || (is_e && go(e));
    case e:
      if (c == '+' || c == '-') return go(sign);
      [[fallthrough]];
    case sign:
      return digit && go(exponent);
    case exponent:
      return digit;
  }
  return false;
}

bool JsonNumber::is_complete() const {
  return state_ == State::zero || state_ == State::digits || state_ == State::fraction || state_ == State::exponent;
}

bool is_json_number(std::string_view text) {
  JsonNumber number;
  return std::ranges::all_of(text, [&](char c) { return number.read(c); }) && number.is_complete();
}

std::string_view identifying_digits(std::string_view number, std::string& scratch) {
  const bool is_long = number.size() > kMaxNumberBytes;
  number = number.substr(0, kMaxNumberBytes);
  if (number.starts_with('-')) number.remove_prefix(1);
  const auto whole_end = std::min(number.find_first_not_of("0123456789"), number.size());
  const auto whole = number.substr(0, whole_end);
  if (whole_end == number.size()) return is_long ? std::string_view() : if_identifying(whole);
  auto rest = number.substr(whole_end);
  const auto mantissa_end = std::min(rest.find_first_of("eE"), rest.size());
  const auto exponent = rest.substr(std::min(mantissa_end + 1, rest.size()));
  rest = without_trailing_zeros(rest.substr(0, mantissa_end));
  const auto fraction = rest.substr(std::min<std::size_t>(1, rest.size()));
  if (is_long) {
    if (whole.size() >= kLeastDigits) return if_identifying(whole);
    scratch.assign(whole).append(fraction);
    return if_identifying(without_leading_zeros(scratch));
  }
  int power = 0;
  const auto* const from = exponent.data() + (exponent.starts_with('+') ? 1 : 0);
  if (std::from_chars(from, exponent.data() + exponent.size(), power).ec == std::errc::result_out_of_range) return {};
  auto shift = static_cast<std::int64_t>(power) - static_cast<std::int64_t>(fraction.size());
  if ((shift < 0 && exponent.empty()) || shift > static_cast<std::int64_t>(kMostDigits)) return {};
  scratch.assign(whole).append(fraction);
  for (; shift < 0 && scratch.ends_with('0'); ++shift) scratch.pop_back();
  if (shift < 0) return {};
  scratch.append(static_cast<std::size_t>(shift), '0');
  return if_identifying(without_leading_zeros(scratch));
}

}  // namespace sb::policy
