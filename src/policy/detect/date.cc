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
  bool needs_year = false;  // and stands behind its day
};
constexpr std::size_t kMaxMonthBytes = 24;
using MonthBuffer = std::array<char, kMaxMonthBytes>;

// Whole names and the usual abbreviations: English, German, French, Spanish, Italian, Dutch, Portuguese, Polish; then
// others.
constexpr Month kMonths[] = {
    {"jan", 1},
    {"january", 1},
    {"januar", 1},
    {"janvier", 1},
    {"enero", 1},
    {"gennaio", 1},
    {"januari", 1},
    {"janeiro", 1},
    {"stycznia", 1},
    {"feb", 2},
    {"february", 2},
    {"februar", 2},
    {"février", 2},
    {"febrero", 2},
    {"febbraio", 2},
    {"februari", 2},
    {"fevereiro", 2},
    {"lutego", 2},
    {"mar", 3},
    {"march", 3},
    {"märz", 3},
    {"mars", 3},
    {"marzo", 3},
    {"maart", 3},
    {"março", 3},
    {"marca", 3},
    {"apr", 4},
    {"april", 4},
    {"avril", 4},
    {"abril", 4},
    {"aprile", 4},
    {"kwietnia", 4},
    {"may", 5},
    {"mai", 5},
    {"mayo", 5},
    {"maggio", 5},
    {"mei", 5},
    {"maio", 5},
    {"maja", 5},
    {"jun", 6},
    {"june", 6},
    {"juni", 6},
    {"juin", 6},
    {"junio", 6},
    {"giugno", 6},
    {"junho", 6},
    {"czerwca", 6},
    {"jul", 7},
    {"july", 7},
    {"juli", 7},
    {"juillet", 7},
    {"julio", 7},
    {"luglio", 7},
    {"julho", 7},
    {"lipca", 7},
    {"aug", 8},
    {"august", 8},
    {"août", 8},
    {"agosto", 8},
    {"augustus", 8},
    {"sierpnia", 8},
    {"sep", 9},
    {"sept", 9},
    {"september", 9},
    {"septembre", 9},
    {"septiembre", 9},
    {"settembre", 9},
    {"setembro", 9},
    {"września", 9},
    {"oct", 10},
    {"okt", 10},
    {"october", 10},
    {"oktober", 10},
    {"octobre", 10},
    {"octubre", 10},
    {"ottobre", 10},
    {"outubro", 10},
    {"października", 10},
    {"nov", 11},
    {"november", 11},
    {"novembre", 11},
    {"noviembre", 11},
    {"novembro", 11},
    {"listopada", 11},
    {"dec", 12},
    {"dez", 12},
    {"december", 12},
    {"dezember", 12},
    {"décembre", 12},
    {"diciembre", 12},
    {"dicembre", 12},
    {"dezembro", 12},
    {"grudnia", 12},
    // Russian, Ukrainian, Bulgarian, Greek, Turkish, Finnish, Czech, Romanian, Swedish, Danish, Indonesian: read behind
    // a day and before a year alone, for many are words of other languages.
    {"января", 1, true},
    {"февраля", 2, true},
    {"марта", 3, true},
    {"апреля", 4, true},
    {"мая", 5, true},
    {"июня", 6, true},
    {"июля", 7, true},
    {"августа", 8, true},
    {"сентября", 9, true},
    {"октября", 10, true},
    {"ноября", 11, true},
    {"декабря", 12, true},
    {"січня", 1, true},
    {"лютого", 2, true},
    {"березня", 3, true},
    {"квітня", 4, true},
    {"травня", 5, true},
    {"червня", 6, true},
    {"липня", 7, true},
    {"серпня", 8, true},
    {"вересня", 9, true},
    {"жовтня", 10, true},
    {"листопада", 11, true},
    {"грудня", 12, true},
    {"ocak", 1, true},
    {"şubat", 2, true},
    {"mart", 3, true},
    {"nisan", 4, true},
    {"mayıs", 5, true},
    {"haziran", 6, true},
    {"temmuz", 7, true},
    {"ağustos", 8, true},
    {"eylül", 9, true},
    {"ekim", 10, true},
    {"kasım", 11, true},
    {"aralık", 12, true},
    {"maj", 5, true},
    {"augusti", 8, true},
    {"marts", 3, true},
    {"tammikuuta", 1, true},
    {"helmikuuta", 2, true},
    {"maaliskuuta", 3, true},
    {"huhtikuuta", 4, true},
    {"toukokuuta", 5, true},
    {"kesäkuuta", 6, true},
    {"heinäkuuta", 7, true},
    {"elokuuta", 8, true},
    {"syyskuuta", 9, true},
    {"lokakuuta", 10, true},
    {"marraskuuta", 11, true},
    {"joulukuuta", 12, true},
    {"ledna", 1, true},
    {"února", 2, true},
    {"března", 3, true},
    {"dubna", 4, true},
    {"května", 5, true},
    {"června", 6, true},
    {"července", 7, true},
    {"srpna", 8, true},
    {"září", 9, true},
    {"října", 10, true},
    {"listopadu", 11, true},
    {"prosince", 12, true},
    {"ianuarie", 1, true},
    {"februarie", 2, true},
    {"martie", 3, true},
    {"aprilie", 4, true},
    {"iunie", 6, true},
    {"iulie", 7, true},
    {"septembrie", 9, true},
    {"octombrie", 10, true},
    {"noiembrie", 11, true},
    {"decembrie", 12, true},
    {"ιανουαρίου", 1, true},
    {"φεβρουαρίου", 2, true},
    {"μαρτίου", 3, true},
    {"απριλίου", 4, true},
    {"μαΐου", 5, true},
    {"ιουνίου", 6, true},
    {"ιουλίου", 7, true},
    {"αυγούστου", 8, true},
    {"σεπτεμβρίου", 9, true},
    {"οκτωβρίου", 10, true},
    {"νοεμβρίου", 11, true},
    {"δεκεμβρίου", 12, true},
    {"януари", 1, true},
    {"февруари", 2, true},
    {"март", 3, true},
    {"април", 4, true},
    {"май", 5, true},
    {"юни", 6, true},
    {"юли", 7, true},
    {"август", 8, true},
    {"септември", 9, true},
    {"октомври", 10, true},
    {"ноември", 11, true},
    {"декември", 12, true},
    {"maret", 3, true},
    {"agustus", 8, true},
    {"desember", 12, true},
};

