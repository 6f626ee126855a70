#include "policy/tagger/token.h"

#include <algorithm>
#include <array>

#include "policy/detect/letters.h"

namespace sb::policy::tagger {
namespace {

enum class Kind : std::uint8_t { blank, mark, lower, upper, caseless, digit, underscore };

struct Character {
  std::uint32_t folded = 0;
  Kind kind = Kind::mark;
  bool accented = false;
  std::uint8_t bytes = 1;
};

constexpr std::array<Kind, 128> kAscii = [] {
  std::array<Kind, 128> out{};
  for (std::size_t c = 0; c < 128; ++c) {
    out[c] = c <= ' ' || c == 127   ? Kind::blank
             : c >= '0' && c <= '9' ? Kind::digit
             : c >= 'a' && c <= 'z' ? Kind::lower
             : c >= 'A' && c <= 'Z' ? Kind::upper
             : c == '_'             ? Kind::underscore
                                    : Kind::mark;
  }
  return out;
}();

Character classify(std::uint32_t point, std::uint8_t bytes) {
  if (point < kLatinBegin) return {point, point == 0xa0 || point == 0xad ? Kind::blank : Kind::mark, false, bytes};
  if (point < kLatinEnd) {
    const char base = kLatinBase[point - kLatinBegin];
    if (base == '*') return {point, Kind::mark, false, bytes};
    // Latin-1 has its capitals first; in Latin Extended-A they alternate, odd from U+0139 to U+0148 and from U+0179.
    const bool odd_capitals = (point >= 0x139 && point <= 0x148) || (point >= 0x179 && point <= 0x17e);
    const bool upper = point < 0xdf || (point >= 0x100 && point < 0x17f && ((point & 1) != 0) == odd_capitals);
    return {static_cast<std::uint32_t>(base), upper ? Kind::upper : Kind::lower, true, bytes};
  }
  if (point >= 0x391 && point <= 0x3a9) return {point + 0x20, Kind::upper, false, bytes};  // Greek
  if (point >= 0x3b1 && point <= 0x3ce) return {point, Kind::lower, false, bytes};
  if (point >= 0x410 && point <= 0x42f) return {point + 0x20, Kind::upper, false, bytes};  // Cyrillic
  if (point >= 0x400 && point <= 0x40f) return {point + 0x50, Kind::upper, false, bytes};
  if (point >= 0x430 && point <= 0x45f) return {point, Kind::lower, false, bytes};
  if (is_combining(point)) return {0, Kind::caseless, true, bytes};  // combining accents fold away
  if (point >= 0x2000 && point <= 0x200f) return {point, Kind::blank, false, bytes};
  if (point >= 0x2010 && point <= 0x2bff) return {point, Kind::mark, false, bytes};  // punctuation, arrows, signs
  if (point >= 0x3000 && point <= 0x303f) return {point, point == 0x3000 ? Kind::blank : Kind::mark, false, bytes};
  if (point >= 0xff01 && point <= 0xff0f) return {point, Kind::mark, false, bytes};
  if (point >= 0x1f000 || (point >= 0xe000 && point <= 0xf8ff)) return {point, Kind::mark, false, bytes};  // pictures
  return {point, Kind::caseless, false, bytes};
}

// Digits and Latin letters of other blocks count as the ASCII ones: full-width forms, Arabic and Indic digits.
Character classify_beyond(std::uint32_t point, std::uint8_t bytes) {
  for (const std::uint32_t zero : {0x660U, 0x6f0U, 0x966U, 0x9e6U, 0xff10U}) {
    if (point >= zero && point < zero + 10) return {'0', Kind::digit, false, bytes};
  }
  if (point >= 0xff21 && point <= 0xff3a) return {point - 0xff21 + 'a', Kind::upper, false, bytes};
  if (point >= 0xff41 && point <= 0xff5a) return {point - 0xff41 + 'a', Kind::lower, false, bytes};
  return classify(point, bytes);
}

[[gnu::noinline]] Character read_wide(std::string_view text, std::size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const std::size_t need = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + need > text.size()) return {first, Kind::mark, false, 1};
  std::uint32_t point = first & (0xffU >> (need + 1));
  for (std::size_t i = 1; i < need; ++i) {
    const auto byte = static_cast<unsigned char>(text[at + i]);
    if ((byte & 0xc0) != 0x80) return {first, Kind::mark, false, 1};
    point = point << 6 | (byte & 0x3fU);
  }
  return classify_beyond(point, static_cast<std::uint8_t>(need));
}

inline Character read(std::string_view text, std::size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  if (first >= 0x80) return read_wide(text, at);
  const Kind kind = kAscii[first];
  return {kind == Kind::upper ? first + 32U : kind == Kind::digit ? '0' : first, kind, false, 1};
}

constexpr std::uint32_t add(std::uint32_t hash, std::uint32_t value) {
  return (hash ^ value) * 0x01000193U;
}

constexpr std::uint32_t finish(std::uint32_t hash) {
  hash ^= hash >> 15;
  hash *= 0x2c1b3c6dU;
  return hash ^ hash >> 13;
}

constexpr std::uint32_t kSeed = 0x811c9dc5U;

struct Counts {
  std::uint32_t upper = 0, lower = 0, caseless = 0, digits = 0;
  bool underscore = false;
};

Shape shape_of(const Counts& n, Kind first) {
  const std::uint32_t letters = n.upper + n.lower + n.caseless;
  if (n.underscore) return Shape::identifier;
  if (n.digits > 0) {
    if (letters > 0) return first == Kind::digit ? Shape::digit_first : Shape::letter_first;
    return static_cast<Shape>(static_cast<std::uint32_t>(Shape::digits1) + std::min(n.digits, 7U) - 1);
  }
  if (n.upper == 0) return n.lower > 0 ? Shape::lower : Shape::caseless;
  if (n.upper == 1 && first == Kind::upper) return letters == 1 ? Shape::initial : Shape::capitalised;
  return n.lower == 0 ? Shape::upper : Shape::mixed;
}

// Folded characters of a word: the first and the last few are all that affixes need.
class Affixes {
 public:
  void push(std::uint32_t folded) {
    if (size_ < 4) head_[size_] = folded;
    tail_[size_ & 3] = folded;
    ++size_;
  }
  std::uint32_t prefix(std::uint32_t n) const {
    std::uint32_t hash = kSeed + n;
    for (std::uint32_t i = 0; i < std::min(n, size_); ++i) hash = add(hash, head_[i]);
    return finish(hash);
  }
  std::uint32_t suffix(std::uint32_t n) const {
    std::uint32_t hash = kSeed + 8 + n;
    for (std::uint32_t i = size_ - std::min(n, size_); i < size_; ++i) hash = add(hash, tail_[i & 3]);
    return finish(hash);
  }

