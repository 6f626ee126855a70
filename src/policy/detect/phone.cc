#include <algorithm>
#include <array>
#include <cstdint>

#include "policy/detect/bytes_class.h"
#include "policy/detect/context.h"
#include "policy/detect/number_run.h"

namespace sb::policy {
namespace {

// ITU-T E.164 assigned country codes: one digit (1, 7), the two-digit ones below, else three digits.
constexpr bool is_country_code(std::string_view digits) {
  if (digits.empty() || digits[0] == '0') return false;
  if (digits[0] == '1' || digits[0] == '7') return true;
  if (digits.size() < 3) return false;
  constexpr std::string_view kTwo =
      "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 "
      "90 "
      "91 92 93 94 95 98";
  for (std::size_t i = 0; i + 1 < kTwo.size(); i += 3) {
    if (kTwo.substr(i, 2) == digits.substr(0, 2)) return true;
  }
  constexpr std::string_view kThree = "21 22 23 24 25 26 29 35 37 38 42 50 59 67 68 69 80 85 87 88 96 97 99";
  for (std::size_t i = 0; i + 1 < kThree.size(); i += 3) {
    if (kThree.substr(i, 2) == digits.substr(0, 2)) return true;
  }
  return false;
}

int number_of(const NumberRun& run, std::size_t group) {
  int value = 0;
  for (int i = 0; i < run.groups[group].count; ++i)
    value = value * 10 + (run.digits[run.groups[group].first + i] - '0');
  return value;
}

// "2024-01-31", "07.03.1981", "3/7/81": two small groups and a year, in either order, with the same mark.
bool is_date(const NumberRun& run) {
  if (run.group_count < 3 || run.groups[1].separator != run.groups[2].separator) return false;
  const auto small = [&](std::size_t g) {
    return run.groups[g].count <= 2 && number_of(run, g) >= 1 && number_of(run, g) <= 31;
  };
  const auto year = [&](std::size_t g) {
    return run.groups[g].count == 4 && number_of(run, g) >= 1800 && number_of(run, g) < 2200;
  };
  return (small(0) && small(1) && year(2)) || (year(0) && small(1) && small(2));
}

struct Shape {
  std::string_view rule;
  float score = 0;  ///< 0: no telephone number
};

bool is_nanp(std::string_view digits) {  // North American plan: NXX NXX XXXX
  if (digits.size() == 11 && digits[0] == '1') digits.remove_prefix(1);
  return digits.size() == 10 && digits[0] >= '2' && digits[3] >= '2';
}

bool grouped_as(const NumberRun& run, std::size_t used, std::initializer_list<int> counts) {
  if (used != counts.size()) return false;
  return std::equal(counts.begin(), counts.end(), run.groups.begin(),
                    [](int count, const NumberRun::Group& group) { return group.count == count; });
}

Shape shape_of(const NumberRun& run, std::size_t used, bool plus, bool parenthesis, Hint hint) {
  const auto digits = run.digits_of(used);
  const std::size_t n = digits.size();
  if (plus) {
    if (n >= 7 && n <= 15 && is_country_code(digits)) return {"e164", hint == Hint::phone ? 0.99F : 0.95F};
    return {};
  }
  if (digits.starts_with("00") && n >= 10 && n <= 17 && is_country_code(digits.substr(2)) && hint != Hint::other &&
      hint != Hint::bank) {
    if (used > 1 || hint == Hint::phone) return {"international_prefix", 0.85F};
    return {"international_prefix", n >= 12 ? 0.6F : 0.3F};
  }
  if (n < 7 || n > 13) return {};
  const bool named = hint == Hint::phone;
  if (named) return {"named", parenthesis || used > 1 ? 0.9F : 0.8F};
  if (hint == Hint::other || hint == Hint::card || hint == Hint::bank || hint == Hint::ssn) return {};
  if (parenthesis && n >= 8) return {"area_code", 0.8F};
  if (grouped_as(run, used, {3, 3, 4}) && is_nanp(digits)) {
    return {"north_american", run.groups[1].separator == ' ' ? 0.7F : 0.85F};
  }
  if (grouped_as(run, used, {1, 3, 3, 4}) && digits[0] == '1' && is_nanp(digits)) return {"north_american", 0.85F};
  const bool trunk = digits[0] == '0' && digits[1] != '0';
  if (trunk && used > 1 && used <= 6 && n >= 9 && n <= 12) return {"trunk_prefix", 0.7F};
  if (trunk && used == 1 && n >= 10 && n <= 11) return {"trunk_prefix_bare", 0.5F};
  return {};
}

bool separators_fit(const NumberRun& run, std::size_t used) {
  for (std::size_t i = 1; i < used; ++i) {
    if (run.groups[i].separator == '\n') return false;
    if (run.groups[i].count == 1 && i + 1 == used && used > 2) return false;  // a lone digit behind is another thing
  }
  return true;
}

// " x 2234", "x694", " ext. 12": returns the byte behind the extension, or `end`.
std::size_t with_extension(ScanWindow& window, std::size_t end) {
  std::size_t at = end;
  if (window.at(at) == ' ') ++at;
  if (window.at(at) == '#') {
    ++at;
  } else if (to_lower(window.at(at)) == 'x') {
    ++at;
  } else if (to_lower(window.at(at)) == 'e' && to_lower(window.at(at + 1)) == 'x' &&
             to_lower(window.at(at + 2)) == 't') {
    at += 3;
    if (window.at(at) == '.') ++at;
  } else {
    return end;
  }
  if (window.at(at) == ' ') ++at;
  std::size_t digits = 0;
  while (digits < 6 && is_digit(window.at(at + digits))) ++digits;
  return digits >= 2 && !is_alnum(window.at(at + digits)) ? at + digits : end;
}

}  // namespace

void classify_phone(ScanWindow& window, const NumberRun& run, std::size_t start, Findings& out) {
  if (run.group_count == 0 || run.digit_count < 7) return;
  const auto text = window.text();
  const std::size_t first = run.groups[0].begin;
  bool plus = false;
  bool parenthesis = false;
  for (std::size_t i = start; i < first; ++i) {
    plus = plus || text[i] == '+' || static_cast<unsigned char>(text[i]) == 0xef;  // U+FF0B, the full-width plus
    parenthesis = parenthesis || text[i] == '(';
  }
  if (!begins_word(text, start) || is_date(run)) return;
  const int before = start > 0 ? byte_of(text, start - 1) : ScanWindow::kEnd;
  // Not behind a mark that joins it to what stands before: "$ 2", "1.5", "A-320", "12:30".
  if (std::string_view("$-.,:/#_").find(static_cast<char>(before)) != std::string_view::npos && before > 0 &&
      start > 1 && (before == '$' || before == '#' || before == '_' || is_alnum(byte_of(text, start - 2)))) {
    const bool after_label = before == ':' && is_letter(byte_of(text, start - 2));
    if (!after_label) return;
  }
  const Hint hint = hint_before(window, start);
  for (std::size_t used = run.group_count; used > 0; --used) {
    if (!separators_fit(run, used)) continue;
    const Shape shape =
        shape_of(run, used, plus, parenthesis && run.group_count > 1 && run.groups[1].after_parenthesis, hint);
    if (shape.score == 0) continue;
    const std::size_t digits_end = run.groups[used - 1].end;
    const int next = window.at(digits_end);
    if (is_alnum(next) && to_lower(next) != 'x') return;
    if ((next == ',' || next == '.' || next == ':') && is_digit(window.at(digits_end + 1)) && used == run.group_count)
      return;
    if (next == '@' || next == '%') return;
    out.push_back({"PHONE", "phone", shape.rule, {start, with_extension(window, digits_end)}, shape.score});
    return;
  }
}

}  // namespace sb::policy
