#include <algorithm>
#include <array>

#include "policy/detect/builtin.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/numbers.h"
#include "policy/detect/packed_words.h"

namespace sb::policy {
namespace {

struct Month {
  std::string_view name;
  int number;
};

// Whole names and the usual abbreviations: English, German, French, Spanish, Italian, Dutch, Portuguese, Polish.
constexpr Month kMonths[] = {
    {"jan", 1},       {"january", 1},   {"januar", 1},    {"janvier", 1},    {"enero", 1},     {"gennaio", 1},
    {"januari", 1},   {"janeiro", 1},   {"stycznia", 1},  {"feb", 2},        {"february", 2},  {"februar", 2},
    {"février", 2},   {"febrero", 2},   {"febbraio", 2},  {"februari", 2},   {"fevereiro", 2}, {"lutego", 2},
    {"mar", 3},       {"march", 3},     {"märz", 3},      {"mars", 3},       {"marzo", 3},     {"maart", 3},
    {"março", 3},     {"marca", 3},     {"apr", 4},       {"april", 4},      {"avril", 4},     {"abril", 4},
    {"aprile", 4},    {"kwietnia", 4},  {"may", 5},       {"mai", 5},        {"mayo", 5},      {"maggio", 5},
    {"mei", 5},       {"maio", 5},      {"maja", 5},      {"jun", 6},        {"june", 6},      {"juni", 6},
    {"juin", 6},      {"junio", 6},     {"giugno", 6},    {"junho", 6},      {"czerwca", 6},   {"jul", 7},
    {"july", 7},      {"juli", 7},      {"juillet", 7},   {"julio", 7},      {"luglio", 7},    {"julho", 7},
    {"lipca", 7},     {"aug", 8},       {"august", 8},    {"août", 8},       {"agosto", 8},    {"augustus", 8},
    {"sierpnia", 8},  {"sep", 9},       {"sept", 9},      {"september", 9},  {"septembre", 9}, {"septiembre", 9},
    {"settembre", 9}, {"setembro", 9},  {"września", 9},  {"oct", 10},       {"okt", 10},      {"october", 10},
    {"oktober", 10},  {"octobre", 10},  {"octubre", 10},  {"ottobre", 10},   {"outubro", 10},  {"października", 10},
    {"nov", 11},      {"november", 11}, {"novembre", 11}, {"noviembre", 11}, {"novembro", 11}, {"listopada", 11},
    {"dec", 12},      {"dez", 12},      {"december", 12}, {"dezember", 12},  {"décembre", 12}, {"diciembre", 12},
    {"dicembre", 12}, {"dezembro", 12}, {"grudnia", 12},
};

constexpr std::string_view kWeekdays[] = {"monday",   "tuesday",    "wednesday", "thursday", "friday",
                                          "saturday", "sunday",     "montag",    "dienstag", "mittwoch",
                                          "freitag",  "donnerstag", "samstag",   "sonntag"};
constexpr std::string_view kDigitWords[] = {"zero", "one",   "two",   "three", "four",  "five",
                                            "six",  "seven", "eight", "nine",  "double"};
constexpr PackedWords kPackedDigitWords(kDigitWords);

// The word at `at`, in lower case; its end. Empty where it is longer than `word`.
std::string_view read_word(ScanWindow& window, std::size_t at, std::array<char, 16>& word, std::size_t& end) {
  std::size_t size = 0;
  for (end = at; is_a(window.at(end), kUpper | kLower | kHigh); ++end) {
    if (size == word.size()) return {};
    word[size++] = static_cast<char>(to_lower(window.at(end)));
  }
  return {word.data(), size};
}

constexpr std::size_t word_slot(std::string_view word) {
  return static_cast<std::size_t>(word[0] & 31) * 16 + word.size() - 1;
}
constexpr auto kMonthsBySlot = [] {
  auto months = std::to_array(kMonths);
  std::ranges::sort(months, {}, [](const Month& month) { return word_slot(month.name); });
  return months;
}();

// By first letter and length: which months, whether a weekday, a digit is called so. A look that ends the search for
// most words.
struct WordSlot {
  std::uint8_t months_begin = 0;  // in kMonthsBySlot
  std::uint8_t months_end = 0;
  bool weekday = false;
  bool digit = false;
};
constexpr auto kWordSlots = [] {
  std::array<WordSlot, 32 * 16> slots{};
  for (std::uint8_t i = 0; i < kMonthsBySlot.size(); ++i) {
    auto& slot = slots[word_slot(kMonthsBySlot[i].name)];
    if (slot.months_end == 0) slot.months_begin = i;
    slot.months_end = i + 1;
  }
  for (const auto day : kWeekdays) slots[word_slot(day)].weekday = true;
  for (const auto digit : kDigitWords) slots[word_slot(digit)].digit = true;
  return slots;
}();

int month_of(std::string_view word) {
  if (word.size() < 3) return 0;
  const WordSlot& slot = kWordSlots[word_slot(word)];
  for (std::size_t i = slot.months_begin; i < slot.months_end; ++i) {
    if (kMonthsBySlot[i].name == word) return kMonthsBySlot[i].number;
  }
  return 0;
}

int month_at(ScanWindow& window, std::size_t at, std::size_t& end) {
  std::array<char, 16> buffer;
  const auto word = read_word(window, at, buffer, end);
  return month_of(word);
}

bool is_year(const Number& n) {
  return n.digits == 4 && n.value >= 1800 && n.value < 2200;
}
bool is_day(const Number& n) {
  return n.digits >= 1 && n.digits <= 2 && n.value >= 1 && n.value <= 31;
}
bool day_and_month(const Number& a, const Number& b) {
  return is_day(a) && is_day(b) && (a.value <= 12 || b.value <= 12);
}

void report(ScanWindow& window, std::size_t start, std::size_t end, std::string_view rule, float score, Findings& out) {
  const bool birth = window.context(start).says(topic::birth);
  out.push_back({birth ? kBirthType : kDateType, "date", rule, {start, end}, birth ? std::max(score, 0.9F) : score});
}

// "T14:30:00.500+02:00", " 05:25:08", behind a date that ends at `end`.
std::size_t with_time(ScanWindow& window, std::size_t end) {
  if (window.at(end) != 'T' && window.at(end) != ' ') return end;
  Number part = number_at(window, end + 1);
  if (part.digits != 2 || part.value > 24 || window.at(part.end) != ':') return end;
  part = number_at(window, part.end + 1);
  if (part.digits != 2 || part.value > 59) return end;
  std::size_t i = part.end;
  if (window.at(i) == ':') {
    part = number_at(window, i + 1);
    if (part.digits == 2) i = part.end;
    if (window.at(i) == '.') {
      std::size_t fraction = i + 1;
      while (fraction - i < 10 && is_digit(window.at(fraction))) ++fraction;
      if (fraction > i + 1) i = fraction;
    }
  }
  if (window.at(i) == 'Z') return i + 1;
  if ((window.at(i) == '+' || window.at(i) == '-') && number_at(window, i + 1).digits == 2 && window.at(i + 3) == ':' &&
      number_at(window, i + 4).digits == 2) {
    return i + 6;
  }
  return i;
}

bool ends_date(ScanWindow& window, std::size_t end, char mark) {
  const int next = window.at(end);
  if (is_a(next, kDigit | kUpper | kLower) || next == '%' || next == '_') return false;
  return !((next == mark || next == '/' || next == '-' || next == '.' || next == ',') && is_digit(window.at(end + 1)));
}

// "5-20-2021", "07.03.1981", "21/5/21", "2024-01-31", and "5/21", "05/2021".
bool numeric_date(ScanWindow& window, std::size_t at, const Number& first, Findings& out) {
  const int mark = window.at(first.end);
  if (mark != '-' && mark != '/' && mark != '.') return false;
  const Number second = number_at(window, first.end + 1);
  if (second.digits == 0) return false;
  if (window.at(second.end) == mark) {
    const Number third = number_at(window, second.end + 1);
    const bool year_first = is_year(first) && day_and_month(second, third) && second.value <= 12;
    const bool year_last = day_and_month(first, second) && is_year(third);
    const bool short_year = (mark != '.' || window.context(at).says(topic::birth)) && third.digits == 2 &&
                            first.digits <= 2 && second.digits <= 2 &&
                            (day_and_month(first, second) || day_and_month(second, third));
    if (!year_first && !year_last && !short_year) return false;
    const std::size_t end = year_first || year_last ? with_time(window, third.end) : third.end;
    if (!ends_date(window, end, static_cast<char>(mark))) return false;
    report(window, at, end, "numeric", short_year ? 0.5F : 0.7F, out);
    return true;
  }
  if (mark != '/' || !ends_date(window, second.end, '/')) return false;
  const bool month_year = first.digits <= 2 && first.value >= 1 && first.value <= 12 && is_year(second);
  if (month_year)
    report(window, at, second.end, "month_year", 0.5F, out);
  else if (day_and_month(first, second) && second.digits == 2)
    report(window, at, second.end, "day_month", 0.3F, out);
  else
    return false;
  return true;
}

// "in 2008", "since 1971": years of this and the last century.
bool follows_preposition(std::string_view text, std::size_t at) {
  if (at < 3 || text[at - 1] != ' ' || (text[at] != '1' && text[at] != '2') ||
      (text[at + 1] != '9' && text[at + 1] != '0'))
    return false;
  std::size_t begin = at - 1;
  while (begin > 0 && is_letter(byte_of(text, begin - 1)) && at - begin < 8) --begin;
  std::array<char, 8> lower;
  for (std::size_t i = begin; i + 1 < at; ++i) lower[i - begin] = static_cast<char>(to_lower(byte_of(text, i)));
  const std::string_view word(lower.data(), at - 1 - begin);
  static constexpr PackedWords kYearWords({"in", "during", "since", "until", "before", "after", "year", "around"});
  return kYearWords.has(word);
}

}  // namespace

bool classify_date(ScanWindow& window, std::size_t at, const Number& first, Findings& out) {
  const auto text = window.text();
  if (at > 0) {
    const int before = byte_of(text, at - 1);
    if (is_a(before, kDigit | kUpper | kLower | kHigh) || before == '$' || before == '_') return false;
    if (at > 1 && (before == '-' || before == '/' || before == '.' || before == ':' || before == ',') &&
        is_digit(byte_of(text, at - 2)))
      return false;
  }
  if (first.digits > 4 || first.digits == 3) return false;
  if (numeric_date(window, at, first, out)) return true;
  if (is_year(first) && follows_preposition(text, at) && ends_date(window, first.end, '-')) {
    report(window, at, first.end, "year", 0.35F, out);
    return true;
  }
  if (!is_day(first)) return false;
  // "16 October 2009", "08-Oct-2006", "5. März 1981", "21-May".
  std::size_t i = first.end;
  if ((window.at(i) == 's' && window.at(i + 1) == 't') || (window.at(i) == 'n' && window.at(i + 1) == 'd') ||
      (window.at(i) == 'r' && window.at(i + 1) == 'd') || (window.at(i) == 't' && window.at(i + 1) == 'h'))
    i += 2;
  if (window.at(i) == '.') ++i;
  const int mark = window.at(i);
  if (mark != ' ' && mark != '-') return false;
  ++i;
  if (!is_a(window.at(i), kUpper | kLower)) return false;
  if (mark == ' ' && (window.at(i) == 'o' || window.at(i) == 'd') &&
      (window.at(i + 1) == 'f' || window.at(i + 1) == 'e') && window.at(i + 2) == ' ')
    i += 3;
  std::size_t end = 0;
  if (month_at(window, i, end) == 0) return false;
  i = end;
  if (window.at(i) == ',' || window.at(i) == '.') ++i;
  if (window.at(i) == ' ' || window.at(i) == '-') ++i;
  if (window.at(i) == 'd' && window.at(i + 1) == 'e' && window.at(i + 2) == ' ') i += 3;
  const Number year = number_at(window, i);
  if (is_year(year) && ends_date(window, year.end, '-'))
    report(window, at, with_time(window, year.end), "day_month_year", 0.75F, out);
  else if (mark == '-' || end - first.end > 4)
    report(window, at, end, "day_month", 0.4F, out);
  else
    return false;
  return true;
}

namespace {

class DateWordDetector final : public Detector {
 public:
  std::string_view name() const override { return "date"; }
  bool reports(std::string_view type) const override {
    return type == kDateType || type == kBirthType || type == kPhoneType;
  }
  std::vector<std::string_view> types() const override { return {kDateType, kBirthType, kPhoneType}; }
  std::vector<std::string_view> wake_literals() const override {
    std::vector<std::string_view> words(std::begin(kWeekdays), std::end(kWeekdays));
    for (const auto& month : kMonths) words.push_back(month.name);
    words.insert(words.end(), std::begin(kDigitWords), std::end(kDigitWords));
    return words;
  }

