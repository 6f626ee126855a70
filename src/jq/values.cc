#include "jq/values.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "jq/text.h"

namespace sb::jq {

const Value kNullValue;

Fault plain(std::string_view text) {
  return {std::string(text), std::string(text)};
}

namespace {

int rank(const Value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return 0;
    case json::kind::bool_:
      return value.get_bool() ? 2 : 1;
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_:
      return 3;
    case json::kind::string:
      return 4;
    case json::kind::array:
      return 5;
    case json::kind::object:
      return 6;
  }
  return 0;
}

int sign(auto a, auto b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

// Exact: a double of magnitude 2^63 and more is outside the integers' range, below that its floor is one of them.
int compare_int_double(std::int64_t a, double b) {
  if (std::isnan(b)) return 1;
  if (b >= 0x1p63) return -1;
  if (b < -0x1p63) return 1;
  const double whole = std::floor(b);
  const auto integer = static_cast<std::int64_t>(whole);
  if (a != integer) return sign(a, integer);
  return whole < b ? -1 : 0;
}

int compare_numbers(const Value& a, const Value& b) {
  if (a.is_int64() && b.is_int64()) return sign(a.get_int64(), b.get_int64());
  if (a.is_double() && b.is_double()) {
    if (std::isnan(a.get_double())) return -1;
    if (std::isnan(b.get_double())) return 1;
    return sign(a.get_double(), b.get_double());
  }
  if (a.is_uint64() && b.is_uint64()) return sign(a.get_uint64(), b.get_uint64());
  // uint64 only ever holds what int64 cannot: more than 2^63 - 1.
  if (a.is_uint64())
    return b.is_int64() ? 1 : sign(static_cast<long double>(a.get_uint64()), static_cast<long double>(b.get_double()));
  if (b.is_uint64()) return -compare_numbers(b, a);
  if (a.is_int64()) return compare_int_double(a.get_int64(), b.get_double());
  if (std::isnan(a.get_double())) return -1;
  return -compare_int_double(b.get_int64(), a.get_double());
}

std::vector<std::string_view> sorted_keys(const json::object& object) {
  std::vector<std::string_view> keys;
  keys.reserve(object.size());
  for (const auto& entry : object) keys.push_back(entry.key());
  std::ranges::sort(keys);
  return keys;
}

int compare_objects(const json::object& a, const json::object& b) {
  const auto keys_a = sorted_keys(a);
  const auto keys_b = sorted_keys(b);
  if (const auto order = keys_a <=> keys_b; order != 0) return order < 0 ? -1 : 1;
  for (const auto key : keys_a)
    if (const int order = compare(a.at(key), b.at(key)); order != 0) return order;
  return 0;
}

Fault operands_fault(const Value& a, const Value& b, std::string_view verb) {
  std::string safe, message;
  safe.append(kind_name(a)).append(" and ").append(kind_name(b)).append(" cannot be ").append(verb);
  message.append(kind_name(a)).append(" (").append(excerpt(a)).append(") and ").append(kind_name(b)).append(" (");
  message.append(excerpt(b)).append(") cannot be ").append(verb);
  return {std::move(safe), std::move(message)};
}

void deep_merge(json::object& into, const json::object& from) {
  for (const auto& [key, value] : from) {
    auto* mine = into.if_contains(key);
    if (mine && mine->is_object() && value.is_object())
      deep_merge(mine->get_object(), value.get_object());
    else
      into.insert_or_assign(key, value);
  }
}

std::optional<Fault> add(Value& a, const Value& b, Value& out) {
  if (a.is_null()) return out = b, std::nullopt;
  if (b.is_null()) return out = std::move(a), std::nullopt;
  if (a.is_number() && b.is_number()) {
    std::int64_t sum = 0;
    if (a.is_int64() && b.is_int64() && !__builtin_add_overflow(a.get_int64(), b.get_int64(), &sum))
      out = sum;
    else
      out = number(to_double(a) + to_double(b));
    return std::nullopt;
  }
  if (a.is_string() && b.is_string()) {
    a.get_string().append(b.get_string());
  } else if (a.is_array() && b.is_array()) {
    auto& array = a.get_array();
    array.insert(array.end(), b.get_array().begin(), b.get_array().end());
  } else if (a.is_object() && b.is_object()) {
    for (const auto& [key, value] : b.get_object()) a.get_object().insert_or_assign(key, value);
  } else {
    return operands_fault(a, b, "added");
  }
  out = std::move(a);
  return std::nullopt;
}

std::optional<Fault> subtract(Value& a, const Value& b, Value& out) {
  if (a.is_number() && b.is_number()) {
    std::int64_t difference = 0;
    if (a.is_int64() && b.is_int64() && !__builtin_sub_overflow(a.get_int64(), b.get_int64(), &difference))
      out = difference;
    else
      out = number(to_double(a) - to_double(b));
    return std::nullopt;
  }
  if (!a.is_array() || !b.is_array()) return operands_fault(a, b, "subtracted");
  json::array rest;
  for (auto& item : a.get_array()) {
    const bool listed = std::ranges::any_of(b.get_array(), [&](const Value& other) { return equal(item, other); });
    if (!listed) rest.push_back(std::move(item));
  }
  out = std::move(rest);
  return std::nullopt;
}

std::optional<Fault> multiply(Value& a, const Value& b, Value& out) {
  if (a.is_number() && b.is_number()) {
    std::int64_t product = 0;
    if (a.is_int64() && b.is_int64() && !__builtin_mul_overflow(a.get_int64(), b.get_int64(), &product))
      out = product;
    else
      out = number(to_double(a) * to_double(b));
    return std::nullopt;
  }
  if ((a.is_string() && b.is_number()) || (a.is_number() && b.is_string())) {
    const auto& text = a.is_string() ? a.get_string() : b.get_string();
    const double times = to_double(a.is_string() ? b : a);
    if (!(times > 0)) return out = nullptr, std::nullopt;
    const double count = std::max(1.0, std::floor(times));
    if (count * static_cast<double>(text.size()) > 16.0 * 1024 * 1024)
      return Fault{"repeated string is too long", "repeated string is too long"};
    json::string repeated;
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(count) && !text.empty(); ++i) repeated.append(text);
    out = std::move(repeated);
    return std::nullopt;
  }
  if (!a.is_object() || !b.is_object()) return operands_fault(a, b, "multiplied");
  deep_merge(a.get_object(), b.get_object());
  out = std::move(a);
  return std::nullopt;
}

Value split_text(std::string_view text, std::string_view separator) {
  json::array parts;
  if (text.empty()) return parts;
  if (separator.empty()) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t begin = at;
      next_codepoint(text, at);
      parts.emplace_back(text.substr(begin, at - begin));
    }
    return parts;
  }
  while (true) {
    const auto at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + separator.size());
  }
}