 private:
  std::array<std::uint32_t, 4> head_{};
  std::array<std::uint32_t, 4> tail_{};
  std::uint32_t size_ = 0;
};

constexpr bool in_word(Kind kind) {
  return kind > Kind::mark;
}

// What the bytes of an ASCII word add up to: how many of each kind, in lanes of twelve bits. Longer words than those
// hold are overlong, whatever they are made of.
struct AsciiByte {
  std::uint8_t folded;
  std::uint64_t lane;  // 0: no part of a word
};
constexpr unsigned kLaneBits = 12;
constexpr std::uint64_t lane_of(Kind kind) {
  return in_word(kind) ? std::uint64_t{1} << kLaneBits * (static_cast<unsigned>(kind) - 2) : 0;
}
constexpr std::uint32_t lane(std::uint64_t lanes, Kind kind) {
  return static_cast<std::uint32_t>(lanes / lane_of(kind)) & ((1U << kLaneBits) - 1);
}
constexpr std::array<AsciiByte, 128> kAsciiBytes = [] {
  std::array<AsciiByte, 128> out{};
  for (std::uint8_t c = 0; c < 128; ++c) {
    const Kind kind = kAscii[c];
    const int folded = kind == Kind::upper ? c + 32 : kind == Kind::digit ? '0' : c;
    out[c] = {static_cast<std::uint8_t>(folded), lane_of(kind)};
  }
  return out;
}();

// Most words: letters and digits of ASCII alone. False where it is another, which read_token then reads.
bool read_ascii_word(std::string_view text, std::size_t begin, Token& token) {
  std::uint32_t hash = kSeed;
  std::uint64_t lanes = 0;
  std::size_t at = begin;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (; at < text.size(); ++at) {
    if (byte(at) >= 0x80) return false;
    const AsciiByte& one = kAsciiBytes[byte(at)];
    if (one.lane == 0) break;
    hash = add(hash, one.folded);
    lanes += one.lane;
  }
  const auto length = static_cast<std::uint32_t>(at - begin);
  if (length == 0 || length > kMaxTokenBytes) return false;
  const auto affix = [&](std::uint32_t seed, std::size_t from, std::uint32_t size) {
    std::uint32_t affix_hash = kSeed + seed;
    for (std::uint32_t i = 0; i < size; ++i) affix_hash = add(affix_hash, kAsciiBytes[byte(from + i)].folded);
    return finish(affix_hash);
  };
  const auto set_affixes = [&](std::uint32_t two, std::uint32_t three, std::uint32_t four) {
    token.prefix3 = affix(3, begin, three);
    token.prefix4 = affix(4, begin, four);
    token.suffix2 = affix(8 + 2, at - two, two);
    token.suffix3 = affix(8 + 3, at - three, three);
    token.suffix4 = affix(8 + 4, at - four, four);
  };
  if (length >= 4)
    set_affixes(2, 3, 4);  // no loop's end to guess
  else
    set_affixes(std::min(length, 2U), std::min(length, 3U), length);
  token.begin = static_cast<std::uint32_t>(begin);
  token.end = static_cast<std::uint32_t>(at);
  token.word = finish(hash);
  token.length = static_cast<std::uint8_t>(length);
  token.shape = shape_of({lane(lanes, Kind::upper), lane(lanes, Kind::lower), 0, lane(lanes, Kind::digit),
                          lane(lanes, Kind::underscore) != 0},
                         kAscii[byte(begin)]);
  return true;
}

// The token without gap, from a byte that is no blank. REQUIRES: `token` is new.
void read_token(std::string_view text, std::size_t at, Token& token) {
  if (read_ascii_word(text, at, token)) return;
  token.begin = static_cast<std::uint32_t>(at);
  Character c = read(text, at);
  const Kind first = c.kind;
  if (!in_word(first)) {
    token.end = token.begin + c.bytes;
    token.word = token.prefix3 = token.prefix4 = token.suffix2 = token.suffix3 = token.suffix4 =
        finish(add(kSeed, c.folded));
    token.shape = Shape::mark;
    token.length = 1;
    return;
  }
  Counts counts;
  Affixes affixes;
  std::uint32_t hash = kSeed;
  std::uint32_t length = 0;
  while (in_word(c.kind)) {
    if (c.folded != 0) hash = add(hash, c.folded), affixes.push(c.folded);
    counts.upper += c.kind == Kind::upper;
    counts.lower += c.kind == Kind::lower;
    counts.caseless += c.kind == Kind::caseless;
    counts.digits += c.kind == Kind::digit;
    counts.underscore = counts.underscore || c.kind == Kind::underscore;
    token.accented = token.accented || c.accented;
    at += c.bytes;
    ++length;
    if (at >= text.size()) break;
    c = read(text, at);
  }
  token.end = static_cast<std::uint32_t>(at);
  token.word = finish(hash);
  token.prefix3 = affixes.prefix(3);
  token.prefix4 = affixes.prefix(4);
  token.suffix2 = affixes.suffix(2);
  token.suffix3 = affixes.suffix(3);
  token.suffix4 = affixes.suffix(4);
  token.length = static_cast<std::uint8_t>(std::min(length, 255U));
  token.shape = token.end - token.begin > kMaxTokenBytes ? Shape::overlong : shape_of(counts, first);
}

// next_token into a new `token`.
void read_next(std::string_view text, std::size_t at, Token& token) {
  const std::size_t from = at;
  bool line = false;
  while (at < text.size()) {
    const Character c = read(text, at);
    if (c.kind != Kind::blank) break;
    line = line || text[at] == '\n';
    at += c.bytes;
  }
  if (at == text.size()) {
    token.begin = token.end = static_cast<std::uint32_t>(at);
    return;
  }
  read_token(text, at, token);
  token.gap = line ? Gap::line : at == from ? Gap::none : at == from + 1 ? Gap::blank : Gap::blanks;
}

}  // namespace

