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

// Notes: of each escape how many bytes of text stand before it, behind the one before, and how it was written, as far
// as the text does not say it. In a byte: kNear times 0 for a letter, 1 for the byte itself, 2 for a Note that follows;
// plus how many bytes. Where they are kNear or more, kFar for each kNear of them stands before it. A stream keeps them
// while it holds the text back.
namespace {

constexpr std::size_t kNear = 80;
constexpr std::size_t kFar = 255;
static_assert(3 * kNear <= kFar);
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

void StringEscapes::note(std::size_t offset, std::string_view text, std::string_view raw) {
  if (text == raw) return;  // none after all
  if (!notes_) notes_ = std::make_unique<Notes>(offset, offset);
  std::size_t before = offset - notes_->noted;
  const auto add = [this](std::size_t byte) { notes_->all += static_cast<char>(byte); };
  for (; before >= kNear; before -= kNear) add(kFar);
  notes_->noted = offset + text.size();
  if (raw[1] != 'u') return add(before + (raw[1] == text[0] ? kNear : 0));
  add(before + 2 * kNear);
  if (raw.size() > kUnitBytes) return add(pair + capitals_of(raw.substr(2))), add(capitals_of(raw.substr(8)));
  const std::uint32_t value = read_unit(raw).value;
  if (value < 0xd800 || value > 0xdfff) return add(unit * text.size() + capitals_of(raw.substr(2)));
  add(lone + capitals_of(raw.substr(2))), add(value >> 8), add(value & 0xff);
}

// REQUIRES: there is one, at `next`.
StringEscapes::Escape StringEscapes::first_escape() const {
  std::size_t at = notes_->first;
  while (static_cast<unsigned char>(notes_->all[at]) == kFar) ++at;
  const std::size_t kind = static_cast<unsigned char>(notes_->all[at]) / kNear;
  if (kind < 2) return {kind == 0 ? letter : itself, at + 1, at + 1, 1, 2};
  const auto note = static_cast<std::uint8_t>(notes_->all[at + 1]);
  const std::size_t more = at + 2;
  if (note < pair) return {note, more, more, note / std::size_t{unit}, kUnitBytes};
  if (note < lone) return {note, more, more + 1, 4, 2 * kUnitBytes};
  return {note, more, more + 2, 3, kUnitBytes};
}

// `text`: what it stands for; less where a finding cut it, and what is left of it is no escape.
std::string StringEscapes::written(const Escape& escape, std::string_view text) const {
  if (text.size() < escape.size) return std::string(text);
  const auto more = [&](std::size_t i) { return static_cast<unsigned char>(notes_->all[escape.more + i]); };
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

void StringEscapes::drop(const Escape& escape) {
  auto& [next, noted, all, first] = *notes_;
  first = escape.end;
  next += escape.size;
  if (first == all.size()) {
    notes_.reset();
    return;
  }
  std::size_t at = first;
  for (; static_cast<unsigned char>(all[at]) == kFar; ++at) next += kNear;
  next += static_cast<unsigned char>(all[at]) % kNear;
  if (first < all.size() / 2) return;
  all.erase(0, first);
  first = 0;
}

void StringEscapes::skip_to(std::size_t offset) {
  while (notes_ && notes_->next < offset) {
    const std::size_t next = notes_->next;
    const Escape escape = first_escape();
    raw_at_ += next - std::min(at_, next) + escape.raw;
    at_ = next + escape.size;
    drop(escape);
  }
  if (at_ < offset) raw_at_ += offset - at_, at_ = offset;
}

// A value that is swallowed may be long and full of escapes.
void StringEscapes::forget_to(std::size_t offset) {
  constexpr std::size_t kSpareNotes = 16;
  skip_to(offset);
  if (!notes_ || notes_->all.capacity() <= notes_->all.size() - notes_->first + kSpareNotes) return;
  notes_->all = std::string(notes_->all, notes_->first);
  notes_->first = 0;
}

void StringEscapes::pass(std::string_view bytes, std::size_t offset, GuardSink& out) {
  const std::size_t end = offset + bytes.size();
  skip_to(offset);
  std::string raw;
  const std::size_t begin = raw_at_;
  while (at_ < end) {
    const bool more = notes_ && notes_->next < end;
    const std::size_t plain = (more ? notes_->next : end) - at_;
    raw += bytes.substr(at_ - offset, plain);
    at_ += plain;
    if (!more) break;
    const Escape escape = first_escape();
    raw += written(escape, bytes.substr(at_ - offset, escape.size));
    at_ += escape.size;
    drop(escape);
  }
  raw_at_ += raw.size();
  if (!raw.empty()) out.pass(raw, begin);
}

void EscapingSink::put(std::string_view replacement) {
  std::string escaped;
  append_json_escaped(escaped, replacement);
  out_.put(escaped);
}

}  // namespace sb::policy