  void verify(ScanWindow& window, std::size_t at, Findings& out) const override {
    window.begin(at);
    std::array<char, 16> buffer;
    std::size_t end = 0;
    const auto word = read_word(window, at, buffer, end);
    if (word.empty()) return;
    const WordSlot& slot = kWordSlots[word_slot(word)];
    if (slot.digit && kPackedDigitWords.has(word)) return spoken_number(window, at, out);
    if (slot.weekday && std::ranges::find(kWeekdays, word) != std::end(kWeekdays))
      return out.push_back({kDateType, "date", "weekday", {at, end}, 0.35F});
    if (month_of(word) != 0) month_first(window, at, end, out);
  }

 private:
  // "April 12, 2010", "Jul 4 2025", "May 2023".
  static void month_first(ScanWindow& window, std::size_t at, std::size_t end, Findings& out) {
    if (window.at(end) == '.') ++end;
    if (window.at(end) != ' ' && window.at(end) != '-') return;
    const Number day = number_at(window, end + 1);
    if (is_year(day)) return report(window, at, day.end, "month_year", 0.5F, out);
    if (!is_day(day)) return;
    std::size_t i = day.end;
    if (is_letter(window.at(i)) && is_letter(window.at(i + 1)) && !is_letter(window.at(i + 2))) i += 2;
    const std::size_t day_end = i;
    if (window.at(i) == ',') ++i;
    if (window.at(i) == ' ') ++i;
    const Number year = number_at(window, i);
    if (is_year(year) && ends_date(window, year.end, '-'))
      return report(window, at, year.end, "month_day_year", 0.75F, out);
    if (ends_date(window, day_end, '-') && is_a(byte_of(window.text(), at), kUpper))
      report(window, at, day_end, "month_day", 0.4F, out);
  }