Token next_token(std::string_view text, std::size_t at) {
  Token token;
  read_next(text, at, token);
  return token;
}

void tokenise(std::string_view text, std::vector<Token>& out, std::uint32_t field) {
  out.clear();
  std::size_t last = std::string_view::npos;  // the last token that is no mark
  std::uint32_t field_begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    Token& token = out.emplace_back();
    read_next(text, at, token);
    if (token.shape == Shape::none) return out.pop_back();
    at = token.end;
    if (token.shape != Shape::mark) {
      last = out.size() - 1;
    } else if (const char c = text[token.begin]; c == ':' || c == '=' || c == '>') {
      const Token key = last < out.size() ? out[last] : Token();
      field = key.shape == Shape::none || key.shape == Shape::overlong
                  ? 0
                  : key_hash(text.substr(key.begin, key.end - key.begin));
      field_begin = key.begin;
    }
    token.field = field;
    token.field_begin = field_begin;
  }
}

std::uint32_t key_hash(std::string_view key) {
  const auto is_lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  for (std::size_t i = key.size(); i-- > 1;) {
    if (key[i - 1] == '_' || (is_upper(key[i]) && is_lower(key[i - 1]))) return word_hash(key.substr(i));
  }
  return word_hash(key);
}

std::uint32_t word_hash(std::string_view word) {
  const Token token = next_token(word, 0);
  return token.begin == 0 && token.end == word.size() && token.shape != Shape::none ? token.word : 0;
}

}  // namespace sb::policy::tagger
