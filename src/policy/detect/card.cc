#include <algorithm>
#include <array>

#include "policy/detect/builtin.h"
#include "policy/detect/byte_masks.h"
#include "policy/detect/bytes_class.h"
#include "policy/detect/check_digits.h"
#include "policy/detect/numbers.h"

namespace sb::policy {
namespace {

struct IssuerRange {
  int digits;  ///< how many leading digits `low` and `high` have
  int low, high;
  unsigned lengths;  ///< bit n: numbers of n digits exist
};

constexpr unsigned lengths(std::initializer_list<int> counts) {
  unsigned bits = 0;
  for (const int n : counts) bits |= 1U << n;
  return bits;
}

// Public issuer identification ranges, the longest known prefixes only as far as they tell networks apart.
constexpr IssuerRange kRanges[] = {
    {1, 4, 4, lengths({13, 16, 19})},                            // Visa
    {2, 51, 55, lengths({16})},                                  // Mastercard
    {4, 2221, 2720, lengths({16})},                              // Mastercard, second range
    {2, 34, 34, lengths({15})},                                  // American Express
    {2, 37, 37, lengths({15})},                                  // American Express
    {1, 1, 1, lengths({15})},                                    // UATP
    {4, 6011, 6011, lengths({16, 17, 18, 19})},                  // Discover
    {3, 644, 649, lengths({16, 17, 18, 19})},                    // Discover
    {2, 65, 65, lengths({16, 17, 18, 19})},                      // Discover
    {2, 62, 62, lengths({16, 17, 18, 19})},                      // UnionPay
    {2, 81, 81, lengths({16, 17, 18, 19})},                      // UnionPay
    {2, 35, 35, lengths({16})},                                  // JCB, with what it may yet issue
    {4, 3528, 3589, lengths({16, 17, 18, 19})},                  // JCB
    {4, 2131, 2131, lengths({15})},                              // JCB, old
    {4, 1800, 1800, lengths({15})},                              // JCB, old
    {3, 300, 305, lengths({14, 16})},                            // Diners Club
    {4, 3095, 3095, lengths({14, 16})},                          // Diners Club
    {2, 36, 36, lengths({14, 16, 19})},                          // Diners Club International
    {2, 38, 39, lengths({14, 16})},                              // Diners Club
    {4, 2200, 2204, lengths({16, 17, 18, 19})},                  // Mir
    {4, 5018, 5018, lengths({12, 13, 14, 15, 16, 17, 18, 19})},  // Maestro
    {4, 5020, 5020, lengths({12, 13, 14, 15, 16, 17, 18, 19})},  // Maestro
    {4, 5038, 5038, lengths({12, 13, 14, 15, 16, 17, 18, 19})},  // Maestro
    {4, 5893, 5893, lengths({12, 13, 14, 15, 16, 17, 18, 19})},  // Maestro
    {4, 6304, 6304, lengths({12, 13, 14, 15, 16, 17, 18, 19})},  // Maestro
    {4, 6759, 6763, lengths({12, 13, 14, 15, 16, 17, 18, 19})},  // Maestro
    {2, 60, 60, lengths({16})},                                  // RuPay
};

// How the digits of a run are grouped, as far as the marks between them are the same.
class Grouping {
 public:
  explicit Grouping(const TokenRun& run) {
    static constexpr ByteSet kMarks(" -.\n\"+_");
    if (run.group_count < 2 || !kMarks.has(run.groups[1].separator)) return;
    const auto mark_of = [](const TokenRun::Group& group) {  // a line is wrapped at a blank
      return group.separator == '\n' ? ' ' : group.separator;
    };
    const auto goes_on = [&](const TokenRun::Group& group) {
      return mark_of(group) == mark_of(run.groups[1]) && !group.closes;
    };
    std::uint64_t code = 0;
    do {
      single_ += single_ == groups_ && run.groups[groups_].digits == 1;
      if (groups_ < codes_.size()) codes_[groups_] = code = code << 8 | run.groups[groups_].digits;
    } while (++groups_ < run.group_count && goes_on(run.groups[groups_]));
  }

  // Whether the first `used` groups stand as cards are printed or kept: 4-4-4-4(-3), 4-6-5, 4-6-4, 4-4-5, 6-10; or
  // digit by digit.
  bool is_cards(std::size_t used) const {
    static constexpr std::array<std::uint64_t, 8> kGroupings = {0x04040404, 0x0404040403, 0x040605, 0x040604,
                                                                0x040405,   0x06040606,   0x0607,   0x060a};
    if (used > groups_) return false;
    if (used <= single_) return true;
    return used <= codes_.size() && std::ranges::find(kGroupings, codes_[used - 1]) != kGroupings.end();
  }

