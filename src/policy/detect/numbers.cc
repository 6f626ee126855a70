#include "policy/detect/numbers.h"

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "policy/detect/builtin.h"
#include "policy/detect/byte_masks.h"
#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

constexpr std::size_t kMostNumberDigits = 5;  // that number_at reads

// The word in which the digit `at` is the first one; `at` + 1 where it is not the first.
std::size_t word_start(std::string_view text, std::size_t at) {
  const std::size_t least = at > kMaxWordBytes ? at - kMaxWordBytes : 0;
  std::size_t start = at;
  while (start > least && is_alnum(byte_of(text, start - 1))) {
    --start;
    if (is_digit(byte_of(text, start))) return at + 1;
  }
  return start;
}

// How many capitals stand before `end` as a word of their own, 7 at most; 0 where they are a part of a word.
std::size_t capitals_before(std::string_view text, std::size_t end) {
  std::size_t begin = end;
  while (begin > 0 && end - begin < 7 && is_a(byte_of(text, begin - 1), kUpper)) --begin;
  return begins_word(text, begin) ? end - begin : 0;
}

// "MRTMTT 25 D09F2", "MRT MTT 25D09 F205Z", "MORGA 657054 SM9IJ": names as Italian tax codes and British driving
// licences shorten them.
std::size_t name_before(std::string_view text, std::size_t start) {
  if (start < 4 || text[start - 1] != ' ' || !is_a(byte_of(text, start - 2), kUpper)) return start;
  const std::size_t last = capitals_before(text, start - 1);
  if (last == 5 || last == 6) return start - 1 - last;
  const bool two = last == 3 && start > 7 && text[start - 5] == ' ' && capitals_before(text, start - 5) == 3;
  return two ? start - 8 : start;
}

// How many letters stand before `end`; of more than 32 that many.
std::size_t letters_run(std::string_view text, std::size_t end) {
  if (end >= 32) {
    const auto* const data = reinterpret_cast<const __m256i*>(text.data() + end - 32);
    return static_cast<std::size_t>(std::countl_one(letter_bits(_mm256_loadu_si256(data))));
  }
  std::size_t begin = end;
  while (begin > 0 && is_letter(byte_of(text, begin - 1))) --begin;
  return end - begin;
}

// "AB 12 34 56 C", "AHC-0933289": a few letters before `start` that belong to it; `start` where there are none.
std::size_t letters_before(std::string_view text, std::size_t start) {
  static constexpr ByteSet kJoins(" -");
  if (start < 2) return start;
  if (__builtin_unpredictable((bit(kJoins.has(byte_at(text, start - 1))) & bit(is_letter(byte_at(text, start - 2)))) ==
                              0))
    return start;
  if (const std::size_t name = name_before(text, start); name < start) return name;
  const std::size_t most = text[start - 1] == '-' ? 8 : 3;
  const std::size_t letters = letters_run(text, start - 1);
  if (letters > most) return start;
  const std::size_t begin = start - 1 - letters;
  const bool joined = begin > 0 && (is_a(byte_of(text, begin - 1), kDigit | kUpper | kLower | kHigh) ||
                                    std::string_view(".@-_/\\&%'").find(text[begin - 1]) != std::string_view::npos);
  if (joined) return start;
  // Small letters before a blank are mostly a word of the sentence; two may be the beginning of "ab 12 34 56 c".
  const bool small = text[start - 1] == ' ' && is_a(byte_of(text, begin), kLower);
  if (small && (letters != 2 || (start + 2 < text.size() && is_alnum(byte_of(text, start + 2))))) return start;
  return begin;
}

// "+49", "(030)", "(+49)", "+(49)": the marks belong to the number.
std::size_t opening_before(std::string_view text, std::size_t at) {
  for (int i = 0; i < 2 && at > 0 && (text[at - 1] == '+' || text[at - 1] == '('); ++i) --at;
  return at;
}

// "1,299.00", "2024-03-18", "17:30": what begins behind the mark is a part of what began before it. A comma may also
// stand between the long numbers of a list.
bool continues_number(std::string_view text, std::size_t at) {
  static constexpr ByteSet kJoins("-_./:,");
  if (at < 2) return false;
  if (__builtin_unpredictable((bit(kJoins.has(byte_at(text, at - 1))) & bit(is_digit(byte_at(text, at - 2)))) == 0))
    return false;
  return text[at - 1] != ',' || at < 6 || !is_digit(byte_of(text, at - 5)) || !is_digit(byte_of(text, at - 6));
}

