#include "policy/detect/fold.h"

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "policy/detect/byte_masks.h"
#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

constexpr int kNothing = -1;  // the character vanishes

// What stands at a place: `size` bytes that become `value`; size 0: it stays as it is.
struct Folded {
  std::size_t size = 0;
  int value = kNothing;
  bool cut = false;  // the text ends before it does
};

constexpr Folded kAsIs{};

// Bytes that may begin something that folds.
constexpr auto kLeads = [] {
  std::array<bool, 256> leads{};
  for (const unsigned char c : {'%', '&', '\\', '<', '['}) leads[c] = true;
  for (const unsigned c : {0xc2U, 0xccU, 0xd9U, 0xdbU, 0xe0U, 0xe2U, 0xe3U, 0xefU, 0xf0U, 0xf3U}) leads[c] = true;
  return leads;
}();

int hex_value(int byte) {
  if (is_digit(byte)) return byte - '0';
  const int lower = to_lower(byte);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// A character outside ASCII: ASCII, kNothing, or 0x110000 where it has no equivalent.
constexpr int kNone = 0x110000;
int fold_character(int c) {
  if (c < 0x80) return c < 0x20 && c != '\n' && c != '\t' ? kNone : c;
  if (c == 0xa0 || c == 0x3000 || c == 0x202f || (c >= 0x2000 && c <= 0x200a) || c == 0x205f || c == 0x2800) {
    return ' ';
  }
  // Tags are ASCII that nobody sees, and models read.
  if (c >= 0xe0020 && c <= 0xe007e) return c - 0xe0000;
  // Lines through and under a character, the frame of a key, variation selectors, other tags.
  if (c == 0x305 || c == 0x332 || c == 0x333 || (c >= 0x335 && c <= 0x338) || c == 0x20e3 ||
      (c >= 0xfe00 && c <= 0xfe0f) || (c >= 0xe0000 && c <= 0xe007f) || (c >= 0xe0100 && c <= 0xe01ef)) {
    return kNothing;
  }
  if (c == 0xad || (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
      c == 0xfeff) {
    return kNothing;
  }
  if ((c >= 0x2010 && c <= 0x2015) || c == 0x2212 || c == 0xfe63) return '-';
  if (c == 0x3002 || c == 0xff61 || c == 0xfe52 || c == 0x2024) return '.';
  if (c == 0xfe6b) return '@';
  if (c == 0x2018 || c == 0x2019) return '\'';
  if (c == 0x201c || c == 0x201d) return '"';
  if (c >= 0xff01 && c <= 0xff5e) return c - 0xff01 + 0x21;
  if (c >= 0x660 && c <= 0x669) return '0' + c - 0x660;
  if (c >= 0x6f0 && c <= 0x6f9) return '0' + c - 0x6f0;
  // The Indic scripts repeat every 128 code points, digits at 0x66; Thai and Lao have theirs at 0x50.
  if (c >= 0x900 && c < 0xd80 && (c & 0x7f) >= 0x66 && (c & 0x7f) <= 0x6f) return '0' + (c & 0x7f) - 0x66;
  if (c >= 0xe50 && c <= 0xe59) return '0' + c - 0xe50;
  if (c >= 0xed0 && c <= 0xed9) return '0' + c - 0xed0;
  // Raised, lowered and circled.
  if (c == 0xb2 || c == 0xb3) return '0' + c - 0xb0;
  if (c == 0xb9) return '1';
  if (c == 0x2070 || (c >= 0x2074 && c <= 0x2079)) return '0' + c - 0x2070;
  if (c >= 0x2080 && c <= 0x2089) return '0' + c - 0x2080;
  if (c >= 0x2460 && c <= 0x2468) return '1' + c - 0x2460;
  if (c == 0x24ea) return '0';
  if (c >= 0x1d7ce && c <= 0x1d7ff) return '0' + (c - 0x1d7ce) % 10;
  return kNone;
}

bool is_lead(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
}

// What goes on with a sequence for longer than one may is no part of it.
constexpr std::size_t kMaxSequenceBytes = 4;
// Bytes of the folded text whose places are searched together.
constexpr std::size_t kPlaceBlock = 64;

// Whether the text ends inside the sequence that begins at `i`; bytes that can begin none are characters of their own.
bool is_cut_sequence(std::string_view text, std::size_t i) {
  const int lead = byte_of(text, i);
  if (lead < 0xc2 || lead > 0xf4) return false;
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  return i + size > text.size() && std::ranges::none_of(text.substr(i + 1), is_lead);
}

// Dots in the middle of a line.
bool is_raised_dot(int c) {
  return c == 0xb7 || c == 0x2022 || c == 0x2027 || c == 0x2219 || c == 0x22c5;
}

// "4111·1111": before a digit such a dot parts groups.
Folded fold_raised_dot(std::string_view text, std::size_t i, std::size_t size) {
  const int next = byte_of(text, i + size);
  if (next < 0) return {.size = 0, .value = 0, .cut = true};
  return is_digit(next) ? Folded{size, '-', false} : kAsIs;
}

// Decodes the UTF-8 sequence at `i`, which need not be valid.
Folded fold_utf8(std::string_view text, std::size_t i) {
  const int lead = byte_of(text, i);
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  int c = lead & (0xff >> (size + 1));
  for (std::size_t n = 1; n < size; ++n) {
    const int byte = byte_of(text, i + n);
    if (byte < 0) return {.size = 0, .value = 0, .cut = true};
    if ((byte & 0xc0) != 0x80) return kAsIs;
    c = c << 6 | (byte & 0x3f);
  }
  if (is_raised_dot(c)) return fold_raised_dot(text, i, size);
  const int value = fold_character(c);
  return value == kNone ? kAsIs : Folded{size, value, false};
}

// "%2540": an escape that was escaped. What is none stays a '%'.
Folded fold_percent_again(std::string_view text, std::size_t i) {
  constexpr Folded kSign{3, '%', false};
  const int high = hex_value(byte_of(text, i + 3));
  if (high < 0) return i + 3 == text.size() ? Folded{.size = 0, .value = 0, .cut = true} : kSign;
  const int low = hex_value(byte_of(text, i + 4));
  if (low < 0) return i + 4 == text.size() ? Folded{.size = 0, .value = 0, .cut = true} : kSign;
  const int value = high * 16 + low;
  return value >= 0x20 && value < 0x7f ? Folded{5, value, false} : kSign;
}

Folded fold_percent(std::string_view text, std::size_t i) {
  const int high = hex_value(byte_of(text, i + 1));
  if (high < 0) return {.size = 0, .value = 0, .cut = i + 1 == text.size()};
  const int low = hex_value(byte_of(text, i + 2));
  if (low < 0) return {.size = 0, .value = 0, .cut = i + 2 == text.size()};
  const int value = high * 16 + low;
  if (value == '%') return fold_percent_again(text, i);
  return value >= 0x20 && value < 0x7f ? Folded{3, value, false} : kAsIs;
}

// Of source code, behind its backslash and 'x': "\x40".
Folded fold_hex(std::string_view text, std::size_t i) {
  int value = 0;
  for (std::size_t n = 2; n < 4; ++n) {
    const int byte = byte_of(text, i + n);
    if (byte < 0) return {.size = 0, .value = 0, .cut = true};
    if (hex_value(byte) < 0) return kAsIs;
    value = value * 16 + hex_value(byte);
  }
  return value >= 0x20 && value < 0x7f ? Folded{4, value, false} : kAsIs;
}

// JSON and source code; how many backslashes stand before this one does not matter (JSON inside a JSON string).
Folded fold_backslash(std::string_view text, std::size_t i) {
  const int next = byte_of(text, i + 1);
  if (next < 0) return {.size = 0, .value = 0, .cut = true};
  if (next == 'n') return {2, '\n', false};
  if (next == 't' || next == 'r') return {2, ' ', false};
  if (next == '"' || next == '/') return {2, next, false};
  if (next == 'x') return fold_hex(text, i);
  if (next != 'u') return kAsIs;
  int c = 0;
  for (std::size_t n = 2; n < 6; ++n) {
    const int byte = byte_of(text, i + n);
    if (byte < 0) return {.size = 0, .value = 0, .cut = true};
    const int digit = hex_value(byte);
    if (digit < 0) return kAsIs;
    c = c * 16 + digit;
  }
  const int value = fold_character(c);
  return value == kNone ? kAsIs : Folded{6, value, false};
}

struct Named {
  std::string_view name;
  int value;
};
constexpr Named kEntities[] = {{"lt;", '<'},       {"gt;", '>'},        {"quot;", '"'},     {"apos;", '\''},
                               {"nbsp;", ' '},     {"ensp;", ' '},      {"emsp;", ' '},     {"thinsp;", ' '},
                               {"numsp;", ' '},    {"zwnj;", kNothing}, {"zwj;", kNothing}, {"commat;", '@'},
                               {"shy;", kNothing}, {"period;", '.'},    {"hyphen;", '-'},   {"ndash;", '-'},
                               {"mdash;", '-'},    {"colon;", ':'},     {"sol;", '/'}};

// "&#64;", "&#x40;", its '#' at `hash`.
Folded fold_number(std::string_view text, std::size_t i, std::size_t hash) {
  const bool hex = to_lower(byte_of(text, hash + 1)) == 'x';
  std::size_t at = hash + (hex ? 2 : 1);
  int c = 0;
  for (; at < i + kMaxFoldBytes; ++at) {
    const int digit = hex_value(byte_of(text, at));
    if (digit < 0 || (!hex && digit > 9)) break;
    c = c * (hex ? 16 : 10) + digit;
  }
  if (at == text.size() && at < i + kMaxFoldBytes) return {.size = 0, .value = 0, .cut = true};
  const int value = byte_of(text, at) == ';' && c > 0 && c < kNone ? fold_character(c) : kNone;
  return value == kNone ? kAsIs : Folded{at + 1 - i, value, false};
}

Folded fold_entity(std::string_view text, std::size_t i) {
  if (byte_of(text, i + 1) == '#') return fold_number(text, i, i + 1);
  static constexpr std::string_view kSign = "&amp;";
  if (text.substr(i).starts_with(kSign)) {  // "&amp;#64;": an escape that was escaped
    const std::size_t behind = i + kSign.size();
    if (behind == text.size()) return {.size = 0, .value = 0, .cut = true};
    const Folded again = text[behind] == '#' ? fold_number(text, i, behind) : kAsIs;
    return again.size > 0 || again.cut ? again : Folded{kSign.size(), '&', false};
  }
  if (kSign.starts_with(text.substr(i))) return {.size = 0, .value = 0, .cut = true};
  const auto rest = text.substr(i + 1, kMaxFoldBytes);
  for (const auto& [name, value] : kEntities) {
    if (rest.starts_with(name)) return {name.size() + 1, value, false};
    if (name.starts_with(rest)) return {.size = 0, .value = 0, .cut = true};
  }
  return kAsIs;
}

// "192[.]0[.]2[.]1", "pages[dot]org", "ann[@]pages.org", "http[:]//": marks in brackets, so that no program makes links
// of them. Before a blank they are something else.
Folded fold_bracket(std::string_view text, std::size_t i) {
  static constexpr std::pair<std::string_view, char> kBracketed[] = {
      {"[.]", '.'}, {"[dot]", '.'}, {"[@]", '@'}, {"[:]", ':'}};
  for (const auto& [writing, value] : kBracketed) {
    const auto rest = text.substr(i, writing.size());
    if (rest != writing && writing.starts_with(rest)) return {.size = 0, .value = 0, .cut = true};
    if (rest != writing) continue;
    const int next = byte_of(text, i + writing.size());
    if (next < 0) return {.size = 0, .value = 0, .cut = true};
    return is_a(next, kDigit | kUpper | kLower | kHigh) || next == '/' ? Folded{writing.size(), value, false} : kAsIs;
  }
  return kAsIs;
}

Folded fold_at(std::string_view text, std::size_t i) {
  switch (text[i]) {
    case '[':
      return fold_bracket(text, i);
    case '%':
      return fold_percent(text, i);
    case '&':
      return fold_entity(text, i);
    case '\\':
      return fold_backslash(text, i);
    case '<': {
      static constexpr std::string_view kBreak = "<wbr>";
      const auto rest = text.substr(i, kBreak.size());
      if (rest == kBreak) return {kBreak.size(), kNothing, false};
      return {.size = 0, .value = 0, .cut = kBreak.starts_with(rest)};
    }
    default:
      return fold_utf8(text, i);
  }
}

// The first byte from `i` on that is not ASCII or that ASCII text folds at.
std::size_t next_candidate(std::string_view text, std::size_t i) {
  const auto* data = reinterpret_cast<const __m256i*>(text.data());
  const auto equal = [](__m256i bytes, char c) { return _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(c)); };
  for (; i + 32 <= text.size(); i += 32) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(reinterpret_cast<const char*>(data) + i));
    const __m256i marks =
        _mm256_or_si256(_mm256_or_si256(_mm256_or_si256(equal(bytes, '%'), equal(bytes, '&')), equal(bytes, '[')),
                        _mm256_or_si256(equal(bytes, '\\'), equal(bytes, '<')));
    const auto mask = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_or_si256(bytes, marks)));
    if (mask != 0) return i + static_cast<std::size_t>(std::countr_zero(mask));
  }
  while (i < text.size() && byte_of(text, i) < 0x80 && !kLeads[static_cast<unsigned char>(text[i])]) ++i;
  return i;
}

