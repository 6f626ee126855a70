// Quality over texts that nobody learnt from (quality/texts.txt), counted as bench/policy/quality.sh counts over larger
// sets: a value is found where a finding of its type shares a byte with it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <vector>

#include "policy/test_policies.h"

namespace sb::policy {
namespace {

constexpr std::string_view kTexts = "src/policy/quality/texts.txt";
constexpr std::string_view kOpen = "⟦";
constexpr std::string_view kClose = "⟧";
constexpr std::string_view kAtUsualScore = R"(
name: quality
version: 1
rules:
  - {name: all, types: ["*"], action: tokenise}
)";

struct Value {
  std::string type;
  Span span;
};

struct Labelled {
  std::string text;
  std::vector<Value> values;
};

// "call ⟦PHONE 020 7946 0857⟧" without the marks.
Labelled read_marks(std::string_view marked) {
  Labelled one;
  while (true) {
    const std::size_t open = marked.find(kOpen);
    one.text += marked.substr(0, open);
    if (open == std::string_view::npos) return one;
    marked.remove_prefix(open + kOpen.size());
    const std::size_t blank = marked.find(' ');
    const std::size_t close = marked.find(kClose);
    SB_ASSERT(blank < close && close != std::string_view::npos);
    const auto value = marked.substr(blank + 1, close - blank - 1);
    one.values.push_back({std::string(marked.substr(0, blank)), {one.text.size(), one.text.size() + value.size()}});
    one.text += value;
    marked.remove_prefix(close + kClose.size());
  }
}

std::map<std::string, std::vector<Labelled>> read_sets() {
  std::map<std::string, std::vector<Labelled>> sets;
  std::ifstream file{std::string(kTexts)};
  std::string set, text;
  const auto finish = [&] {
    if (!set.empty() && text.find_first_not_of('\n') != std::string::npos) {
      text.resize(text.find_last_not_of('\n') + 1);
      sets[set].push_back(read_marks(text));
    }
    text.clear();
  };
  for (std::string line; std::getline(file, line);) {
    if (line == "--" || line.starts_with("== ")) finish();
    if (line.starts_with("== "))
      set = line.substr(3);
    else if (line != "--")
      text += line + '\n';
  }
  finish();
  return sets;
}

bool share(Span a, Span b) {
  return a.begin < b.end && b.begin < a.end;
}

class Score {
 public:
  /// Of `types` alone: the others are not labelled.
  explicit Score(std::set<std::string> types) : types_(std::move(types)) {}

  void add(const Policy& policy, const Labelled& one) {
    TokenVault vault;
    auto context = test::context_for(vault);
    const auto guarded = guard_text(policy, context, one.text);
    ASSERT_TRUE(guarded);
    for (const auto& value : one.values) {
      bytes_ += value.span.size();
      bool found = false;
      for (const auto& [finding, _, rule, hash] : guarded->findings) {
        if (!share(finding.span, value.span)) continue;
        covered_ += std::min(finding.span.end, value.span.end) - std::max(finding.span.begin, value.span.begin);
        found = found || finding.type == value.type;
      }
      (found ? right_ : missed_) += 1;
      if (!found) note("missed", value.type, one.text, value.span);
    }
    bool clean = true;
    for (const auto& [finding, _, rule, hash] : guarded->findings) {
      const auto same = [&](const Value& value) {
        return value.type == finding.type && share(value.span, finding.span);
      };
      if (!types_.contains(std::string(finding.type)) || std::ranges::any_of(one.values, same)) continue;
      ++wrong_;
      clean = false;
      note("wrong", finding.type, one.text, finding.span);
    }
    ++texts_;
    spoilt_ += !clean;
  }

  double precision() const { return share_of(right_, right_ + wrong_); }
  double recall() const { return share_of(right_, right_ + missed_); }
  double f2() const { return 5 * precision() * recall() / (4 * precision() + recall()); }
  double leak() const { return 1 - share_of(covered_, bytes_); }
  /// Texts in which something was found that is none.
  double spoilt() const { return share_of(spoilt_, texts_); }
  std::string story() const {
    return fmt::format(
        "{} values, precision {:.3f}, recall {:.3f}, F2 {:.3f}, leak {:.3f}, {} of {} texts with a "
        "false finding\n{}",
        right_ + missed_, precision(), recall(), f2(), leak(), spoilt_, texts_, faults_);
  }

 private:
  static double share_of(std::size_t part, std::size_t whole) {
    return whole == 0 ? 1 : static_cast<double>(part) / static_cast<double>(whole);
  }
  void note(std::string_view what, std::string_view type, std::string_view text, Span span) {
    fmt::format_to(std::back_inserter(faults_), "{} {}: {}\n", what, type, text.substr(span.begin, span.size()));
  }

  std::set<std::string> types_;
  std::size_t right_ = 0, wrong_ = 0, missed_ = 0, covered_ = 0, bytes_ = 0, texts_ = 0, spoilt_ = 0;
  std::string faults_;
};

class Quality : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(policy_);
    for (const auto& [_, texts] : sets_) {
      for (const auto& text : texts) {
        for (const auto& value : text.values) types_.insert(value.type);
      }
    }
  }
  Score score(std::initializer_list<const char*> names) {
    Score score(types_);
    for (const auto* name : names) {
      EXPECT_GE(sets_[name].size(), 15U) << kTexts << ": " << name;
      for (const auto& text : sets_[name]) score.add(*policy_, text);
    }
    return score;
  }

  std::map<std::string, std::vector<Labelled>> sets_ = read_sets();
  std::shared_ptr<const Policy> policy_ = test::load(kAtUsualScore);
  std::set<std::string> types_;
};

TEST_F(Quality, LettersAndRecordsLeakLittle) {
  const auto found = score({"letters", "records"});
  EXPECT_GE(found.f2(), 0.96) << found.story();
  EXPECT_LE(found.leak(), 0.03) << found.story();
}
TEST_F(Quality, ValuesInDisguiseLeakLittle) {
  const auto found = score({"disguised"});
  EXPECT_GE(found.f2(), 0.93) << found.story();
  EXPECT_LE(found.leak(), 0.06) << found.story();
}
TEST_F(Quality, SecretsAreFoundAndNothingElseIsTakenForOne) {
  const auto found = score({"secrets"});
  EXPECT_GE(found.recall(), 0.99) << found.story();
  EXPECT_GE(found.precision(), 0.99) << found.story();
}
TEST_F(Quality, TextsWithoutValuesAreLeftAlone) {
  const auto found = score({"clean"});
  EXPECT_LE(found.spoilt(), 0.15) << found.story();
}

}  // namespace
}  // namespace sb::policy