// Up to four digits that nothing is joined to: no identifier is that short. "1." begins a list, "+1." a telephone
// number.
bool is_short_number(ScanWindow& window, std::size_t at, const Number& number) {
  static constexpr ByteSet kJoins(" -./:(\t\n\")+_");
  if (number.digits == 5) return false;
  const bool international = at > 0 && window.text()[at - 1] == '+';
  const int mark = window.at(number.end);
  if (is_alnum(mark)) return false;
  if (!kJoins.has(mark) || (mark == '.' && number.digits == 1 && !international) || (mark == ':' && number.digits < 4))
    return true;
  const int next = window.at(number.end + 1);
  if (mark == '"') return next != ',';
  return next != ScanWindow::kEnd && !is_a(next, kDigit | kUpper) && !kJoins.has(next);
}

// "5553 3314 7893 ": a short group in a row of groups, which was judged from the row's beginning.
bool is_inside_row(ScanWindow& window, std::size_t at) {
  const auto text = window.text();
  if (at < 2) return false;
  if (__builtin_unpredictable((bit(text[at - 1] == ' ') & bit(is_digit(byte_at(text, at - 2)))) == 0)) return false;
  std::size_t end = at;
  while (end - at < 7 && is_alnum(window.at(end))) ++end;
  return end - at < 7 && window.at(end) != '-';
}

// Whether groups of four, or 4-6-5, go on from here: a card may stand behind another number.
bool has_card_layout(ScanWindow& window, std::size_t at) {
  const int mark = window.at(at + 4);
  if (is_digit(mark) || !is_digit(window.at(at + 5))) return false;
  return (window.at(at + 9) == mark && window.at(at + 14) == mark) || window.at(at + 11) == mark;
}

// "212 555 0187 212 555 0188": whether a telephone number goes on from here and another of that layout stands before
// it.
bool follows_its_like(ScanWindow& window, std::size_t at) {
  constexpr std::string_view kLayout = "ddd ddd dddd ";
  const auto text = window.text();
  const auto fits = [](int byte, char wanted) { return wanted == 'd' ? is_digit(byte) : byte == wanted; };
  if (at < kLayout.size() || (at > kLayout.size() && is_digit(byte_of(text, at - kLayout.size() - 1)))) return false;
  for (std::size_t i = 0; i < kLayout.size(); ++i) {
    if (!fits(byte_of(text, at - kLayout.size() + i), kLayout[i])) return false;
    const bool last = i + 1 == kLayout.size();
    if (last ? is_digit(window.at(at + i)) : !fits(window.at(at + i), kLayout[i])) return false;
  }
  return true;
}

// "x4111", "is4111", "SSN078": letters before a number that may be no part of it. In a hash more letters follow.
bool is_glued(ScanWindow& window, std::size_t start, std::size_t at) {
  if (at - start == 1) return to_lower(window.text()[start]) == 'x';
  std::size_t end = at + 1;
  while (is_digit(window.at(end))) ++end;
  return end - at > 2 && !is_alnum(window.at(end));
}

// "IBANDE89...": the word that announces one, and nothing between.
constexpr std::string_view kIbanWord = "iban";
bool begins_with_iban(ScanWindow& window, std::size_t start) {
  for (std::size_t i = 0; i < kIbanWord.size(); ++i) {
    if (to_lower(window.at(start + i)) != kIbanWord[i]) return false;
  }
  return begins_word(window.text(), start);
}

// Digit by digit, at the window's end.
[[gnu::noinline]] Number number_at_end(ScanWindow& window, std::size_t at) {
  Number number{.end = at};
  for (int byte = window.at(at); is_digit(byte) && number.digits < kMostNumberDigits; byte = window.at(number.end)) {
    number.value = number.value * 10 + (byte - '0');
    ++number.digits;
    ++number.end;
  }
  return number;
}

class NumberDetector final : public Detector {
 public:
  std::string_view name() const override { return "numbers"; }
  std::vector<std::string_view> types() const override {
    auto types = identifier_types();
    for (const auto type : {kCardType, kIbanType, kPhoneType, kDateType, kBirthType, kAgeType, kWalletType})
      types.push_back(type);
    return types;
  }
  bool reports(std::string_view type) const override {
    const auto all = types();
    return std::ranges::find(all, type) != all.end();
  }
  bool wakes_at_digits() const override { return true; }

