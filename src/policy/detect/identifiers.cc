#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <span>
#include <utility>
#include <vector>

#include "base/errors.h"

#include "policy/detect/bytes_class.h"
#include "policy/detect/identifier_rules.h"
#include "policy/detect/numbers.h"

namespace sb::policy {
namespace {

using Mask = std::uint64_t;  // bit n: character n of a compact value
constexpr Mask first_bits(std::size_t count) {
  return (Mask{1} << count) - 1;
}

// A rule as it is compared: which characters must be digits, which none.
struct CompiledRule {
  Mask digits = 0;
  Mask letters = 0;
  const IdentifierRule* rule = nullptr;
  std::string_view literal = {};  // the shape, where it holds letters of its own
};

// How a value is written, as far as one look into a table tells it. What it cannot tell is asked of each rule it gives.
struct Layout {
  std::size_t length = 0;
  Mask breaks = 0;           // a separator stands before these characters
  std::uint64_t marks = 0;   // these, in order, a byte each
  bool digits_only = false;  // no letter among them: half of the rules have some, half have none
  bool plus = false;         // a '+' stands before it
  friend auto operator<=>(const Layout&, const Layout&) = default;
};

// "3-2-4 9": what each alternative looks like; "*": any groups.
std::vector<Layout> groupings_of(std::string_view groups, std::size_t length) {
  if (groups == "*") return {{.length = length, .breaks = ~Mask{0}}};
  std::vector<Layout> all;
  Layout layout;
  unsigned shift = 0;
  for (std::size_t i = 0; i <= groups.size(); ++i) {
    std::size_t count = 0;
    for (; i < groups.size() && is_digit(groups[i]); ++i)
      count = count * 10 + static_cast<std::size_t>(groups[i] - '0');
    layout.length += count;
    if (i == groups.size() || groups[i] == ' ') {
      SB_ASSERT(layout.length == length);
      all.push_back(std::exchange(layout, {}));
      shift = 0;
      continue;
    }
    layout.breaks |= Mask{1} << layout.length;
    layout.marks |= std::uint64_t{static_cast<unsigned char>(groups[i] == '_' ? ' ' : groups[i])} << shift;
    shift += 8;
  }
  return all;
}

// The rules by layout: a bit says no for most rows of groups, a hash table knows those of the others.
class RuleTable {
 public:
  RuleTable() {
    std::vector<std::pair<Layout, CompiledRule>> all;
    for (const auto& rule : identifier_rules()) add(rule, all);
    std::ranges::stable_sort(all, {}, &std::pair<Layout, CompiledRule>::first);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Layout& layout = all[i].first;
      if (i == 0 || all[i - 1].first != layout) add_known(layout);
      rules_.push_back(all[i].second);
      SB_ASSERT(++known_.back().count <= kMostRules);
      longest_ = std::max(longest_, layout.length);
    }
    SB_ASSERT(known_.size() <= kSlots / 4);
  }

  // Characters of the longest layout.
  std::size_t longest() const { return longest_; }

  std::span<const CompiledRule> find(const Layout& layout) const {
    const std::uint64_t hash = hash_of(layout);
    const bool may_know = (bits_[hash / 64 % bits_.size()] >> hash % 64 & 1) != 0;
    return may_know ? find_from(hash % kSlots, layout) : std::span<const CompiledRule>();
  }

  // Of values this long, however they are grouped.
  std::span<const CompiledRule> find_in_any_groups(std::size_t length, bool digits_only, bool plus) const {
    return find({length, ~Mask{0}, 0, digits_only, plus});
  }

 private:
  static constexpr std::size_t kBits = 1 << 15;  // 4 KB that stay near
  static constexpr std::size_t kSlots = 4096;
  static constexpr std::size_t kMostRules = 64;  // of a layout: a set of them is a Mask
  struct Known {
    Layout layout;
    std::uint16_t first = 0;  // of rules_
    std::uint16_t count = 0;
  };

