#include <algorithm>
#include <array>

#include "policy/detect/builtin.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/numbers.h"

namespace sb::policy {
namespace {

// A blank in a phrase is a blank or a hyphen in the text; ASCII letters in either case.
constexpr std::string_view kBehind[] = {"year old",      "years old",   "yr old",      "yrs old",  "years of age",
                                        "y/o",           "yo",          "jahre alt",   "jahr alt", "años de edad",
                                        "anos de idade", "anni di età", "ans révolus", "jaar oud", "år gammal",
                                        "vuotta vanha"};
constexpr std::string_view kBefore[] = {"age",         "aged",         "age of",    "age is", "alter",  "alter von",
                                        "âgé de",      "edad",         "edad de",   "età",    "età di", "âgée de",
                                        "leeftijd",    "wiek",         "idade",     "ålder",  "âge de", "âge",
                                        "when he was", "when she was", "when i was"};
// Before other things too ("turn 90 degrees"): only at a clause's end.
constexpr std::string_view kTurns[] = {"turn", "turns", "turned", "turning"};
constexpr std::size_t kLongest = 16;

// What phrases begin with, and what they end with: most numbers have other words around them.
template <std::size_t kCount, class Which>
constexpr ByteSet bytes_of(const std::string_view (&phrases)[kCount], Which which) {
  std::array<char, kCount> bytes{};
  std::ranges::transform(phrases, bytes.begin(), which);
  return ByteSet(bytes);
}
constexpr ByteSet kBehindBegins = bytes_of(kBehind, [](std::string_view phrase) { return phrase.front(); });
constexpr ByteSet kBeforeEnds = bytes_of(kBefore, [](std::string_view phrase) { return phrase.back(); });
constexpr ByteSet kTurnEnds = bytes_of(kTurns, [](std::string_view phrase) { return phrase.back(); });

bool stands_at(ScanWindow& window, std::size_t at, std::string_view phrase) {
  for (const char c : phrase) {
    const int byte = window.at(at++);
    if (c == ' ' ? byte != ' ' && byte != '-' : to_lower(byte) != static_cast<unsigned char>(c)) return false;
  }
  return !is_a(window.at(at), kDigit | kUpper | kLower | kHigh);
}

// The last few words before `end`, in lower case.
struct Before {
  std::array<char, kLongest> bytes;
  std::size_t size = 0;
  bool whole = false;  // nothing stands before them

  Before(std::string_view text, std::size_t end) {
    size = std::min(end, kLongest);
    whole = size == end;
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(to_lower(byte_of(text, end - size + i)));
  }
  bool ends_with(std::string_view phrase) const {
    const std::string_view all(bytes.data(), size);
    if (!all.ends_with(phrase)) return false;
    const std::size_t begin = size - phrase.size();
    return begin == 0 ? whole
                      : !is_a(byte_of(all, begin - 1), kUpper | kLower | kHigh | kDigit) && all[begin - 1] != '_';
  }
};

// Where the words before a number end.
std::size_t without_marks(std::string_view text, std::size_t end) {
  static constexpr ByteSet kMarks(" :=");
  for (int marks = 0; marks < 3 && end > 0 && kMarks.has(byte_of(text, end - 1)); ++marks) --end;
  return end;
}

bool ends_clause(ScanWindow& window, std::size_t end) {
  static constexpr ByteSet kEnds(".,;!?)\"\n\r");
  const int next = window.at(end);
  return next == ScanWindow::kEnd || (kEnds.has(next) && !is_digit(window.at(end + 1)));
}

}  // namespace

void classify_age(ScanWindow& window, std::size_t at, const Number& first, Findings& out) {
  const auto text = window.text();
  if (at > 0 && is_a(byte_of(text, at - 1), kDigit | kUpper | kLower | kHigh)) return;
  if (first.digits > 3 || first.value == 0 || first.value > 120 || text[at] == '0') return;
  const std::size_t end = first.end;
  const int next = window.at(end);
  const std::size_t word = end + (next == ' ' || next == '-' ? 1 : 0);
  if (kBehindBegins.has(to_lower(window.at(word)))) {
    const auto named = [&](std::string_view phrase) { return stands_at(window, word, phrase); };
    if (std::ranges::any_of(kBehind, named)) out.push_back({kAgeType, "age", "years_old", {at, end}, 0.75F});
  }
  if (is_letter(next)) return;
  if (next == '%' || next == '_' || next == '/' || next == '-' || next == ':') return;
  if ((next == '.' || next == ',') && is_digit(window.at(end + 1))) return;
  const std::size_t words_end = without_marks(text, at);
  const int last = words_end == 0 ? ScanWindow::kEnd : to_lower(byte_of(text, words_end - 1));
  if (!kBeforeEnds.has(last) && !kTurnEnds.has(last)) return;
  const Before before(text, words_end);
  const auto leads = [&](std::string_view phrase) { return before.ends_with(phrase); };
  if (std::ranges::any_of(kBefore, leads))
    out.push_back({kAgeType, "age", "at_the_age_of", {at, end}, 0.65F});
  else if (std::ranges::any_of(kTurns, leads) && ends_clause(window, end))
    out.push_back({kAgeType, "age", "turned", {at, end}, 0.55F});
}

}  // namespace sb::policy
