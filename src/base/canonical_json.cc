#include "base/canonical_json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"

namespace sb {
namespace {

namespace dom = simdjson::dom;

constexpr int kMaxJsonDepth = 32;

// ECMAScript's Number to string (ECMA-262, 6.1.6.1.20), which RFC 8785 section 3.2.2.3 asks for.
void append_number(std::string& out, double number) {
  if (number == 0) {
    out += '0';
    return;
  }
  std::array<char, 32> buffer;
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, std::chars_format::scientific).ptr;
  std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  if (text.front() == '-') {
    out += '-';
    text.remove_prefix(1);
  }
  const std::size_t e = text.find('e');
  std::string digits(1, text.front());
  if (e > 1) digits += text.substr(2, e - 2);
  int exponent = 0;
  const std::size_t sign = text[e + 1] == '+' ? 1 : 0;
  std::from_chars(text.data() + e + 1 + sign, text.data() + text.size(), exponent);
  const int point = exponent + 1;  // the number is 0.DIGITS * 10^point
  const int count = static_cast<int>(digits.size());
  if (point >= count && point <= 21) {
    out += digits;
    out.append(static_cast<std::size_t>(point - count), '0');
  } else if (point > 0 && point <= 21) {
    out.append(digits, 0, static_cast<std::size_t>(point));
    out += '.';
    out.append(digits, static_cast<std::size_t>(point));
  } else if (point > -6 && point <= 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-point), '0');
    out += digits;
  } else {
    out += digits.front();
    if (count > 1) (out += '.').append(digits, 1);
    out += 'e';
    out += exponent < 0 ? '-' : '+';
    out += std::to_string(std::abs(exponent));
  }
}

// Member names are ordered by UTF-16 code units (RFC 8785, 3.2.3). That is the order of the bytes, except that a
// character beyond the basic plane (first byte f0 and up, in UTF-16 a surrogate d800-dfff) comes before U+E000..U+FFFF
// (ee, ef).
bool utf16_less(std::string_view a, std::string_view b) {
  const auto [x, y] = std::ranges::mismatch(a, b);
  if (x == a.end() || y == b.end()) return x == a.end() && y != b.end();
  const auto rank = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0xf0 ? 0xee : byte >= 0xee ? byte + 0x10 : static_cast<int>(byte);
  };
  const int left = rank(*x);
  const int right = rank(*y);
  if (left != right) return left < right;
  return static_cast<unsigned char>(*x) < static_cast<unsigned char>(*y);
}

// Walks a text and says whether it is canonical; strict where being sure would cost more than writing it anew.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  bool accepts() { return value(0) && at_ == text_.size() && is_valid_utf8(text_); }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  bool word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  bool value(int depth) {
    if (depth > kMaxJsonDepth) return false;
    switch (peek()) {
      case '{':
        return object(depth);
      case '[':
        return array(depth);
      case '"':
        return string();
      case 't':
        return word("true");
      case 'f':
        return word("false");
      case 'n':
        return word("null");
      default:
        return number();
    }
  }
  bool object(int depth) {
    ++at_;
    if (take('}')) return true;
    std::string_view before;
    for (bool first = true;; first = false) {
      const std::size_t begin = at_ + 1;
      if (!string()) return false;
      const std::string_view name = text_.substr(begin, at_ - 1 - begin);
      // Escapes and characters beyond ASCII in names would need unescaping to be compared.
      if (!plain_ || (!first && before >= name)) return false;
      before = name;
      if (!take(':') || !value(depth + 1)) return false;
      if (take('}')) return true;
      if (!take(',')) return false;
    }
  }
  bool array(int depth) {
    ++at_;
    if (take(']')) return true;
    for (;;) {
      if (!value(depth + 1)) return false;
      if (take(']')) return true;
      if (!take(',')) return false;
    }
  }
  bool string() {
    if (!take('"')) return false;
    for (plain_ = true;; plain_ = false) {
      at_ += plain_json_prefix(text_.substr(at_));
      if (at_ >= text_.size()) return false;
      if (take('"')) return true;
      if (take('\\')) {
        const char c = peek();
        // \u is canonical for some control characters only; rare enough to be written anew.
        if (c != '"' && c != '\\' && c != 'b' && c != 'f' && c != 'n' && c != 'r' && c != 't') return false;
        ++at_;
        continue;
      }
      if (static_cast<unsigned char>(peek()) < 0x20) return false;
      ++at_;
    }
  }
  // At most 15 significant digits: such a decimal is the shortest text of its double. No exponent, no trailing zero.
  bool number() {
    take('-');
    const std::size_t begin = at_;
    std::size_t digits = 0;
    while (is_digit()) ++at_, ++digits;
    const bool zero = text_.substr(begin, 1) == "0";
    if (digits == 0 || digits > 15 || (zero && digits > 1)) return false;
    if (!take('.')) return is_end() && !(zero && begin > 0 && text_[begin - 1] == '-');
    const std::size_t fraction = at_;
    while (is_digit()) ++at_;
    const std::size_t count = at_ - fraction;
    if (count == 0 || digits + count > 15 || text_[at_ - 1] == '0' || !is_end()) return false;
    return !zero || text_.substr(fraction, 6).find_first_not_of('0') != std::string_view::npos;
  }
  bool is_digit() const { return peek() >= '0' && peek() <= '9'; }
  bool is_end() const { return peek() != 'e' && peek() != 'E' && peek() != '.'; }

  std::string_view text_;
  std::size_t at_ = 0;
  bool plain_ = true;  ///< the last string stands for itself
};