constexpr std::string_view kWeekdays[] = {"monday",   "tuesday",    "wednesday", "thursday", "friday",
                                          "saturday", "sunday",     "montag",    "dienstag", "mittwoch",
                                          "freitag",  "donnerstag", "samstag",   "sonntag"};
constexpr std::string_view kDigitWords[] = {"zero", "one",   "two",   "three", "four",  "five",
                                            "six",  "seven", "eight", "nine",  "double"};
constexpr PackedWords kPackedDigitWords(kDigitWords);

// The word at `at`, in lower case; its end. Empty where it is longer than `word`.
std::string_view read_word(ScanWindow& window, std::size_t at, MonthBuffer& word, std::size_t& end) {
  std::size_t size = 0;
  for (end = at; is_a(window.at(end), kUpper | kLower | kHigh); ++end) {
    if (size == word.size()) return {};
    word[size++] = static_cast<char>(to_lower(window.at(end)));
  }
  return {word.data(), size};
}

constexpr std::size_t word_slot(std::string_view word) {
  return static_cast<std::size_t>(word[0] & 31) * kMaxMonthBytes + word.size() - 1;
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
  std::array<WordSlot, 32 * kMaxMonthBytes> slots{};
  for (std::uint8_t i = 0; i < kMonthsBySlot.size(); ++i) {
    auto& slot = slots[word_slot(kMonthsBySlot[i].name)];
    if (slot.months_end == 0) slot.months_begin = i;
    slot.months_end = i + 1;
  }
  for (const auto day : kWeekdays) slots[word_slot(day)].weekday = true;
  for (const auto digit : kDigitWords) slots[word_slot(digit)].digit = true;
  return slots;
}();

// Null: none is called so.
const Month* month_of(std::string_view word) {
  if (word.size() < 3) return nullptr;
  const WordSlot& slot = kWordSlots[word_slot(word)];
  for (std::size_t i = slot.months_begin; i < slot.months_end; ++i) {
    if (kMonthsBySlot[i].name == word) return &kMonthsBySlot[i];
  }
  return nullptr;
}