  [[gnu::noinline]] std::span<const CompiledRule> find_from(std::size_t slot, const Layout& layout) const {
    for (; slots_[slot] != 0; slot = (slot + 1) % kSlots) {
      const Known& known = known_[slots_[slot] - std::size_t{1}];
      if (known.layout == layout) return {rules_.data() + known.first, known.count};
    }
    return {};
  }

  static std::uint64_t hash_of(const Layout& layout) {
    const std::uint64_t row = layout.length << 2 | (layout.digits_only ? 2 : 0) | (layout.plus ? 1 : 0);
    const std::uint64_t mixed =
        (layout.breaks ^ layout.marks * 0xc2b2ae3d27d4eb4fULL ^ row * 0xff51afd7ed558ccdULL) * 0x9e3779b97f4a7c15ULL;
    return mixed >> 32;
  }

  void add_known(const Layout& layout) {
    known_.push_back({.layout = layout, .first = static_cast<std::uint16_t>(rules_.size())});
    const std::uint64_t hash = hash_of(layout);
    bits_[hash / 64 % bits_.size()] |= std::uint64_t{1} << hash % 64;
    std::size_t slot = hash % kSlots;
    while (slots_[slot] != 0) slot = (slot + 1) % kSlots;
    slots_[slot] = static_cast<std::uint16_t>(known_.size());
  }

  static void add(const IdentifierRule& rule, std::vector<std::pair<Layout, CompiledRule>>& all) {
    CompiledRule compiled{.rule = &rule};
    auto shape = rule.shape;
    const bool plus = shape.starts_with('+');
    if (plus) shape.remove_prefix(1);
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (is_digit(shape[i])) compiled.digits |= Mask{1} << i;
      if (shape[i] != '*' && !is_digit(shape[i])) compiled.letters |= Mask{1} << i;
      if (is_letter(shape[i]) || (is_digit(shape[i]) && shape[i] != '9')) compiled.literal = shape;
    }
    SB_ASSERT(shape.size() <= TokenRun::kMaxChars);
    for (auto& layout : groupings_of(rule.groups, shape.size())) {
      layout.plus = plus;
      layout.digits_only = true;
      if (compiled.letters == 0) all.emplace_back(layout, compiled);
      layout.digits_only = false;
      if (compiled.digits != first_bits(layout.length)) all.emplace_back(layout, compiled);
    }
  }

  std::vector<CompiledRule> rules_;
  std::vector<Known> known_;
  std::array<std::uint64_t, kBits / 64> bits_{};
  std::array<std::uint16_t, kSlots> slots_{};  // which of known_, counted from 1
  std::size_t longest_ = 0;
};

const RuleTable& rule_table() {
  static const RuleTable table;
  return table;
}

// The first groups of a run, taken as one value.
struct Candidate {
  const TokenRun& run;
  std::size_t used = 0;
  Mask digits = 0;
  Mask breaks = 0;
  std::uint64_t marks = 0;
  std::uint64_t plain_marks = 0;  // with blanks for what stands for one in a form's body or a file's name
  bool single_marks = true;       // one byte between two groups, no parenthesis
  bool one_line = true;
  std::string_view chars = {};

  void add_group() {
    const auto& group = run.groups[used];
    if (used > 0) {
      breaks |= Mask{1} << group.first;
      if (used <= 8) {
        const bool blank = group.separator == '+' || group.separator == '_';
        marks |= std::uint64_t{static_cast<unsigned char>(group.separator)} << (8 * (used - 1));
        plain_marks |= std::uint64_t{static_cast<unsigned char>(blank ? ' ' : group.separator)} << (8 * (used - 1));
      }
      single_marks = single_marks && group.gap == 1 && !group.closes && used <= 8;
      one_line = one_line && group.separator != '\n';
    }
    ++used;
    chars = run.compact(used);
    digits = run.digits & first_bits(chars.size());
  }
};

