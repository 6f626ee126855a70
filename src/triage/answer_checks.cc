#include "triage/answer_checks.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace sb::triage {
namespace {

constexpr int kMaxDepth = 16;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// A number at the front of `text`, thousands commas allowed; moves `text` behind it.
std::optional<double> take_number(std::string_view& text) {
  std::string plain;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    const bool digit_follows = at + 1 < text.size() && is_digit(text[at + 1]);
    if (is_digit(text[at]) || (text[at] == '.' && digit_follows)) {
      plain += text[at];
    } else if (text[at] != ',' || !digit_follows || plain.empty()) {
      break;
    }
  }
  double value = 0;
  if (plain.empty() || std::from_chars(plain.data(), plain.data() + plain.size(), value).ec != std::errc()) return {};
  text.remove_prefix(at);
  return value;
}

std::vector<double> numbers_of(std::string_view text) {
  std::vector<double> out;
  while (!text.empty()) {
    const auto value = is_digit(text.front()) ? take_number(text) : std::nullopt;
    value ? out.push_back(*value) : text.remove_prefix(1);
  }
  return out;
}

// Sums, products and brackets, by recursive descent. A percent sign behind a number divides by 100.
class Expression {
 public:
  static std::optional<double> evaluate(std::string_view text) {
    Expression e(text);
    const auto value = e.sum(0);
    e.skip();
    return e.rest_.empty() && e.operators_ > 0 ? value : std::nullopt;
  }

 private:
  explicit Expression(std::string_view text) : rest_(text) {}

  void skip() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '$')) rest_.remove_prefix(1);
  }
  bool take(std::string_view any) {
    skip();
    if (rest_.empty() || any.find(rest_.front()) == any.npos) return false;
    taken_ = rest_.front();
    rest_.remove_prefix(1);
    return true;
  }
  std::optional<double> sum(int depth) {
    auto value = product(depth);
    while (value && take("+-")) {
      const char sign = taken_;
      ++operators_;
      const auto next = product(depth);
      if (!next) return {};
      value = sign == '+' ? *value + *next : *value - *next;
    }
    return value;
  }
  std::optional<double> product(int depth) {
    auto value = factor(depth);
    while (value && take("*/x")) {
      const char sign = taken_;
      ++operators_;
      const auto next = factor(depth);
      if (!next || (sign == '/' && *next == 0)) return {};
      value = sign == '/' ? *value / *next : *value * *next;
    }
    return value;
  }
  std::optional<double> factor(int depth) {
    if (depth > kMaxDepth) return {};
    if (take("-")) {
      const auto value = factor(depth + 1);
      return value ? std::optional(-*value) : std::nullopt;
    }
    if (take("(")) {
      const auto value = sum(depth + 1);
      return value && take(")") ? value : std::nullopt;
    }
    skip();
    auto value = take_number(rest_);
    if (value && take("%")) *value /= 100;
    return value;
  }

  std::string_view rest_;
  char taken_ = 0;
  int operators_ = 0;
};

bool contains_word(const std::string& lower, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(words, [&](std::string_view word) { return lower.find(word) != lower.npos; });
}

double count_words(const std::string& lower, std::initializer_list<std::string_view> words) {
  double count = 0;
  for (const auto word : words) {
    for (auto at = lower.find(word); at != lower.npos; at = lower.find(word, at + word.size())) ++count;
  }
  return count;
}

// The answer's last word: the number behind "####", else the last number there is.
struct Final {
  bool marked = false;
  std::optional<double> value;
};

Final final_of(std::string_view answer) {
  Final out;
  const auto mark = answer.rfind("####");
  out.marked = mark != answer.npos;
  const auto tail = out.marked ? answer.substr(mark + 4) : answer;
  const auto numbers = numbers_of(tail);
  if (numbers.empty()) {
    out.marked = false;
    return out;
  }
  const auto first = tail.find_first_not_of(" $");
  const double value = out.marked ? numbers.front() : numbers.back();
  out.value = out.marked && first != tail.npos && tail[first] == '-' ? -value : value;
  return out;
}

bool whole(double value) {
  return value == std::floor(value);
}

}  // namespace

bool Calculation::agrees() const {
  return std::abs(computed - stated) <= 0.01 * std::max(1.0, std::abs(computed));
}