const Month* month_at(ScanWindow& window, std::size_t at, std::size_t& end) {
  MonthBuffer buffer;
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

// What stands behind the year, the month and the day in Chinese and Japanese, and in Korean.
struct EastAsianUnits {
  std::string_view year, month, day;
};
constexpr EastAsianUnits kEastAsianUnits[] = {{"年", "月", "日"}, {"년", "월", "일"}};
// "Born", behind such a date; and right before it, where no blank parts it from what stands before.
constexpr std::string_view kBornBehind[] = {"生", "出生", "출생"};
constexpr std::string_view kBornBefore[] = {"生于", "生於", "出生"};

// Behind `what` where it stands at `at`, else 0.
std::size_t behind_text(ScanWindow& window, std::size_t at, std::string_view what) {
  for (const char c : what) {
    if (window.at(at++) != static_cast<unsigned char>(c)) return 0;
  }
  return at;
}

// "1984年3月12日", "1984년 3월 12일": the number at `at`, a blank maybe before it, and the unit behind it.
std::size_t behind_unit(ScanWindow& window, std::size_t at, std::string_view unit, int most) {
  if (window.at(at) == ' ') ++at;
  const Number number = number_at(window, at);
  const bool fits = number.digits >= 1 && number.digits <= 2 && number.value >= 1 && number.value <= most;
  return fits ? behind_text(window, number.end, unit) : 0;
}

bool east_asian_date(ScanWindow& window, std::size_t at, const Number& year, Findings& out) {
  if (!is_a(window.at(year.end), kHigh) || !is_year(year)) return false;
  for (const auto& units : kEastAsianUnits) {
    std::size_t end = behind_text(window, year.end, units.year);
    if (end > 0) end = behind_unit(window, end, units.month, 12);
    if (end > 0) end = behind_unit(window, end, units.day, 31);
    if (end == 0) continue;
    const std::size_t next = window.at(end) == ' ' ? end + 1 : end;
    const auto before = window.before(at);
    if (std::ranges::any_of(kBornBefore, [&](std::string_view word) { return before.ends_with(word); }) ||
        std::ranges::any_of(kBornBehind, [&](std::string_view word) { return behind_text(window, next, word) > 0; }))
      out.push_back({kBirthType, "date", "east_asian", {at, end}, 0.9F});
    else
      report(window, at, end, "east_asian", 0.75F, out);
    return true;
  }
  return false;
}

}  // namespace

bool classify_date(ScanWindow& window, std::size_t at, const Number& first, Findings& out) {
  const auto text = window.text();
  if (east_asian_date(window, at, first, out)) return true;  // whatever letters stand before it
  if (at > 0) {
    const int before = byte_of(text, at - 1);
    if (is_a(before, kDigit | kUpper | kLower | kHigh) || before == '$' || before == '_') return false;
    if (at > 1 && (before == '-' || before == '/' || before == '.' || before == ':' || before == ',') &&
        is_digit(byte_of(text, at - 2)))
      return false;
  }
  constexpr unsigned kLengths = 1U << 1 | 1U << 2 | 1U << 4;  // of days, months and years
  if ((kLengths >> first.digits & 1) == 0) return false;
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
  if (!is_a(window.at(i), kUpper | kLower | kHigh)) return false;
  if (mark == ' ' && (window.at(i) == 'o' || window.at(i) == 'd') &&
      (window.at(i + 1) == 'f' || window.at(i + 1) == 'e') && window.at(i + 2) == ' ')
    i += 3;
  std::size_t end = 0;
  const Month* const month = month_at(window, i, end);
  if (!month) return false;
  i = end;
  if (window.at(i) == ',' || window.at(i) == '.') ++i;
  if (window.at(i) == ' ' || window.at(i) == '-') ++i;
  if (window.at(i) == 'd' && window.at(i + 1) == 'e' && window.at(i + 2) == ' ') i += 3;
  const Number year = number_at(window, i);
  if (is_year(year) && ends_date(window, year.end, '-'))
    report(window, at, with_time(window, year.end), "day_month_year", 0.75F, out);
  else if (!month->needs_year && (mark == '-' || end - first.end > 4))
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
    for (const auto& month : kMonths) {
      if (!month.needs_year) words.push_back(month.name);
    }
    words.insert(words.end(), std::begin(kDigitWords), std::end(kDigitWords));
    return words;
  }

  void verify(ScanWindow& window, std::size_t at, Findings& out) const override {
    window.begin(at);
    MonthBuffer buffer;
    std::size_t end = 0;
    const auto word = read_word(window, at, buffer, end);
    if (word.empty()) return;
    const WordSlot& slot = kWordSlots[word_slot(word)];
    if (slot.digit && kPackedDigitWords.has(word)) return spoken_number(window, at, out);
    if (slot.weekday && std::ranges::find(kWeekdays, word) != std::end(kWeekdays))
      return out.push_back({kDateType, "date", "weekday", {at, end}, 0.35F});
    if (const Month* const month = month_of(word); month && !month->needs_year) month_first(window, at, end, out);
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
      MonthBuffer buffer;
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
