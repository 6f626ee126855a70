#include "policy/injection_families.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "base/json.h"
#include "policy/command.h"
#include "policy/injection_made.h"

namespace sb::policy {
namespace {

constexpr const char* kGrammar = "policies/injection.grammar.txt";

TEST(InjectionMade, EveryFamilyHasTextsOfItsOwnAndTheSameSeedGivesTheSame) {
  const auto made = make_injection_texts(kGrammar, 1800, 7);
  ASSERT_TRUE(made.has_value()) << made.error().detail;
  ASSERT_EQ(made->size(), 1800U);
  std::set<std::string> texts;
  std::map<std::string_view, int> families;
  int attacks = 0;
  for (const auto& one : *made) {
    texts.insert(one.text);
    ++families[one.family];
    attacks += one.attack;
    // A symbol that was not filled, a label that was not closed.
    EXPECT_EQ(one.text.find("{}"), std::string::npos) << one.text;
  }
  EXPECT_EQ(texts.size(), made->size());
  EXPECT_EQ(attacks, 900);
  EXPECT_EQ(families.size(), 17U);
  for (const auto& [family, count] : families) EXPECT_GE(count, 90) << family;
  const auto again = make_injection_texts(kGrammar, 1800, 7);
  EXPECT_TRUE(std::ranges::equal(*made, *again, {}, &MadeText::text, &MadeText::text));
  const auto other = make_injection_texts(kGrammar, 1800, 8);
  EXPECT_FALSE(std::ranges::equal(*made, *other, {}, &MadeText::text, &MadeText::text));
  EXPECT_EQ(make_injection_texts("none.txt", 1, 1).error().code, Errc::not_found);
}

TEST(InjectionMade, TheCommandPrintsLinesToLearnFrom) {
  std::istringstream in;
  std::ostringstream out, err;
  ASSERT_EQ(policy_command(std::vector<std::string>{"injection", "--made", "30", "--grammar", kGrammar}, in, out, err),
            0)
      << err.str();
  std::istringstream lines(out.str());
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const auto row = parse_json(line);
    ASSERT_TRUE(row.has_value()) << line;
    const bool attack = string_member(*row, "intent") == "attack";
    EXPECT_EQ(string_member(*row, "route"), attack ? "human" : "generative");
    EXPECT_EQ(string_member(*row, "family").starts_with("plain"), !attack) << line;
  }
  EXPECT_EQ(count, 30U);
  EXPECT_EQ(policy_command(std::vector<std::string>{"injection", "--made", "x"}, in, out, err), 2);
  EXPECT_NE(err.str().find("--made is a whole number"), std::string::npos) << err.str();
}

/// Knows the attacks that it was shown, by their first word.
class FirstWordScorer final : public InjectionScorer {
 public:
  explicit FirstWordScorer(std::span<const FamilyText* const> texts) {
    for (const auto* text : texts) {
      if (text->attack) words_.insert(first_word(text->text));
    }
  }
  double score(std::string_view text) const override { return words_.contains(first_word(text)) ? 0.9 : 0.1; }
  std::string_view version() const override { return "first"; }

 private:
  static std::string first_word(std::string_view text) { return std::string(text.substr(0, text.find(' '))); }
  std::set<std::string> words_;
};

TEST(InjectionFamilies, AFamilyIsJudgedByWhatNeverMetIt) {
  std::vector<FamilyText> texts = {
      {"obey me", "orders", true}, {"obey him", "orders", true}, {"show it", "asks", true}, {"obey us", "asks", true}};
  for (int i = 0; i < 40; ++i) texts.push_back({"work " + std::to_string(i), "plain", false});
  const TrainScorer train = [](auto shown) -> Result<std::unique_ptr<const InjectionScorer>> {
    return std::make_unique<const FirstWordScorer>(shown);
  };
  std::ostringstream out;
  ASSERT_TRUE(print_families(texts, 0.01, train, out).has_value());
  // Of "asks" one begins as an order does; both orders begin as one of "asks" does.
  EXPECT_NE(out.str().find("asks             1 of 2 attacks found (0.500), 0 of"), std::string::npos) << out.str();
  EXPECT_NE(out.str().find("orders           2 of 2 attacks found (1.000), 0 of"), std::string::npos) << out.str();
  EXPECT_NE(out.str().find("all              3 of 4 attacks found (0.750)"), std::string::npos) << out.str();
}

}  // namespace
}  // namespace sb::policy
