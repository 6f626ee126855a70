#include "policy/json_escapes.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/json.h"
#include "policy/detect/bytes_class.h"
#include "policy/utf16.h"

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

// Notes: of each escape how many bytes of text stand before it, behind the one before (a byte; where that is kFar, so
// many and no escape), and one of these, which says with the text how it was written. A stream keeps them while it
// holds the text back.
namespace {

constexpr std::size_t kFar = 255;
enum Note : std::uint8_t {
  itself = 0,  // a backslash and the text's byte
  letter = 1,  // \n and the like
  unit = 16,   // \uXXXX that is so many bytes of text, at most 3, times 16, plus which of its digits are capitals
  pair = 64,   // \uXXXX\uXXXX, the same of the first; a byte more: of the second
  lone = 80,   // half a pair; two bytes more: its value
};
constexpr std::string_view kShort = "bfnrt";
constexpr std::string_view kShortBytes = "\b\f\n\r\t";

std::uint8_t capitals_of(std::string_view digits) {
  std::uint8_t set = 0;
  for (std::size_t i = 0; i < 4; ++i)
    set = static_cast<std::uint8_t>(set | (digits[i] >= 'A' && digits[i] <= 'F' ? 1U << i : 0U));
  return set;
}

void append_unit(std::string& out, std::uint32_t value, unsigned capitals) {
  out += "\\u";
  for (unsigned i = 0; i < 4; ++i) {
    const char digit = "0123456789abcdef"[value >> (12 - 4 * i) & 15];
    out += (capitals >> i & 1) != 0 ? static_cast<char>(to_upper(digit)) : digit;
  }
}

std::uint32_t code_point(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  std::uint32_t code = text.size() == 1 ? lead : lead & (0x7fU >> text.size());
  for (const char c : text.substr(1)) code = code << 6 | (static_cast<unsigned char>(c) & 0x3f);
  return code;
}

}  // namespace

void EscapingSink::note(std::size_t offset, std::string_view text, std::string_view raw) {
  if (text == raw) return;  // none after all
  const bool is_first = !has_escapes();
  if (is_first) notes_.clear(), first_ = 0, noted_ = next_ = offset;
  std::size_t before = offset - noted_;
  for (; before >= kFar; before -= kFar) notes_ += static_cast<char>(kFar);
  notes_ += static_cast<char>(before);
  noted_ = offset + text.size();
  const auto add = [this](std::size_t byte) { notes_ += static_cast<char>(byte); };
  if (raw[1] != 'u') return add(raw[1] == text[0] ? itself : letter);
  if (raw.size() > kUnitBytes) return add(pair + capitals_of(raw.substr(2))), add(capitals_of(raw.substr(8)));
  const std::uint32_t value = read_unit(raw).value;
  if (value < 0xd800 || value > 0xdfff) return add(unit * text.size() + capitals_of(raw.substr(2)));
  add(lone + capitals_of(raw.substr(2))), add(value >> 8), add(value & 0xff);
}

// REQUIRES: there is one, at next_.
EscapingSink::Escape EscapingSink::first_escape() const {
  std::size_t at = first_;
  while (static_cast<unsigned char>(notes_[at]) == kFar) ++at;
  const auto note = static_cast<std::uint8_t>(notes_[at + 1]);
  const std::size_t more = at + 2;
  if (note < unit) return {note, more, more, 1, 2};
  if (note < pair) return {note, more, more, note / std::size_t{unit}, kUnitBytes};
  if (note < lone) return {note, more, more + 1, 4, 2 * kUnitBytes};
  return {note, more, more + 2, 3, kUnitBytes};
}

// `text`: what it stands for; less where a finding cut it, and what is left of it is no escape.
std::string EscapingSink::written(const Escape& escape, std::string_view text) const {
  if (text.size() < escape.size) return std::string(text);
  const auto more = [&](std::size_t i) { return static_cast<unsigned char>(notes_[escape.more + i]); };
  std::string out;
  if (escape.note < unit) {
    out = '\\';
    out += escape.note == letter ? kShort[kShortBytes.find(text[0])] : text[0];
  } else if (escape.note < pair) {
    append_unit(out, code_point(text), escape.note % unsigned{unit});
  } else if (escape.note < lone) {
    const std::uint32_t code = code_point(text) - 0x10000;
    append_unit(out, 0xd800 + (code >> 10), escape.note - unsigned{pair});
    append_unit(out, 0xdc00 + (code & 0x3ff), more(0));
  } else {
    append_unit(out, static_cast<std::uint32_t>(more(0)) << 8 | more(1), escape.note - unsigned{lone});
  }
  return out;
}

void EscapingSink::drop(const Escape& escape) {
  first_ = escape.end;
  next_ += escape.size;
  if (!has_escapes()) {
    std::string().swap(notes_);
    first_ = 0;
    return;
  }
  for (std::size_t at = first_;; ++at) {
    next_ += static_cast<unsigned char>(notes_[at]);
    if (static_cast<unsigned char>(notes_[at]) != kFar) break;
  }
  if (first_ < notes_.size() / 2) return;
  notes_.erase(0, first_);
  first_ = 0;
}

void EscapingSink::skip_to(std::size_t offset) {
  while (has_escapes() && next_ < offset) {
    const Escape escape = first_escape();
    raw_at_ += next_ - std::min(at_, next_) + escape.raw;
    at_ = next_ + escape.size;
    drop(escape);
  }
  if (at_ < offset) raw_at_ += offset - at_, at_ = offset;
}

// A value that is swallowed may be long and full of escapes.
void EscapingSink::forget_to(std::size_t offset) {
  constexpr std::size_t kSpareNotes = 32;
  skip_to(offset);
  if (notes_.capacity() <= notes_.size() - first_ + kSpareNotes) return;
  notes_ = std::string(notes_, first_);
  first_ = 0;
}

void EscapingSink::pass(std::string_view bytes, std::size_t offset) {
  const std::size_t end = offset + bytes.size();
  skip_to(offset);
  std::string raw;
  const std::size_t begin = raw_at_;
  while (at_ < end) {
    const bool more = has_escapes() && next_ < end;
    const std::size_t plain = (more ? next_ : end) - at_;
    raw += bytes.substr(at_ - offset, plain);
    at_ += plain;
    if (!more) break;
    const Escape escape = first_escape();
    raw += written(escape, bytes.substr(at_ - offset, escape.size));
    at_ += escape.size;
    drop(escape);
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
