#include "policy/guards/plain_words.h"

#include <algorithm>
#include <utility>

#include "policy/detect/bytes_class.h"
#include "policy/detect/fold.h"

namespace sb::policy {
namespace {

bool is_word_byte(char c) {
  return is_a(static_cast<unsigned char>(c), kDigit | kUpper | kLower | kHigh);
}

// Cyrillic and Greek letters that nobody tells from Latin ones (Unicode Technical Standard 39, confusables).
constexpr std::pair<std::string_view, char> kLookAlikes[] = {
    {"а", 'a'}, {"с", 'c'}, {"е", 'e'}, {"һ", 'h'}, {"і", 'i'}, {"ј", 'j'}, {"к", 'k'}, {"м", 'm'},
    {"о", 'o'}, {"р", 'p'}, {"ѕ", 's'}, {"т", 't'}, {"у", 'y'}, {"х", 'x'}, {"ԁ", 'd'}, {"ԛ", 'q'},
    {"ԝ", 'w'}, {"А", 'A'}, {"В", 'B'}, {"С", 'C'}, {"Е", 'E'}, {"Н", 'H'}, {"І", 'I'}, {"Ј", 'J'},
    {"К", 'K'}, {"М", 'M'}, {"О", 'O'}, {"Р", 'P'}, {"Ѕ", 'S'}, {"Т", 'T'}, {"У", 'Y'}, {"Х", 'X'},
    {"α", 'a'}, {"ε", 'e'}, {"ι", 'i'}, {"κ", 'k'}, {"ν", 'v'}, {"ο", 'o'}, {"ρ", 'p'}, {"τ", 't'},
    {"υ", 'u'}, {"χ", 'x'}, {"Α", 'A'}, {"Β", 'B'}, {"Ε", 'E'}, {"Ζ", 'Z'}, {"Η", 'H'}, {"Ι", 'I'},
    {"Κ", 'K'}, {"Μ", 'M'}, {"Ν", 'N'}, {"Ο", 'O'}, {"Ρ", 'P'}, {"Τ", 'T'}, {"Υ", 'Y'}, {"Χ", 'X'}};

// A word in two scripts is one in disguise; one that is all Cyrillic or Greek is a word of that language.
void append_word(std::string& out, std::string_view word) {
  const bool latin =
      std::ranges::any_of(word, [](char c) { return is_a(static_cast<unsigned char>(c), kUpper | kLower); });
  const bool other = std::ranges::any_of(word, [](char c) { return is_a(static_cast<unsigned char>(c), kHigh); });
  if (!latin || !other) {
    out += word;
    return;
  }
  while (!word.empty()) {
    const auto* same = std::ranges::find_if(kLookAlikes, [&](const auto& one) { return word.starts_with(one.first); });
    const bool found = same != std::end(kLookAlikes);
    out += found ? same->second : word.front();
    word.remove_prefix(found ? same->first.size() : 1);
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