 private:
  std::array<std::uint64_t, 5> codes_;  // digits of the groups up to each, a byte a group
  std::size_t groups_ = 0;
  std::size_t single_ = 0;  // groups at the beginning of one digit each
};

bool all_same(std::string_view digits) {
  return digits.find_first_not_of(digits[0]) == std::string_view::npos;
}

}  // namespace

bool is_card_range(std::string_view digits) {
  if (digits.size() < 12 || digits.size() > 19) return false;
  static constexpr int kShift[] = {0, 1000, 100, 10, 1};
  int first_four = 0;
  for (const char c : digits.substr(0, 4)) first_four = first_four * 10 + (c - '0');
  return std::ranges::any_of(kRanges, [&](const IssuerRange& range) {
    const int prefix = first_four / kShift[range.digits];
    return prefix >= range.low && prefix <= range.high && (range.lengths >> digits.size() & 1U) != 0;
  });
}

namespace {

// The longest card of four groups with marks between them.
constexpr std::size_t kMarkedBytes = 16 + 3 * 4;

// Whether one of the marks stands there at all, or blanks side by side: behind most groups of four digits none does.
// REQUIRES: all can be seen.
bool may_be_marked(std::string_view text, std::size_t at) {
  const Bytes64 bytes(text, at);
  const std::uint64_t marks = bytes.bits([](__m256i b) {
    const auto is = [&](char mark) { return _mm256_cmpeq_epi8(b, _mm256_set1_epi8(mark)); };
    const __m256i any = _mm256_or_si256(_mm256_or_si256(is('*'), is('|')), _mm256_or_si256(is('/'), is('~')));
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(any));
  });
  const std::uint64_t blanks = bytes.bits([](__m256i b) {
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, _mm256_set1_epi8(' '))));
  });
  return ((marks | (blanks & blanks >> 1)) & low_bits(kMarkedBytes)) != 0;
}

// Behind what stands between two cells or marked groups from `at` on: blanks and one kind of mark, learnt from the
// first that has one. 0: something else stands there.
std::size_t behind_marks(ScanWindow& window, std::size_t at, int& mark) {
  static constexpr ByteSet kMarks("*|/~");
  constexpr std::size_t kMost = 4;
  std::size_t i = at;
  for (; i - at <= kMost && !is_digit(window.at(i)); ++i) {
    const int byte = window.at(i);
    if (byte == ' ' || (byte == mark && byte != 0)) continue;
    if (!kMarks.has(byte) || mark != 0) return 0;
    mark = byte;
  }
  return i == at || i - at > kMost ? 0 : i;
}

}  // namespace

void classify_marked_card(ScanWindow& window, std::size_t at, Findings& out) {
  constexpr std::size_t kGroups = 4;
  constexpr std::size_t kDigits = 4;
  std::array<char, kGroups * kDigits> digits;
  window.rebase(at);
  if (at + kMarkedBytes <= window.stop() && !may_be_marked(window.text(), at)) return;
  std::size_t i = at;
  int mark = 0;
  bool wide = false;  // several blanks in a row
  for (std::size_t group = 0; group < kGroups; ++group) {
    const std::size_t behind = i;
    if (group > 0 && (i = behind_marks(window, i, mark)) == 0) return;
    wide = wide || i > behind + 1;
    for (std::size_t n = 0; n < kDigits; ++n, ++i) {
      if (!is_digit(window.at(i))) return;
      digits[group * kDigits + n] = static_cast<char>(window.at(i));
    }
  }
  const std::string_view number(digits.data(), digits.size());
  if ((mark == 0 && !wide) || is_alnum(window.at(i)) || !check::luhn(number) || !is_card_range(number) ||
      all_same(number))
    return;
  out.push_back({kCardType, "card", "luhn_marked", {at, i}, 0.9F});
}

void classify_card(ScanWindow& window, const TokenRun& run, Findings& out) {
  const std::size_t start = run.groups[0].begin;
  if (run.groups[0].digits < 4 && run.groups[0].digits != 1) return;
  const auto text = window.text();
  const std::size_t plain = run.plain_count;
  const auto too_short = [](const TokenRun::Group& last) { return std::size_t{last.first} + last.digits < 12; };
  std::size_t used = std::min(plain + 1, run.group_count);
  if (used == 0 || too_short(run.groups[used - 1])) return;
  const Grouping grouping(run);
  for (; used > 0; --used) {
    const auto& last = run.groups[used - 1];
    if (too_short(last)) return;
    const bool grouped = used > 1;
    if (grouped ? !grouping.is_cards(used) : plain == 0) continue;
    const auto digits = std::string_view(run.chars.data(), static_cast<std::size_t>(last.first) + last.digits);
    if (!check::luhn(digits) || !is_card_range(digits) || all_same(digits)) continue;
    const std::size_t end = last.begin + last.digits;
    if (!grouped) {
      // One piece behind a decimal point or joined to a longer word is a fraction, a key.
      const int before = start > 0 ? byte_of(text, start - 1) : ScanWindow::kEnd;
      if ((before == '.' || before == ',' || before == '-' || before == '_') && start > 1 &&
          is_alnum(byte_of(text, start - 2)) &&
          !(before == ',' && is_digit(byte_of(text, start - 2)) && start > 5 && is_digit(byte_of(text, start - 5))))
        continue;
      if ((window.at(end) == '-' || window.at(end) == '_') && is_alnum(window.at(end + 1))) continue;
    }
    const bool named = window.context(start).says(topic::card);
    // Too many other numbers are 12 digits long, or begin with 1.
    if ((digits.size() == 12 || digits[0] == '1') && !named && !stands_alone(window, start, end)) continue;
    const float score = named ? 1.0F : grouped ? 0.95F : 0.9F;
    out.push_back({kCardType, "card", grouped ? "luhn_grouped" : "luhn", {start, end}, score});
    return;
  }
}

}  // namespace sb::policy