bool next_calculation(std::string_view text, std::size_t& from, Calculation& out) {
  constexpr std::string_view kInside = "0123456789.,+-*/x()$% ";
  constexpr std::size_t kMaxLeft = 200;
  for (auto equals = text.find('=', from); equals != text.npos; equals = text.find('=', equals + 1)) {
    std::size_t begin = equals;
    while (begin > 0 && equals - begin < kMaxLeft && kInside.find(text[begin - 1]) != kInside.npos) --begin;
    // A sentence's full stop or comma is no part of the sum behind it.
    while (begin < equals && std::string_view(" .,*/x+)%").find(text[begin]) != std::string_view::npos) ++begin;
    auto right = text.substr(equals + 1);
    while (!right.empty() && (right.front() == ' ' || right.front() == '$')) right.remove_prefix(1);
    const bool negative = right.starts_with('-');
    if (negative) right.remove_prefix(1);
    const auto stated = take_number(right);
    out.left = text.substr(begin, equals - begin);
    const auto computed = stated ? Expression::evaluate(out.left) : std::nullopt;
    if (!computed) continue;
    out.computed = *computed;
    out.stated = negative ? -*stated : *stated;
    from = equals + 1;
    return true;
  }
  return false;
}

std::array<double, kAnswerChecks> check_answer(std::string_view prompt, std::string_view answer) {
  const auto asked = numbers_of(prompt);
  const auto said = numbers_of(answer);
  const std::set<double> said_set(said.begin(), said.end());
  std::set<double> known(asked.begin(), asked.end());
  std::set<double> used;
  std::vector<double> results;
  double wrong = 0;
  bool fractional = false;
  bool negative = false;
  Calculation step;
  for (std::size_t from = 0; next_calculation(answer, from, step);) {
    wrong += !step.agrees();
    results.push_back(step.stated);
    known.insert(step.stated);
    fractional = fractional || !whole(step.stated);
    negative = negative || step.stated < 0;
    for (const double value : numbers_of(step.left)) used.insert(value);
  }
  const auto last = final_of(answer);
  const double value = last.value.value_or(0);
  double dangling = 0;  // results that nothing used later
  for (std::size_t i = 0; i + 1 < results.size(); ++i) dangling += !used.contains(results[i]) && results[i] != value;
  const auto unused =
      static_cast<double>(std::ranges::count_if(asked, [&](double x) { return !said_set.contains(x); }));
  const std::set<double> common = {1, 2, 7, 12, 24, 60, 100};
  const auto invented = static_cast<double>(
      std::ranges::count_if(said, [&](double x) { return !known.contains(x) && !common.contains(x); }));
  const auto lower_prompt = to_lower(prompt);
  const auto lower = to_lower(answer);
  const auto lines = static_cast<double>(std::ranges::count(trim(answer), '\n') + 1);
  const auto steps = static_cast<double>(results.size());
  const auto answer_size = static_cast<double>(answer.size());
  const auto prompt_size = static_cast<double>(prompt.size());
  return {!last.marked ? 1.0 : 0.0,
          wrong,
          wrong > 0 ? 1.0 : 0.0,
          steps,
          results.empty() ? 1.0 : 0.0,
          unused,
          unused / std::max(1.0, static_cast<double>(asked.size())),
          static_cast<double>(asked.size()),
          std::log1p(answer_size),
          std::log1p(prompt_size),
          lines,
          last.value && !results.empty() && std::abs(value - results.back()) > 1e-6 ? 1.0 : 0.0,
          last.value && !whole(value) ? 1.0 : 0.0,
          value < 0 ? 1.0 : 0.0,
          std::log1p(std::abs(value)),
          std::ranges::find(asked, value) != asked.end() ? 1.0 : 0.0,
          dangling,
          std::log1p(invented),
          fractional ? 1.0 : 0.0,
          negative ? 1.0 : 0.0,
          contains_word(lower, {"sorry", "cannot", "not possible", "unclear", "not enough", "assum", "impossible",
                                "however", "mistake", "not specified", "depends"})
              ? 1.0
              : 0.0,
          trim(answer).empty() ? 1.0 : 0.0,
          lower_prompt.find('%') != lower_prompt.npos ? 1.0 : 0.0,
          contains_word(lower_prompt, {"half", "third", "quarter", "twice", "double", "triple"}) ? 1.0 : 0.0,
          count_words(lower_prompt, {" more ", " less ", " fewer ", " than ", " each ", " every ", " per "}),
          std::log1p(asked.empty() ? 0 : *std::ranges::max_element(asked)),
          answer_size / std::max(1.0, prompt_size),
          static_cast<double>(std::ranges::count(lower, '='))};
}

}  // namespace sb::triage