bool append_value(std::string& out, const dom::element& value, int depth);

bool append_array(std::string& out, const dom::array& array, int depth) {
  out += '[';
  bool first = true;
  for (const dom::element element : array) {
    if (!std::exchange(first, false)) out += ',';
    if (!append_value(out, element, depth + 1)) return false;
  }
  out += ']';
  return true;
}

bool append_object(std::string& out, const dom::object& object, int depth) {
  std::vector<dom::key_value_pair> members(object.begin(), object.end());
  std::ranges::sort(members, utf16_less, &dom::key_value_pair::key);
  if (std::ranges::adjacent_find(members, {}, &dom::key_value_pair::key) != members.end()) return false;
  out += '{';
  bool first = true;
  for (const dom::key_value_pair& member : members) {
    if (!std::exchange(first, false)) out += ',';
    append_json_string(out, member.key);
    out += ':';
    if (!append_value(out, member.value, depth + 1)) return false;
  }
  out += '}';
  return true;
}

// False: nested too deeply, or a name twice in one object.
bool append_value(std::string& out, const dom::element& value, int depth) {
  if (depth > kMaxJsonDepth) return false;
  switch (value.type()) {
    case dom::element_type::NULL_VALUE:
      out += "null";
      break;
    case dom::element_type::BOOL:
      out += value.get_bool().value_unsafe() ? "true" : "false";
      break;
    case dom::element_type::STRING:
      append_json_string(out, value.get_string().value_unsafe());
      break;
    case dom::element_type::ARRAY:
      return append_array(out, value.get_array().value_unsafe(), depth);
    case dom::element_type::OBJECT:
      return append_object(out, value.get_object().value_unsafe(), depth);
    default:
      append_number(out, value.get_double().value_unsafe());
      break;
  }
  return true;
}

}  // namespace

bool is_canonical(std::string_view text) {
  return Scanner(text).accepts();
}

CanonicalJson::CanonicalJson(std::string text) {
  if (text.empty() || is_canonical(text)) {
    text_ = std::move(text);
  } else if (!append_rewritten(text_, text)) {
    append_json_string(text_, text);
  }
}

Result<> append_canonical_text(std::string& out, std::string_view text) {
  if (is_canonical(text)) {
    out += text;
    return {};
  }
  return append_rewritten(out, text);
}

Result<> append_rewritten(std::string& out, std::string_view text) {
  dom::parser parser;
  dom::element value;
  const std::size_t before = out.size();
  // simdjson and not Boost.JSON: here a number must become exactly the double that its text is nearest to.
  if (const auto error = parser.parse(text.data(), text.size()).get(value)) {
    return fail(Errc::invalid_argument, fmt::format("invalid JSON: {}", simdjson::error_message(error)));
  }
  if (!append_value(out, value, 0)) {
    out.resize(before);
    return fail(Errc::invalid_argument, "JSON with a member named twice, or nested too deeply");
  }
  return {};
}

}  // namespace sb