// Counts off the characters of `text` that begin between `at` and `end`: where the one behind the last of `count`
// begins, or `end`, and what is left of `count`.
std::size_t count_off(std::string_view text, std::size_t at, std::size_t end, std::size_t& count) {
  for (; at < end; at += 64) {
    const std::uint64_t leads = ~continuation_bytes(text, at) & low_bits(end - at);
    const auto characters = static_cast<std::size_t>(std::popcount(leads));
    if (characters > count) return at + nth_bit(leads, std::exchange(count, 0));
    count -= characters;
  }
  return end;
}

}  // namespace

void Fold::assign(std::string_view raw, bool complete, FoldedBefore before) {
  raw_ = raw;
  before_ = before;
  identity_ = true;
  ascii_ = next_wide(raw, 0, before.bytes) == before.bytes;
  crowded_.clear();
  folded_ = raw.size();
  for (std::size_t i = next_candidate(raw, before.bytes); i < raw.size(); i = next_candidate(raw, i + 1)) {
    const auto byte = static_cast<unsigned char>(raw[i]);
    if (byte >= 0x80) ascii_ = false;
    // A sequence that the end cuts is left out whatever it is: nobody is to see half a character.
    const bool cut_sequence = is_cut_sequence(raw, i);
    if (!kLeads[byte] && !cut_sequence) continue;
    const Folded found = fold_at(raw, i);
    if (found.size > 0) {
      copy_folded(i, complete);
      return;
    }
    if ((found.cut || cut_sequence) && !complete) {
      folded_ = i;
      return;
    }
  }
}

