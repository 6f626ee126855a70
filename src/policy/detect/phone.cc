#include <algorithm>
#include <array>
#include <cstdint>

#include "policy/detect/builtin.h"
#include "policy/detect/byte_masks.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/numbers.h"
#include "policy/detect/phone_plans.h"

namespace sb::policy {
namespace {

// The digits of the groups that may be a telephone number: digits alone, the last with an extension glued to it.
struct Dialled {
  const TokenRun& run;
  std::size_t first = 0;  // group
  std::size_t groups = 0;

  explicit Dialled(const TokenRun& tokens) : run(tokens), groups(tokens.plain_count) {
    if (groups < run.group_count && run.groups[groups].digits >= 3) ++groups;  // "1216x694"
  }
  // What is left behind the first `used` groups.
  Dialled behind(std::size_t used) const {
    Dialled rest = *this;
    rest.first += used;
    rest.groups -= used;
    return rest;
  }
  const TokenRun::Group& group(std::size_t index) const { return run.groups[first + index]; }
  std::string_view digits(std::size_t used) const {
    const char* const begin = run.chars.data() + group(0).first;
    const auto& last = group(used - 1);
    return {begin, static_cast<std::size_t>(last.first - group(0).first + last.digits)};
  }
  std::size_t end(std::size_t used) const { return group(used - 1).begin + group(used - 1).digits; }
};

int number_of(const TokenRun& run, std::size_t group) {
  int value = 0;
  for (int i = 0; i < run.groups[group].digits && i < 9; ++i)
    value = value * 10 + (run.chars[static_cast<std::size_t>(run.groups[group].first + i)] - '0');
  return value;
}

// "2024-01-31", "07.03.1981", "3/7/81": two small groups and a year, in either order, with the same mark.
bool is_date(const TokenRun& run) {
  if (run.group_count < 3 || run.groups[1].separator != run.groups[2].separator) return false;
  const auto small = [&](std::size_t g) {
    return run.groups[g].count <= 2 && number_of(run, g) >= 1 && number_of(run, g) <= 31;
  };
  const auto year = [&](std::size_t g) {
    return run.groups[g].count == 4 && number_of(run, g) >= 1800 && number_of(run, g) < 2200;
  };
  return (small(0) && small(1) && year(2)) || (year(0) && small(1) && small(2));
}

constexpr std::size_t kLeastPhoneDigits = 6;

struct Shape {
  std::string_view rule;
  float score = 0;  ///< 0: no telephone number
};

bool is_nanp(std::string_view digits) {  // North American plan: NXX NXX XXXX
  if (digits.size() == 11 && digits[0] == '1') digits.remove_prefix(1);
  return digits.size() == 10 && digits[0] >= '2' && digits[3] >= '2';
}

bool grouped_as(const Dialled& number, std::size_t used, std::initializer_list<int> counts) {
  if (used != counts.size()) return false;
  return std::equal(counts.begin(), counts.end(), &number.group(0),
                    [](int count, const TokenRun::Group& group) { return group.digits == count; });
}

Shape shape_of(const Dialled& number, std::size_t used, bool plus, bool parenthesis, const Context& words) {
  const auto digits = number.digits(used);
  const std::size_t n = digits.size();
  const bool named = (words.nearest & topic::phone) != 0;
  constexpr auto kNotPhone = topic::card | topic::bank | topic::routing | topic::national | topic::tax | topic::health |
                             topic::passport | topic::driver | topic::provider | topic::other | topic::address |
                             topic::vehicle | topic::company | topic::id_card | topic::patient | topic::insurance |
                             topic::wallet;
  const bool taken = !named && (words.nearest & kNotPhone) != 0;
  if (plus) {
    if (!is_international(digits)) return {};
    return {"e164", named ? 0.99F : 0.95F};
  }
  if (digits.starts_with("00") && n >= 10 && n <= 17 && is_international(digits.substr(2)) && !taken) {
    if (used > 1 || named) return {"international_prefix", 0.85F};
    return {"international_prefix", n >= 12 ? 0.6F : 0.3F};
  }
  if (n < 6 || n > 13 || taken) return {};
  if (named && n >= 7) return {"named", parenthesis || used > 1 ? 0.9F : 0.8F};
  if (named && used >= 3) return {"named_short", 0.6F};
  if (parenthesis && n >= 8) return {"area_code", 0.8F};
  if (n < 7) return {};
  if (grouped_as(number, used, {3, 3, 4}) && is_nanp(digits)) {
    return {"north_american", number.group(1).separator == ' ' ? 0.7F : 0.85F};
  }
  if (grouped_as(number, used, {1, 3, 3, 4}) && digits[0] == '1' && is_nanp(digits)) return {"north_american", 0.85F};
  const bool trunk = digits[0] == '0' && digits[1] != '0';
  if (trunk && used > 1 && used <= 6 && n >= 9 && n <= 12) return {"trunk_prefix", 0.7F};
  if (trunk && used == 1 && n >= 10 && n <= 11) return {"trunk_prefix_bare", 0.5F};
  return {};
}

// The groups before the first of `count` that a mark parts which no telephone number holds; '+' and '_' are blanks only
// in what is surely one.
std::size_t joined_groups(const TokenRun& run, std::size_t count, bool surely) {
  static constexpr ByteSet kParts("\n:\"");
  static constexpr ByteSet kDoubtful("+_");
  const auto parts = [&](char mark) { return kParts.has(mark) || (!surely && kDoubtful.has(mark)); };
  std::size_t joined = 1;
  while (joined < count && !parts(run.groups[joined].separator)) ++joined;
  return joined;
}

bool ends_in_lone_digit(const TokenRun& run, std::size_t used) {
  return used > 2 && run.groups[used - 1].digits == 1;  // which is another thing
}

// Of all groups: whether those from the first on may have a shape for which no word is needed: what begins otherwise
// has none.
bool may_have_shape(const Dialled& number, bool parenthesis) {
  const std::uint64_t leading = number.run.leading & low_bits(8 * number.groups);
  return (bit(parenthesis) | bit(number.run.chars[0] == '0') | bit((leading & 0xffffff) == 0x040303) |
          bit((leading & 0xffffffff) == 0x04030301)) != 0;
}

// Whether a number that no word announces begins there.
bool is_plain_number(const Dialled& number) {
  for (std::size_t used = number.groups; used > 0 && number.digits(used).size() >= kLeastPhoneDigits; --used) {
    if (shape_of(number, used, false, false, {}).score > 0) return true;
  }
  return false;
}

// "9018 2012 9018 2013": two halves of groups of the same sizes, with the same marks.
bool are_twins(const Dialled& number) {
  if (number.groups % 2 != 0) return false;
  const std::size_t half = number.groups / 2;
  for (std::size_t i = 0; i < half; ++i) {
    const auto& one = number.group(i);
    const auto& other = number.group(half + i);
    if (one.digits != other.digits || (i > 0 && one.separator != other.separator)) return false;
  }
  return number.group(half).separator == ' ';
}

// "06 12 34 56 78 06 39 98 12 47": of numbers side by side the first is not all that may be one, or it would take the
// beginning of the next. Returns the groups of the first; `count` where there is no other.
std::size_t groups_of_first(const Dialled& number, std::size_t count, bool plus, bool parenthesis,
                            const Context& words) {
  constexpr std::size_t kTwoNumbers = 14;  // digits
  if (number.digits(count).size() < kTwoNumbers) return count;
  Dialled joined = number;
  joined.groups = count;
  for (std::size_t used = 1; used < count; ++used) {
    if (joined.group(used).separator != ' ' || !is_plain_number(joined.behind(used))) continue;
    if (shape_of(joined, used, plus, parenthesis, words).score > 0) return used;
  }
  return !plus && are_twins(joined) ? count / 2 : count;
}

// The number behind the first of two that stand side by side: who looks where it begins takes it for the inside of a
// row.
void second_number(const Dialled& rest, const Context& words, Findings& out) {
  std::size_t used = groups_of_first(rest, rest.groups, false, false, words);
  for (; used > 0 && rest.digits(used).size() >= kLeastPhoneDigits; --used) {
    const Shape shape = shape_of(rest, used, false, false, words);
    if (shape.score == 0) continue;
    out.push_back({kPhoneType, "phone", shape.rule, {rest.group(0).begin, rest.end(used)}, shape.score});
    return;
  }
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

// "1 800 FLOWERS": a freephone area code and letters for the seven digits behind it.
bool vanity(ScanWindow& window, const TokenRun& run, std::size_t start, Findings& out) {
  std::size_t group = number_of(run, 0) == 1 && run.groups[0].digits == 1 ? 1 : 0;
  if (run.group_count <= group || !run.groups[group].plain) return false;
  static constexpr std::array<int, 7> kFree = {800, 833, 844, 855, 866, 877, 888};
  if (std::ranges::find(kFree, number_of(run, group)) == kFree.end()) return false;
  std::size_t i = run.groups[group].end;
  if (window.at(i) == ')') ++i;
  if (window.at(i) != ' ' && window.at(i) != '-') return false;
  std::size_t letters = 0;
  for (++i; is_a(window.at(i), kUpper | kDigit) || (window.at(i) == '-' && letters > 0); ++i)
    letters += window.at(i) != '-';
  if (letters < 6 || letters > 9 || is_alnum(window.at(i)) || is_digit(window.at(i - letters))) return false;
  out.push_back({kPhoneType, "phone", "vanity", {start, i}, 0.75F});
  return true;
}

// "0495 12 34 56-Fax": what kind of number it was may stand behind it.
bool named_behind(ScanWindow& window, std::size_t end) {
  if (window.at(end) != '-' && window.at(end) != ' ') return false;
  if (window.at(end) == ' ' && window.at(end + 1) != '(') return false;
  std::size_t at = end + (window.at(end) == ' ' ? 2 : 1);
  std::array<char, 8> word;
  std::size_t size = 0;
  while (size < word.size() && is_letter(window.at(at + size)))
    word[size] = static_cast<char>(to_lower(window.at(at + size))), ++size;
  return size > 2 && (topics_of({word.data(), size}, 0, size) & topic::phone) != 0;
}

}  // namespace

void classify_phone(ScanWindow& window, const TokenRun& run, std::size_t start, Findings& out) {
  const auto text = window.text();
  const std::size_t first = run.groups[0].begin;
  bool plus = false;
  bool parenthesis = false;
  for (std::size_t i = start; i < first; ++i) {
    plus = plus || text[i] == '+';
    parenthesis = parenthesis || text[i] == '(';
  }
  const Dialled number(run);
  if (number.groups == 0 || !begins_word(text, start)) return;
  const bool short_run = number.digits(number.groups).size() < kLeastPhoneDigits;
  if (short_run && (run.groups[0].digits > 3 || !vanity(window, run, start, out))) return;
  if (short_run || is_date(run)) return;
  const int before = start > 0 ? byte_of(text, start - 1) : ScanWindow::kEnd;
  // Not behind a mark that joins it to what stands before: "$ 2", "1.5", "A-320", "12:30".
  static constexpr ByteSet kJoins("$-.,:/#_");
  if (kJoins.has(before) && start > 1 &&
      (before == '$' || before == '#' || before == '_' || is_alnum(byte_of(text, start - 2)))) {
    const bool after_label = before == ':' && is_letter(byte_of(text, start - 2));
    if (!after_label) return;
  }
  const bool closes = parenthesis && run.group_count > 1 && run.groups[1].closes;
  Context words = window.context(start);
  const bool surely = plus || (words.nearest & topic::phone) != 0;
  if (!surely && !may_have_shape(number, closes) && !named_behind(window, number.end(number.groups))) return;
  const std::size_t joined = joined_groups(run, number.groups, surely);
  const std::size_t in_first = groups_of_first(number, joined, plus, closes, words);
  for (std::size_t used = in_first; used > 0; --used) {
    if (number.digits(used).size() < kLeastPhoneDigits) return;
    if (ends_in_lone_digit(run, used)) continue;
    const std::size_t end = number.end(used);
    if (used == number.groups && (words.nearest & topic::phone) == 0 && named_behind(window, end))
      words.nearest |= topic::phone;
    const Shape shape = shape_of(number, used, plus, closes, words);
    if (shape.score == 0) continue;
    const int next = window.at(end);
    if (is_alnum(next) && to_lower(next) != 'x') return;
    if ((next == ',' || next == '.' || next == ':') && is_digit(window.at(end + 1)) && used == run.group_count) return;
    if (next == '@' || next == '%') return;
    out.push_back({kPhoneType, "phone", shape.rule, {start, with_extension(window, end)}, shape.score});
    if (used < in_first || in_first == joined) return;
    Dialled both = number;
    both.groups = joined;
    return second_number(both.behind(in_first), words, out);
  }
}

}  // namespace sb::policy