  // "four one five five five five zero one three two": seven digits and more.
  static void spoken_number(ScanWindow& window, std::size_t at, Findings& out) {
    const auto text = window.text();
    if (ends_with_digit_word(text.substr(0, at))) return;
    std::size_t digits = 0;
    std::size_t end = at;
    for (std::size_t i = at;;) {
      std::array<char, 16> buffer;
      std::size_t word_end = 0;
      const auto word = read_word(window, i, buffer, word_end);
      if (!kPackedDigitWords.has(word)) break;
      if (word != "double") ++digits, end = word_end;
      i = word_end;
      if (window.at(i) != ' ' && window.at(i) != '-') break;
      ++i;
    }
    if (digits < 7) return;
    out.push_back({kPhoneType,
                   "phone",
                   "spoken",
                   {at, end},
                   window.context(at).says(topic::phone | topic::number) ? 0.85F : 0.6F});
  }

  static bool ends_with_digit_word(std::string_view text) {
    if (text.empty() || (text.back() != ' ' && text.back() != '-')) return false;
    std::size_t begin = text.size() - 1;
    while (begin > 0 && is_letter(byte_of(text, begin - 1)) && text.size() - begin < 8) --begin;
    std::array<char, 8> lower;
    for (std::size_t i = begin; i + 1 < text.size(); ++i)
      lower[i - begin] = static_cast<char>(to_lower(byte_of(text, i)));
    return kPackedDigitWords.has({lower.data(), text.size() - 1 - begin});
  }
};

}  // namespace

std::unique_ptr<Detector> make_date_word_detector() {
  return std::make_unique<DateWordDetector>();
}

}  // namespace sb::policy