void Fold::copy_folded(std::size_t first, bool complete) {
  // Where the last character begins; before the text's beginning where it was folded earlier.
  auto last = static_cast<std::int64_t>(first) - static_cast<std::int64_t>(character_before(first));
  identity_ = false;
  ascii_ = false;
  copy_.assign(raw_, 0, first);
  places_.clear();
  blocks_.clear();
  Near near;
  std::uint32_t hidden = 0;
  for (std::size_t i = first; i < raw_.size();) {
    const std::size_t next = next_candidate(raw_, i);
    if (next > i) last = static_cast<std::int64_t>(next) - 1;
    copy_.append(raw_, i, next - i);
    i = next;
    if (i == raw_.size()) break;
    const auto byte = static_cast<unsigned char>(raw_[i]);
    const bool cut_sequence = is_cut_sequence(raw_, i);
    Folded found = kLeads[byte] || cut_sequence ? fold_at(raw_, i) : kAsIs;
    if ((found.cut || cut_sequence) && !complete) {
      folded_ = i;
      return;
    }
    const auto at = static_cast<std::int64_t>(i);
    if (found.size == 0) {
      if (is_lead(raw_[i]) || at - last >= static_cast<std::int64_t>(kMaxSequenceBytes)) last = at;
      copy_ += raw_[i++];
      continue;
    }
    if (found.value == kNothing &&
        at + static_cast<std::int64_t>(found.size) - last > static_cast<std::int64_t>(kMaxCharacterBytes)) {
      found.value = ' ';
    }
    const auto index = static_cast<std::uint32_t>(copy_.size());
    if (found.value != kNothing) {
      add_place({index, static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(found.size), hidden});
      copy_ += static_cast<char>(found.value);
      last = at;
      i += found.size;
      if (!leaves_room(near)) crowded_.push_back(index);
    } else {
      i += found.size;
      add_place({index, static_cast<std::uint32_t>(i), 1, ++hidden});
      crowded_.push_back(index);
    }
  }
}

