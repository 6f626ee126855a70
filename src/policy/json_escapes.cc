#include "policy/json_escapes.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/json.h"
#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

constexpr std::size_t kUnitBytes = 6;  // \uXXXX

std::optional<std::uint32_t> hex_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint32_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint32_t>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<std::uint32_t>(c - 'A' + 10);
  return std::nullopt;
}

struct Unit {
  enum class State : std::uint8_t { whole, cut, malformed } state;
  std::uint32_t value = 0;
  std::size_t bad_at = 0;  // malformed: the byte that does not belong
};

// \uXXXX at the beginning of `raw`.
Unit read_unit(std::string_view raw) {
  std::uint32_t value = 0;
  for (std::size_t i = 1; i < kUnitBytes; ++i) {
    if (i >= raw.size()) return {Unit::State::cut};
    const auto digit = i == 1 ? (raw[1] == 'u' ? std::optional<std::uint32_t>(0) : std::nullopt) : hex_value(raw[i]);
    if (!digit) return {Unit::State::malformed, 0, i};
    value = value * 16 + *digit;
  }
  return {Unit::State::whole, value};
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto byte = [&](std::uint32_t bits) { out += static_cast<char>(bits); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xc0 | code >> 6), byte(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    byte(0xe0 | code >> 12), byte(0x80 | (code >> 6 & 0x3f)), byte(0x80 | (code & 0x3f));
  } else {
    byte(0xf0 | code >> 18), byte(0x80 | (code >> 12 & 0x3f)), byte(0x80 | (code >> 6 & 0x3f));
    byte(0x80 | (code & 0x3f));
  }
}

char short_escape(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;
  }
}

constexpr std::uint32_t kReplacement = 0xfffd;

// `high`: the first half of a pair, whole in `raw`.
DecodedEscape decode_pair(std::string_view raw, std::uint32_t high) {
  DecodedEscape lone{kUnitBytes, {}};
  append_utf8(lone.text, kReplacement);
  const auto rest = raw.substr(kUnitBytes);
  if (rest.empty()) return {};
  if (rest[0] != '\\') return lone;
  const auto low = read_unit(rest);
  if (low.state == Unit::State::cut) return {};
  if (low.state == Unit::State::malformed || low.value < 0xdc00 || low.value > 0xdfff) return lone;
  DecodedEscape pair{2 * kUnitBytes, {}};
  append_utf8(pair.text, 0x10000 + ((high - 0xd800) << 10) + (low.value - 0xdc00));
  return pair;
}

}  // namespace

DecodedEscape decode_escape(std::string_view raw) {
  if (raw.size() < 2) return {};
  if (raw[1] != 'u') return {2, std::string(1, short_escape(raw[1]))};
  const auto unit = read_unit(raw);
  if (unit.state == Unit::State::cut) return {};
  if (unit.state == Unit::State::malformed) return {unit.bad_at, std::string(raw.substr(0, unit.bad_at))};
  if (unit.value >= 0xd800 && unit.value < 0xdc00) return decode_pair(raw, unit.value);
  DecodedEscape out{kUnitBytes, {}};
  append_utf8(out.text, unit.value >= 0xdc00 && unit.value <= 0xdfff ? kReplacement : unit.value);
  return out;
}

void EscapingSink::skip_to(std::size_t offset) {
  while (!escapes_.empty() && escapes_.front().offset < offset) {
    const auto& escape = escapes_.front();
    raw_at_ += escape.offset - std::min(at_, escape.offset) + escape.raw.size();
    at_ = escape.offset + escape.size;
    escapes_.pop_front();
  }
  if (at_ < offset) raw_at_ += offset - at_, at_ = offset;
}

void EscapingSink::pass(std::string_view bytes, std::size_t offset) {
  const std::size_t end = offset + bytes.size();
  skip_to(offset);
  std::string raw;
  const std::size_t begin = raw_at_;
  while (at_ < end) {
    const bool more = !escapes_.empty() && escapes_.front().offset < end;
    const std::size_t plain = (more ? escapes_.front().offset : end) - at_;
    raw += bytes.substr(at_ - offset, plain);
    at_ += plain;
    if (!more) break;
    raw += escapes_.front().raw;
    at_ += escapes_.front().size;
    escapes_.pop_front();
  }
  raw_at_ += raw.size();
  if (!raw.empty()) out_->pass(raw, begin);
}

void EscapingSink::put(std::string_view replacement) {
  std::string escaped;
  append_json_escaped(escaped, replacement);
  out_->put(escaped);
}

}  // namespace sb::policy