// This tells most rules apart whose values have letters. It is asked of each: inline and without a branch, for which
// one differs from rule to rule.
inline unsigned kinds_fit(const Candidate& candidate, const CompiledRule& compiled) {
  return bit(((compiled.digits & ~candidate.digits) | (compiled.letters & candidate.digits)) == 0);
}

bool literal_fits(const Candidate& candidate, const CompiledRule& compiled) {
  for (std::size_t i = 0; i < compiled.literal.size(); ++i) {
    const char c = compiled.literal[i];
    const bool literal = is_letter(c) || (is_digit(c) && c != '9');
    if (literal && to_upper(candidate.chars[i]) != c) return false;
  }
  return true;
}

bool check_holds(const Candidate& candidate, const IdentifierRule& rule) {
  std::array<char, TokenRun::kMaxChars> upper;
  for (std::size_t i = 0; i < candidate.chars.size(); ++i) upper[i] = static_cast<char>(to_upper(candidate.chars[i]));
  return rule.check == nullptr || rule.check({upper.data(), candidate.chars.size()});
}

bool is_mark(int byte) {
  static constexpr ByteSet kMarks("-_./:#$@+,\\");
  return kMarks.has(byte);
}

// Whether what stands before `start` or behind `end` makes the value a piece of something longer.
bool joined_before(std::string_view text, std::size_t start) {
  if (start < 2) return start == 1 && (text[0] == '$' || text[0] == '@');
  const int before = byte_of(text, start - 1);
  if (before == '$' || before == '@' || before == '\\') return true;
  if (before == ':' || before == '#') return is_digit(byte_of(text, start - 2));
  return is_mark(before) && is_alnum(byte_of(text, start - 2));
}

bool joined_behind(ScanWindow& window, const TokenRun& run, std::size_t used) {
  const std::size_t end = run.groups[used - 1].end;
  const int next = window.at(end);
  if (next == '@' || next == '%') return true;
  if (!is_mark(next) && next != '\'') return false;
  const int after = window.at(end + 1);
  // A sentence may go on without a blank ("1234.Then"), a list too ("1234,5678"); a number does not.
  if (next == '.' || next == ',' || next == ':') return is_digit(after) && used < run.group_count;
  return is_alnum(after);
}

// Grouped digits inside a longer row of them ("4111 1111 1111" of a card) are not that row.
bool inside_row(std::string_view text, const TokenRun& run, std::size_t used) {
  if (used < 2) return false;
  const auto& last = run.groups[used - 1];
  if (used < run.group_count && run.groups[used].plain && last.plain && run.groups[used].gap == 1 &&
      run.groups[used].separator == last.separator) {
    return true;
  }
  const std::size_t start = run.groups[0].begin;
  return start > 1 && text[start - 1] == run.groups[1].separator && is_digit(byte_of(text, start - 2)) &&
         run.groups[0].plain;
}

bool mixed_case(std::string_view chars) {
  bool upper = false;
  bool lower = false;
  for (const char c : chars) {
    upper = upper || is_a(static_cast<unsigned char>(c), kUpper);
    lower = lower || is_a(static_cast<unsigned char>(c), kLower);
  }
  return upper && lower;
}

// What is known of a run's surroundings, found out as far as a rule asks.
class Surroundings {
 public:
  Surroundings(ScanWindow& window, const TokenRun& run) : window_(window), run_(run) {}

  const Context& context() {
    if (!asked_) context_ = window_.context(run_.groups[0].begin);
    asked_ = true;
    return context_;
  }

  bool alone(std::size_t end) {
    if (alone_ < 0 || end != alone_end_) alone_ = stands_alone(window_, run_.groups[0].begin, end) ? 1 : 0;
    alone_end_ = end;
    return alone_ == 1;
  }

