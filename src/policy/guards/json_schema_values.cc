#include "policy/guards/json_schema_values.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace sb::policy {
namespace {

bool is_whole(const json::value& value) {
  return value.is_int64() || value.is_uint64() ||
         (value.is_double() && std::isfinite(value.get_double()) &&
          std::floor(value.get_double()) == value.get_double());
}

}  // namespace

bool is_of_type(const json::value& value, std::string_view type) {
  if (type == "integer") return is_whole(value);
  if (type == "number") return value.is_number();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_bool();
  if (type == "null") return value.is_null();
  if (type == "object") return value.is_object();
  return type == "array" && value.is_array();
}

int compare_numbers(const json::value& a, const json::value& b) {
  if (a.is_int64() && b.is_int64()) return a.get_int64() < b.get_int64() ? -1 : a.get_int64() > b.get_int64();
  const double x = a.to_number<double>(), y = b.to_number<double>();
  return x < y ? -1 : x > y;
}

bool is_multiple(const json::value& value, const json::value& step) {
  if (value.is_int64() && step.is_int64()) return step.get_int64() != 0 && value.get_int64() % step.get_int64() == 0;
  const double quotient = value.to_number<double>() / step.to_number<double>();
  // 0.3 is a multiple of 0.1 though no machine number says so.
  return std::isfinite(quotient) &&
         std::abs(quotient - std::round(quotient)) < 1e-9 * std::max(1.0, std::abs(quotient));
}

bool equal_values(const json::value& a, const json::value& b) {
  if (a.is_number() && b.is_number()) return compare_numbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  if (const auto* items = a.if_array()) {
    return items->size() == b.get_array().size() &&
           std::ranges::equal(*items, b.get_array(), [](const auto& x, const auto& y) { return equal_values(x, y); });
  }
  if (const auto* members = a.if_object()) {
    return members->size() == b.get_object().size() && std::ranges::all_of(*members, [&](const auto& member) {
             const auto* other = b.get_object().if_contains(member.key());
             return other && equal_values(member.value(), *other);
           });
  }
  return a == b;
}

std::size_t count_code_points(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool has_equal_pair(const json::array& items, std::size_t& steps) {
  constexpr std::size_t kMostComparisons = 500'000;
  for (std::size_t i = 0; i < items.size(); ++i) {
    for (std::size_t j = i + 1; j < items.size(); ++j) {
      if (++steps > kMostComparisons || equal_values(items[i], items[j])) return true;
    }
  }
  return false;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr == text.data() + i + 3) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace sb::policy
