#include "triage/encoder/wordpiece.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"

namespace sb::triage {
namespace {

constexpr std::size_t kMaxWordBytes = 100;

// One character from the front of `text`; U+FFFD for a byte that begins none.
char32_t next_character(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t size = first < 0x80   ? 1
                           : first < 0xc2 ? 0
                           : first < 0xe0 ? 2
                           : first < 0xf0 ? 3
                           : first < 0xf5 ? 4
                                          : 0;
  char32_t value = size == 1 ? first : first & (0xffU >> (size + 1));
  bool good = size > 0 && size <= text.size();
  for (std::size_t i = 1; good && i < size; ++i) {
    good = (byte(i) & 0xc0) == 0x80;
    value = value << 6 | (byte(i) & 0x3f);
  }
  text.remove_prefix(good ? size : 1);
  return good ? value : 0xfffd;
}

void append_utf8(char32_t c, std::string& out) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | c >> 6), put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12), put(0x80 | (c >> 6 & 0x3f)), put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | c >> 18), put(0x80 | (c >> 12 & 0x3f)), put(0x80 | (c >> 6 & 0x3f)), put(0x80 | (c & 0x3f));
  }
}

// U+00C0..U+017F without accents, small; '.' where the letter is none with an accent (ß, æ, ø ...): it stays.
constexpr std::string_view kPlain =
    "aaaaaa.ceeeeiiii.nooooo..uuuuy..aaaaaa.ceeeeiiii.nooooo..uuuuy.y"
    "aaaaaaccccccccdd..eeeeeeeeeegggggggghh..iiiiiiiii...jjkk.llllll."
    "...nnnnnn...oooooo..rrrrrrsssssssstttt..uuuuuuuuuuuuwwyyyzzzzzz.";
static_assert(kPlain.size() == 0x180 - 0xc0);

// Lower case for the alphabets whose capitals lie a fixed way off, accents off for Latin; others stay as they are.
char32_t fold(char32_t c) {
  if (c >= 'A' && c <= 'Z') return c + 32;
  if (c >= 0xc0 && c < 0x180) {
    const char plain = kPlain[c - 0xc0];
    if (plain != '.') return static_cast<unsigned char>(plain);
    return c < 0xdf && c != 0xd7 ? c + 32 : c == 0x152 ? 0x153 : c == 0x110 || c == 0x126 || c == 0x141 ? c + 1 : c;
  }
  if ((c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f)) return c + 32;
  if (c >= 0x400 && c <= 0x40f) return c + 80;
  return c;
}

bool is_blank(char32_t c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x202f || c == 0x205f || c == 0x3000;
}

// Neither seen nor a border: control and format characters, combining accents.
bool is_dropped(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || (c >= 0x300 && c < 0x370) ||
         (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) || c == 0xfeff || c == 0xfffd ||
         (c >= 0xfe00 && c <= 0xfe0f);
}

bool stands_alone(char32_t c) {
  if (c < 0x80) return c > ' ' && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z');
  return c == 0xa1 || c == 0xa7 || c == 0xab || c == 0xb6 || c == 0xb7 || c == 0xbb || c == 0xbf ||
         (c >= 0x2010 && c <= 0x2027) || (c >= 0x2030 && c <= 0x205e) || (c >= 0x3001 && c <= 0x3003) ||
         (c >= 0x3008 && c <= 0x3011) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x4e00 && c <= 0x9fff) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0xff01 && c <= 0xff0f) || (c >= 0x20000 && c <= 0x2fa1f);
}

}  // namespace

Result<WordPiece> WordPiece::from_vocabulary(std::string vocabulary) {
  WordPiece out;
  out.text_ = std::make_shared<const std::string>(std::move(vocabulary));
  for (auto line : sb::split(*out.text_, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    const auto id = static_cast<std::uint32_t>(out.count_++);
    if (line.starts_with("##") && line.size() > 2) {
      out.inner_.emplace(line.substr(2), id);
    } else if (!line.empty()) {
      out.starts_.emplace(line, id);
    }
  }
  if (out.text_->ends_with('\n')) --out.count_;
  for (const auto& [name, id] : {std::pair{"[CLS]", &out.cls_}, {"[SEP]", &out.sep_}, {"[UNK]", &out.unk_}}) {
    const auto found = out.starts_.find(name);
    if (found == out.starts_.end()) return fail(Errc::corrupt, fmt::format("the vocabulary has no piece {}", name));
    *id = found->second;
  }
  return out;
}

void WordPiece::split(std::string_view text, std::size_t limit, Pieces& out) const {
  out.ids.assign(1, cls_);
  out.unknown = 0;
  out.truncated = false;
  std::string word;
  const auto end_word = [&] {
    const bool fits = word.empty() || add_word(word, limit - 1, out);
    word.clear();
    out.truncated = !fits;
    return fits;
  };
  while (!text.empty()) {
    const char32_t c = next_character(text);
    if (is_blank(c)) {
      if (!end_word()) break;
    } else if (is_dropped(c)) {
      continue;
    } else if (stands_alone(c)) {
      if (!end_word()) break;
      append_utf8(c, word);
      if (!end_word()) break;
    } else {
      append_utf8(fold(c), word);
    }
  }
  if (!out.truncated) end_word();
  out.ids.push_back(sep_);
}

// False: no room for all of its pieces; `out` then holds those that fitted.
bool WordPiece::add_word(std::string_view word, std::size_t limit, Pieces& out) const {
  const std::size_t before = out.ids.size();
  const auto unknown = [&] {
    out.ids.resize(before);
    if (before == limit) return false;
    out.ids.push_back(unk_);
    ++out.unknown;
    return true;
  };
  if (word.size() > kMaxWordBytes) return unknown();
  for (std::size_t begin = 0; begin < word.size();) {
    const Map& pieces = begin == 0 ? starts_ : inner_;
    std::size_t end = word.size();
    auto found = pieces.find(word.substr(begin, end - begin));
    while (found == pieces.end() && end > begin + 1) found = pieces.find(word.substr(begin, --end - begin));
    if (found == pieces.end()) return unknown();
    if (out.ids.size() == limit) return false;
    out.ids.push_back(found->second);
    begin = end;
  }
  return true;
}

}  // namespace sb::triage