  std::uint64_t behind(std::size_t end) {
    if (behind_end_ != end) {
      std::size_t last = end;
      while (window_.at(last) >= 0) ++last;
      behind_ = ContextIndex::topics_in(window_.text().substr(end, last - end));
    }
    behind_end_ = end;
    return behind_;
  }

  // The score where a word names the value; 0 where none does.
  float named(const IdentifierRule& rule) {
    const Context& words = context();
    const auto countries = rule.topics & topic::kCountries;
    const unsigned named_country = bit((words.all & countries) != 0);
    const unsigned fits = bit(countries == 0) | named_country | bit((words.all & topic::kCountries) == 0);
    const unsigned says = bit((words.segment & rule.topics & topic::kKinds) != 0);
    return (says & fits & (named_country | bit(!rule.country_named))) != 0 ? rule.named : 0;
  }

  // 1 where the rule can hold at all, before its check digits are computed; without a branch, as above.
  unsigned possible(const IdentifierRule& rule) {
    const auto nearest = context().nearest;
    const float least = (nearest & (topic::other | topic::phone)) != 0 ? 0.9F : 0.7F;
    return bit(named(rule) > 0) | (bit(rule.alone > 0) & bit((nearest & topic::kTelling) == 0)) |
           bit(rule.alone >= least) | (bit(rule.bare > 0) & bit(nearest == 0));
  }

  // REQUIRES: possible.
  float score(const IdentifierRule& rule, const Candidate& candidate) {
    if (const float named_score = named(rule); named_score > 0) return named_score;
    const std::size_t end = run_.groups[candidate.used - 1].end;
    const bool whole = !inside_row(window_.text(), run_, candidate.used) && !mixed_case(candidate.chars);
    const float running = whole ? rule.alone : 0;
    if (rule.bare <= running || context().nearest != 0) return running;
    if (alone(end)) return rule.bare;
    if (running > 0) return running;
    // "AAA123456 es mi pasaporte": only for what looks like nothing else, since it holds a stream back.
    const bool mixed = candidate.digits != first_bits(candidate.chars.size());
    return mixed && (behind(end) & rule.topics & topic::kKinds) != 0 ? rule.named - 0.1F : 0;
  }

 private:
  ScanWindow& window_;
  const TokenRun& run_;
  Context context_;
  bool asked_ = false;
  int alone_ = -1;
  std::size_t alone_end_ = 0;
  std::uint64_t behind_ = 0;
  std::size_t behind_end_ = 0;
};

struct NamedLayouts {
  std::uint64_t topics;
  std::string_view type;
  float score;
};
constexpr NamedLayouts kNamed[] = {
    {topic::patient, "PATIENT_ID", 0.75F},    {topic::insurance, "INSURANCE_ID", 0.65F},
    {topic::employee, "EMPLOYEE_ID", 0.65F},  {topic::customer, "CUSTOMER_ID", 0.6F},
    {topic::user, "USER_ID", 0.5F},           {topic::passport, "PASSPORT", 0.6F},
    {topic::driver, "DRIVER_LICENSE", 0.55F}, {topic::tax, "TAX_ID", 0.55F},
    {topic::bank, "BANK_ACCOUNT", 0.5F},      {topic::national, "NATIONAL_ID", 0.5F},
};

bool has_word(std::string_view text, std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < end;) {
    if (!is_a(byte_of(text, i), kUpper | kLower | kHigh | kDigit)) {
      ++i;
      continue;
    }
    bool digit = false;
    while (i < end && is_a(byte_of(text, i), kUpper | kLower | kHigh | kDigit)) digit = digit || is_digit(text[i]), ++i;
    if (!digit) return true;
  }
  return false;
}

}  // namespace

bool stands_alone(ScanWindow& window, std::size_t start, std::size_t end) {
  const auto text = window.text();
  if (has_word(text, window.first(start), start)) return false;
  std::size_t last = end;
  while (window.at(last) >= 0) ++last;
  return !has_word(text, end, last);
}