// One a byte of the text: the last says all.
void Fold::add_place(const Place& place) {
  if (!places_.empty() && places_.back().index == place.index) places_.pop_back();
  while (blocks_.size() * kPlaceBlock <= place.index) blocks_.push_back({static_cast<std::uint32_t>(places_.size())});
  blocks_.back().here |= std::uint64_t{1} << place.index % kPlaceBlock;
  places_.push_back(place);
}

// The first place at `index` or behind it.
Fold::Places::const_iterator Fold::place_from(std::size_t index) const {
  const std::size_t block = index / kPlaceBlock;
  if (block >= blocks_.size()) return places_.end();
  const std::uint64_t before = blocks_[block].here & low_bits(index % kPlaceBlock);
  return places_.begin() + blocks_[block].before + std::popcount(before);
}

// How many characters vanished before the one at `index`.
std::uint32_t Fold::hidden_before(std::size_t index) const {
  const auto after = place_from(index + 1);
  return after == places_.begin() ? 0 : after[-1].hidden;
}

// Whether kMaxSkip characters up to the last place have room in a window, however long they are as escapes.
bool Fold::leaves_room(Near& near) const {
  constexpr std::size_t kLongest = kMaxSequenceBytes * kMaxSkip;
  const auto beyond = [](const Place& place) {
    return place.size > kMaxSequenceBytes ? place.size - kMaxSequenceBytes : 0;
  };
  near.beyond += beyond(places_.back());
  while (places_[near.first].index + kLongest <= places_.back().index) near.beyond -= beyond(places_[near.first++]);
  return near.beyond <= kWindowRawBytes - kLongest;
}

