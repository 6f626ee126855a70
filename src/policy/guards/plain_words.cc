#include "policy/guards/plain_words.h"

#include <algorithm>
#include <cstdint>

#include "policy/detect/bytes_class.h"
#include "policy/detect/fold.h"
#include "policy/detect/letters.h"

namespace sb::policy {
namespace {

bool is_word_byte(char c) {
  return is_a(static_cast<unsigned char>(c), kDigit | kUpper | kLower | kHigh);
}

// A word in two scripts is one in disguise; one that is all Cyrillic or Greek is a word of that language.
void append_word(std::string& out, std::string_view word) {
  const bool latin =
      std::ranges::any_of(word, [](char c) { return is_a(static_cast<unsigned char>(c), kUpper | kLower); });
  const bool other = std::ranges::any_of(word, [](char c) { return is_a(static_cast<unsigned char>(c), kHigh); });
  if (!latin || !other) {
    out += word;
    return;
  }
  for (std::size_t i = 0; i < word.size(); ++i) {
    const int lead = byte_of(word, i);
    const int next = byte_of(word, i + 1);
    const bool two_bytes = lead >= 0xc2 && lead < 0xe0 && next >= 0 && (next & 0xc0) == 0x80;
    const char alike =
        two_bytes ? latin_look_alike(static_cast<std::uint32_t>((lead & 0x1f) << 6 | (next & 0x3f))) : '\0';
    out += alike != '\0' ? alike : word[i];
    if (alike != '\0') ++i;
  }
}

// "<b>", "</em>": what a reader does not see. 0: none begins here.
std::size_t tag_bytes(std::string_view text) {
  constexpr std::size_t kLongest = 16;
  const auto end = text.substr(0, kLongest).find('>');
  if (end == std::string_view::npos || end < 2) return 0;
  const auto name = text.substr(1, end - 1);
  const auto fits = [](char c) { return is_a(static_cast<unsigned char>(c), kUpper | kLower | kDigit) || c == '/'; };
  return std::ranges::all_of(name, fits) ? end + 1 : 0;
}

}  // namespace

std::string plain_words(std::string_view text) {
  Fold fold;
  fold.assign(text, true);
  const std::string_view folded = fold.text();
  std::string out;
  out.reserve(folded.size());
  for (std::size_t i = 0; i < folded.size();) {
    if (is_word_byte(folded[i])) {
      std::size_t end = i + 1;
      while (end < folded.size() && is_word_byte(folded[end])) ++end;
      append_word(out, folded.substr(i, end - i));
      i = end;
      continue;
    }
    if (!out.empty() && out.back() != ' ') out += ' ';
    const auto tag = folded[i] == '<' ? tag_bytes(folded.substr(i)) : 0;
    i += tag > 0 ? tag : 1;
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

}  // namespace sb::policy