void classify_identifiers(ScanWindow& window, const TokenRun& run, Findings& out) {
  const auto& table = rule_table();
  const std::size_t start = run.groups[0].begin;
  const auto text = window.text();
  const bool plus = start > 0 && text[start - 1] == '+';
  if (joined_before(text, start) && !plus) return;
  Surroundings around(window, run);
  Candidate candidate{.run = run};
  const auto judge = [&](const CompiledRule& compiled) {
    const auto& rule = *compiled.rule;
    if (!literal_fits(candidate, compiled) || !check_holds(candidate, rule)) return;
    if (joined_behind(window, run, candidate.used)) return;
    const float score = around.score(rule, candidate);
    const std::size_t end = run.groups[candidate.used - 1].end;
    if (score > 0) out.push_back({rule.type, "identifier", rule.type, {start - (plus ? 1 : 0), end}, score});
  };
  // First which rules may hold, bit by bit, then these.
  const auto judge_all = [&](std::span<const CompiledRule> rules) __attribute__((always_inline)) {
    if (rules.empty()) return;
    Mask possible = 0;
    for (std::size_t i = 0; i < rules.size(); ++i) {
      if (kinds_fit(candidate, rules[i]) != 0) possible |= Mask{around.possible(*rules[i].rule)} << i;
    }
    for (; possible != 0; possible &= possible - 1) judge(rules[static_cast<std::size_t>(std::countr_zero(possible))]);
  };
  while (candidate.used < run.group_count) {
    candidate.add_group();
    const std::size_t length = candidate.chars.size();
    if (length > table.longest()) return;
    const bool digits_only = candidate.digits == first_bits(length);
    if (candidate.single_marks) {
      judge_all(table.find({length, candidate.breaks, candidate.marks, digits_only, plus}));
      if (candidate.plain_marks != candidate.marks)
        judge_all(table.find({length, candidate.breaks, candidate.plain_marks, digits_only, plus}));
    }
    if (candidate.one_line) judge_all(table.find_in_any_groups(length, digits_only, plus));
  }
}

void classify_named(ScanWindow& window, const TokenRun& run, Findings& out) {
  const std::size_t start = run.groups[0].begin;
  const auto text = window.text();
  constexpr std::size_t kMost = 20;  // characters
  constexpr int kLeastDigits = 4;
  const auto digits_in = [&](std::size_t size) { return std::popcount(run.digits & first_bits(size)); };
  const bool alone = run.group_count < 2 || run.groups[1].separator != '-';
  if (digits_in(alone ? run.groups[0].count : kMost) < kLeastDigits || joined_before(text, start)) return;
  const Context words = window.context(start);
  // "insurance" alone is prose; "insurance number", "policyholder id", "policy #" announce a value.
  const bool announced = (words.segment & topic::number) != 0 || (start > 0 && text[start - 1] == '#');
  if (!announced || (words.nearest & topic::other) != 0) return;
  // Up to four groups with hyphens between them belong together; a blank ends the value.
  std::size_t used = 1;
  while (used < run.group_count && used < 4 && run.groups[used].gap == 1 && run.groups[used].separator == '-') ++used;
  const auto chars = run.compact(used);
  if (chars.size() > kMost || digits_in(chars.size()) < kLeastDigits) return;
  const auto* named =
      std::ranges::find_if(kNamed, [&](const NamedLayouts& n) { return (words.nearest & n.topics) != 0; });
  if (named == std::end(kNamed) || joined_behind(window, run, used)) return;
  out.push_back({named->type, "named", named->type, {start, run.groups[used - 1].end}, named->score});
}

std::vector<std::string_view> identifier_types() {
  std::vector<std::string_view> types;
  for (const auto& rule : identifier_rules()) types.push_back(rule.type);
  for (const auto& named : kNamed) types.push_back(named.type);
  return types;
}

}  // namespace sb::policy
