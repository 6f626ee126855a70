#include "triage/kept_words.h"

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace sb::triage {
namespace {

using Words = std::unordered_set<std::string_view>;

// Not on it though it looks harmless: how, what (what a thing is and how it goes are two questions), you and your
// (whose name?), will, did, was (when?), from, in, on, up, out, off (which way?), see, find, get (it may be what cannot
// be done), and, or, if, only, again, yet, should.
const Words& free_words() {
  static const Words words{
      "a",        "an",       "the",    "i",     "me",      "my",        "mine",  "im",    "ive",  "it",
      "its",      "this",     "that",   "these", "those",   "am",        "is",    "are",   "be",   "been",
      "being",    "do",       "does",   "has",   "have",    "having",    "can",   "could", "able", "would",
      "possible", "please",   "pls",    "plz",   "hey",     "hi",        "hello", "ok",    "okay", "thanks",
      "to",       "of",       "for",    "at",    "by",      "with",      "about", "as",    "also", "just",
      "really",   "actually", "simply", "maybe", "perhaps", "kindly",    "there", "tell",  "show", "explain",
      "know",     "need",     "want",   "wanna", "wonder",  "wondering", "some",  "any"};
  return words;
}

// Where one of these stands, the others may be what is spoken of.
const Words& words_about_words() {
  static const Words words{"say",        "spell",     "mean",        "meaning",   "means",  "define",
                           "definition", "translate", "translation", "pronounce", "word",   "words",
                           "synonym",    "rhyme",     "write",       "sentence",  "phrase", "message",
                           "text",       "tweet",     "call",        "called",    "name",   "named",
                           "sing",       "remind",    "note",        "search",    "google", "play"};
  return words;
}

constexpr std::string_view kMarks = "$%+#&*=<>@~^|\\_";
constexpr std::string_view kQuoting = "\"`:;{}<>\n";
constexpr std::array<std::string_view, 5> kQuotes{"\u201c", "\u201d", "\u201e", "\u00ab", "\u00bb"};
constexpr std::string_view kApostrophe = "\u2019";

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return is_upper(c) || is_lower(c) || static_cast<unsigned char>(c) >= 0x80;
}

struct Word {
  std::string_view text;
  std::string lower;
  bool begins = false;  ///< a sentence
};

// Runs of letters (with apostrophes inside), numbers as they are written, single marks.
std::vector<Word> split_words(std::string_view text) {
  std::vector<Word> out;
  bool begins = true;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t from = at;
    const auto next_is = [&](auto kind) { return at + 1 < text.size() && kind(text[at + 1]); };
    if (is_letter(text[at])) {
      while (at < text.size() && (is_letter(text[at]) || (text[at] == '\'' && next_is(is_letter)))) ++at;
    } else if (is_digit(text[at]) || (text[at] == '-' && next_is(is_digit) && (at == 0 || text[at - 1] == ' '))) {
      do ++at;
      while (at < text.size() &&
             (is_digit(text[at]) || (std::string_view(".,:/-").contains(text[at]) && next_is(is_digit))));
    } else {
      begins = begins || std::string_view(".?!").contains(text[at]);
      if (!kMarks.contains(text[at++])) continue;
    }
    const auto word = text.substr(from, at - from);
    out.push_back({word, to_lower(word), std::exchange(begins, false)});
  }
  return out;
}

bool speaks_of_words(std::string_view text, const std::vector<Word>& words) {
  return text.find_first_of(kQuoting) != text.npos ||
         std::ranges::any_of(kQuotes, [&](std::string_view quote) { return text.contains(quote); }) ||
         std::ranges::any_of(words, [](const Word& word) { return words_about_words().contains(word.lower); });
}

// "can you", "would you", "thank you": they ask, whatever is asked.
bool is_asking(const std::vector<Word>& words, std::size_t at) {
  static const Words asking{"can", "could", "would", "will", "thank"};
  return at + 1 < words.size() && words[at + 1].lower == "you" && asking.contains(words[at].lower);
}

// "China" and "china", "US" and "us". A sentence's first word has a capital whatever it is, unless it has several.
bool is_name(const Word& word) {
  const auto capitals = std::ranges::count_if(word.text, is_upper);
  return capitals > 1 || (capitals == 1 && !word.begins);
}

void keep(std::string& out, std::string_view word) {
  if (!out.empty()) out += ' ';
  out += word;
}

// "don't" is do and not, "i'll" is i and will; other endings say nothing.
void keep_contracted(std::string& out, std::string_view word) {
  const auto apostrophe = word.find('\'');
  const auto ending = word.substr(apostrophe + 1);
  auto stem = word.substr(0, apostrophe);
  const bool negated = ending == "t" && stem.ends_with('n');
  if (negated && stem != "can") stem.remove_suffix(1);
  if (stem == "wo") stem = "will";
  if (!free_words().contains(stem)) keep(out, stem);
  if (negated) keep(out, "not");
  if (ending == "ll") keep(out, "will");
  if (ending != "t" && ending != "ll" && ending != "s" && ending != "d" && ending != "m" && ending != "re" &&
      ending != "ve")
    keep(out, ending);
}

std::string with_plain_apostrophes(std::string_view text) {
  std::string out(text);
  for (auto at = out.find(kApostrophe); at != out.npos; at = out.find(kApostrophe, at))
    out.replace(at, kApostrophe.size(), "'");
  return out;
}

}  // namespace

std::string kept_words(std::string_view given) {
  const std::string text = with_plain_apostrophes(given);
  const auto words = split_words(text);
  const bool all = speaks_of_words(text, words);
  const bool shouts = std::ranges::none_of(text, is_lower);
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const Word& word = words[i];
    if (all) {
      keep(out, word.lower);
    } else if (is_asking(words, i)) {
      ++i;
    } else if (word.text.contains('\'')) {
      keep_contracted(out, word.lower);
    } else if (word.lower == "cannot") {
      keep(out, "not");
    } else if (word.lower == "i" || !is_name(word) || shouts) {
      if (!free_words().contains(word.lower)) keep(out, word.lower);
    } else {
      keep(out, word.text);
    }
  }
  return out;
}

}  // namespace sb::triage