std::optional<Fault> divide(Value& a, const Value& b, Value& out) {
  if (a.is_string() && b.is_string()) return out = split_text(a.get_string(), b.get_string()), std::nullopt;
  if (!a.is_number() || !b.is_number()) return operands_fault(a, b, "divided");
  if (to_double(b) == 0) return operands_fault(a, b, "divided because the divisor is zero");
  if (a.is_int64() && b.is_int64() && b.get_int64() != -1 && a.get_int64() % b.get_int64() == 0)
    out = a.get_int64() / b.get_int64();
  else
    out = number(to_double(a) / to_double(b));
  return std::nullopt;
}

std::optional<Fault> modulo(Value& a, const Value& b, Value& out) {
  if (!a.is_number() || !b.is_number()) return operands_fault(a, b, "divided");
  if (std::isnan(to_double(a)) || std::isnan(to_double(b)))
    return out = std::numeric_limits<double>::quiet_NaN(), std::nullopt;
  const auto truncated = [](const Value& v) -> std::int64_t {
    if (v.is_int64()) return v.get_int64();
    const double x = to_double(v);
    return x >= 0x1p63    ? std::numeric_limits<std::int64_t>::max()
           : x <= -0x1p63 ? std::numeric_limits<std::int64_t>::min()
                          : static_cast<std::int64_t>(x);
  };
  const std::int64_t divisor = truncated(b);
  if (divisor == 0) return operands_fault(a, b, "divided because the divisor is zero");
  // The sign follows the dividend; the divisor's does not matter. -1 apart: INT64_MIN % -1 traps.
  out = divisor == -1 ? std::int64_t{0} : truncated(a) % divisor;
  return std::nullopt;
}

}  // namespace

std::string_view kind_name(const Value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "boolean";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_:
      return "number";
    case json::kind::string:
      return "string";
    case json::kind::array:
      return "array";
    case json::kind::object:
      return "object";
  }
  return "null";
}