std::size_t Fold::character_before(std::size_t index) const {
  const auto raw = static_cast<std::int64_t>(raw_begin(index));
  const std::size_t begin = before_.bytes;
  std::size_t lead = index;
  while (lead > begin && !is_lead(text()[lead - 1])) --lead;
  auto last = static_cast<std::int64_t>(begin) - before_.character;
  for (std::size_t i = lead > begin ? lead - 1 : begin; i < index; ++i) {
    const auto at = static_cast<std::int64_t>(raw_begin(i));
    if (is_lead(text()[i]) || at - last >= static_cast<std::int64_t>(kMaxSequenceBytes)) last = at;
  }
  return static_cast<std::size_t>(raw - last);
}

std::size_t Fold::mapped(std::size_t index, bool end) const {
  const auto after = place_from(index + 1);
  if (after == places_.begin()) return index + (end ? 1 : 0);
  const Place& place = after[-1];
  const std::size_t offset = index - place.index;
  if (offset == 0) return place.raw + (end ? place.size : 0);
  return place.raw + place.size + offset - 1 + (end ? 1 : 0);
}

std::size_t Fold::from_raw(std::size_t raw) const {
  if (identity_) return std::min(raw, folded_);
  const auto after = std::ranges::upper_bound(places_, raw, {}, &Place::raw);
  // Before the first place too something may have vanished.
  if (after == places_.begin())
    return std::min<std::size_t>(raw, places_.empty() ? copy_.size() : places_.front().index);
  const Place& place = after[-1];
  const std::size_t behind = place.raw + place.size;
  std::size_t index = raw <= place.raw ? place.index : raw < behind ? place.index + 1 : place.index + 1 + raw - behind;
  if (after != places_.end()) index = std::min<std::size_t>(index, after->index);
  return std::min(index, copy_.size());
}

// Whether no character vanished between the one at `index` and that at `end`, and there is room in a window for them.
bool Fold::fit_a_window(std::size_t index, std::size_t end) const {
  return next_crowded(index, end + 1) > end ||
         (hidden_before(index) == hidden_before(end) && raw_begin(end) <= raw_begin(index) + kWindowRawBytes);
}

std::size_t Fold::skip_wide(std::size_t index, std::size_t count) const {
  const auto all = text();
  std::size_t left = count;
  const std::size_t behind = count_off(all, index, std::min(all.size(), index + 4 * count), left);
  if (left == 0 && fit_a_window(index, behind)) return behind;
  const std::size_t raw_end = is_sparse() ? std::string_view::npos : raw_begin(index) + kWindowRawBytes;
  const bool ends = raw_end <= folded_;
  // No character has more than four bytes; what has is no text, and must not make a window longer.
  const std::size_t most = index + 4 * count;
  const std::size_t last = std::min({most, all.size(), ends ? from_raw(raw_end) : all.size()});
  std::size_t at = index;
  if (!is_sparse() && hidden_before(index) != hidden_before(last)) {
    std::uint32_t hidden = hidden_before(index);
    for (auto place = place_from(index + 1); place != places_.end() && place->index <= last; ++place) {
      if (place->hidden == hidden) continue;
      at = count_off(all, at, place->index, count);
      if (at < place->index) return at;
      count -= std::min<std::size_t>(count, place->hidden - std::exchange(hidden, place->hidden));
    }
  }
  at = count_off(all, at, last, count);
  if (at < last || ends || last == most) return at;
  // Of what has not come yet, every byte may be a character.
  return all.size() + std::min(count, raw_end - folded_);
}

}  // namespace sb::policy