  void verify(ScanWindow& window, std::size_t at, Findings& out) const override {
    const auto text = window.text();
    if (continues_number(text, at)) return;
    const std::size_t start = word_start(text, at);
    TokenRun run;
    if (start < at) {  // letters, then digits
      if (is_glued(window, start, at) && !is_short_number(window, at, number_at(window, at)))
        judge_digits(window, at, run, out);
      judge_word(window, start, run, out);
    } else if (start == at) {
      const Number first = number_at(window, at);
      if (!classify_date(window, at, first, out)) {
        classify_age(window, at, first, out);
        if (first.digits == 4) classify_marked_card(window, at, out);
        if (!is_short_number(window, at, first)) judge_digits(window, at, run, out);
      }
    } else {
      return;
    }
    const std::size_t letters = letters_before(text, start);
    if (letters == start) return;
    window.rebase(letters);
    read_token_run(window, letters, run);
    if (start - letters == 3 && begins_word(text, letters)) classify_iban(window, letters, out);  // "DE 89 3704 ..."
    if (run.group_count < 2) return;
    classify_identifiers(window, run, out);
    classify_named(window, run, out);
  }

  // "AB 1": letters and a blank may begin an identifier whose digits have not come yet.
  std::size_t pending_start(std::string_view text) const override {
    std::size_t end = text.size();
    while (end > 0 && is_alnum(byte_of(text, end - 1)) && text.size() - end < TokenRun::kMaxChars) --end;
    if (end < text.size() && !is_digit(byte_of(text, end))) return text.size();
    return letters_before(text, end) == end ? text.size() : letters_before(text, end);
  }

 private:
  static void judge_digits(ScanWindow& window, std::size_t at, TokenRun& run, Findings& out) {
    const auto text = window.text();
    const std::size_t start = opening_before(text, at);
    window.rebase(start);
    const bool inside_row = start == at && is_inside_row(window, at);
    const bool may_be_phone = !inside_row || text[at] == '0' || follows_its_like(window, at);
    if (!may_be_phone && !has_card_layout(window, at)) return;
    read_token_run(window, at, run);
    if (run.group_count > 0) {
      classify_card(window, run, out);
      if (!inside_row) {
        classify_identifiers(window, run, out);
        classify_named(window, run, out);
      }
      if (may_be_phone) classify_phone(window, run, start, out);
    }
    if (run.cut || (run.group_count > 0 && run.groups[0].count >= 26)) classify_wallet(window, at, out);
  }

  static void judge_word(ScanWindow& window, std::size_t start, TokenRun& run, Findings& out) {
    window.rebase(start);
    read_token_run(window, start, run);
    if (is_letter(window.at(start + 1)) && is_digit(window.at(start + 2)) && begins_word(window.text(), start))
      classify_iban(window, start, out);
    if (begins_with_iban(window, start)) classify_iban(window, start + kIbanWord.size(), out);
    if (run.group_count > 0) {
      classify_identifiers(window, run, out);
      classify_named(window, run, out);
    }
    if (run.cut || (run.group_count > 0 && run.groups[0].count >= 26)) classify_wallet(window, start, out);
  }
};

}  // namespace

// How many digits there are is as good as random: eight bytes are read at once, without a branch a digit.
Number number_at(ScanWindow& window, std::size_t at) {
  std::uint64_t bytes = 0;
  if (at + sizeof bytes > window.stop()) [[unlikely]]
    return number_at_end(window, at);
  std::memcpy(&bytes, window.text().data() + at, sizeof bytes);
  const std::uint64_t values = bytes ^ 0x3030303030303030ULL;  // of digits: below 10
  // What a byte carries into those behind it does not matter: it is no digit itself.
  const std::uint64_t others = (values | (values + 0x0606060606060606ULL)) & 0xf0f0f0f0f0f0f0f0ULL;
  const auto digits = std::min<std::size_t>(kMostNumberDigits, static_cast<std::size_t>(std::countr_zero(others)) / 8);
  // As if zeros stood before them, so that there are eight: pairs, fours and all are added up side by side.
  std::uint64_t sum = values << (8 * (7 - digits)) << 8;
  sum = (sum * (1 + (10 << 8)) >> 8) & 0x00ff00ff00ff00ffULL;
  sum = (sum * (1 + (100 << 16)) >> 16) & 0x0000ffff0000ffffULL;
  sum = sum * (1 + (10000ULL << 32)) >> 32;
  return {static_cast<int>(sum), digits, at + digits};
}

std::unique_ptr<Detector> make_number_detector() {
  return std::make_unique<NumberDetector>();
}

std::vector<std::shared_ptr<const Detector>> make_builtin_detectors() {
  std::vector<std::shared_ptr<const Detector>> all;
  all.push_back(make_email_detector());
  all.push_back(make_number_detector());
  all.push_back(make_network_detector());
  all.push_back(make_url_detector());
  all.push_back(make_date_word_detector());
  all.push_back(make_secret_detector());
  return all;
}

}  // namespace sb::policy