int compare(const Value& a, const Value& b) {
  const int rank_a = rank(a);
  if (const int order = sign(rank_a, rank(b)); order != 0 || rank_a < 3) return order;
  switch (rank_a) {
    case 3:
      return compare_numbers(a, b);
    case 4:
      return sign(std::string_view(a.get_string()).compare(b.get_string()), 0);
    case 5: {
      const auto& x = a.get_array();
      const auto& y = b.get_array();
      for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i)
        if (const int order = compare(x[i], y[i]); order != 0) return order;
      return sign(x.size(), y.size());
    }
    default:
      return compare_objects(a.get_object(), b.get_object());
  }
}

bool equal(const Value& a, const Value& b) {
  if (a.is_string() && b.is_string()) return a.get_string() == b.get_string();
  if (a.is_object() && b.is_object()) {
    const auto& x = a.get_object();
    const auto& y = b.get_object();
    return x.size() == y.size() && std::ranges::all_of(x, [&](const auto& entry) {
             const auto* other = y.if_contains(entry.key());
             return other && equal(entry.value(), *other);
           });
  }
  if (a.is_array() && b.is_array()) return std::ranges::equal(a.get_array(), b.get_array(), equal);
  return compare(a, b) == 0;
}

Value number(double x) {
  if (x == std::trunc(x) && std::abs(x) < 0x1p63 && !(x == 0 && std::signbit(x))) return static_cast<std::int64_t>(x);
  return x;
}

double to_double(const Value& value) {
  switch (value.kind()) {
    case json::kind::int64:
      return static_cast<double>(value.get_int64());
    case json::kind::uint64:
      return static_cast<double>(value.get_uint64());
    case json::kind::double_:
      return value.get_double();
    default:
      return 0;
  }
}

std::int64_t to_index(const Value& value) {
  if (value.is_int64()) return value.get_int64();
  const double x = std::floor(to_double(value));
  if (std::isnan(x)) return std::numeric_limits<std::int64_t>::min();
  return x >= 0x1p62 ? std::int64_t{1} << 62 : x <= -0x1p62 ? -(std::int64_t{1} << 62) : static_cast<std::int64_t>(x);
}

std::optional<Fault> apply(Operator op, Value& a, const Value& b, Value& out) {
  switch (op) {
    case Operator::add:
      return add(a, b, out);
    case Operator::subtract:
      return subtract(a, b, out);
    case Operator::multiply:
      return multiply(a, b, out);
    case Operator::divide:
      return divide(a, b, out);
    case Operator::modulo:
      return modulo(a, b, out);
    case Operator::eq:
      return out = equal(a, b), std::nullopt;
    case Operator::ne:
      return out = !equal(a, b), std::nullopt;
    case Operator::lt:
      return out = compare(a, b) < 0, std::nullopt;
    case Operator::le:
      return out = compare(a, b) <= 0, std::nullopt;
    case Operator::gt:
      return out = compare(a, b) > 0, std::nullopt;
    case Operator::ge:
      return out = compare(a, b) >= 0, std::nullopt;
  }
  return std::nullopt;
}

bool contains(const Value& a, const Value& b, std::optional<Fault>& fault) {
  if (a.is_object() && b.is_object())
    return std::ranges::all_of(b.get_object(), [&](const auto& entry) {
      const auto* mine = a.get_object().if_contains(entry.key());
      return mine && contains(*mine, entry.value(), fault);
    });
  if (a.is_array() && b.is_array())
    return std::ranges::all_of(b.get_array(), [&](const Value& wanted) {
      return std::ranges::any_of(a.get_array(), [&](const Value& item) {
        return kind_name(item) == kind_name(wanted) && contains(item, wanted, fault);
      });
    });
  if (a.is_string() && b.is_string())
    return std::string_view(a.get_string()).find(b.get_string()) != std::string_view::npos;
  if (kind_name(a) == kind_name(b)) return equal(a, b);
  if (!fault) fault = operands_fault(a, b, "have their containment checked");
  return false;
}

std::int64_t copy_cost(const Value& value) {
  if (const auto* text = value.if_string()) return 32 + static_cast<std::int64_t>(text->size());
  std::int64_t cost = 16;
  if (const auto* array = value.if_array())
    for (const auto& item : *array) cost += copy_cost(item);
  if (const auto* object = value.if_object())
    for (const auto& entry : *object)
      cost += 32 + static_cast<std::int64_t>(entry.key().size()) + copy_cost(entry.value());
  return cost;
}

}  // namespace sb::jq
