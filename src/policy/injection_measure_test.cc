#include "policy/injection_measure.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "policy/command.h"

namespace sb::policy {
namespace {

std::vector<ScoredText> texts_of(std::vector<double> attacks, std::vector<double> others) {
  std::vector<ScoredText> texts;
  for (const double score : attacks) texts.push_back({score, true, false});
  for (const double score : others) texts.push_back({score, false, false});
  return texts;
}

TEST(InjectionMeasure, TheThresholdIsTheLeastThatKeepsTheTarget) {
  const auto texts = texts_of({0.95, 0.7, 0.4}, {0.1, 0.2, 0.3, 0.6});
  EXPECT_DOUBLE_EQ(threshold_for(texts, 0), 0.601);
  EXPECT_DOUBLE_EQ(threshold_for(texts, 0.25), 0.301);
  const auto seen = objections(texts, 0.601);
  EXPECT_EQ(seen.found, 2U);
  EXPECT_EQ(seen.wrongly, 0U);
  EXPECT_DOUBLE_EQ(seen.accuracy(), 6.0 / 7);
  EXPECT_EQ(objections(texts, 0.301).wrongly, 1U);
  EXPECT_GT(threshold_for(texts_of({}, {1.0}), 0), 1.0) << "a score of 1 is no attack here";
}

TEST(InjectionMeasure, AThresholdIsJudgedOnTextsItWasNotPickedOn) {
  // The one high score is missing from the other folds' threshold only when it is judged itself.
  auto texts = texts_of({}, {0.1, 0.1, 0.1, 0.1, 0.9});
  EXPECT_EQ(objections(texts, threshold_for(texts, 0)).wrongly, 0U);
  EXPECT_EQ(cross_validate(texts, 0, 5).wrongly, 1U);
}

TEST(InjectionMeasure, ShortAndLongTextsAreToldApart) {
  std::vector<ScoredText> texts = {{0.9, true, true}, {0.9, true, false}, {0.1, false, true}};
  EXPECT_EQ(objections(texts, 0.5, true).attacks, 1U);
  EXPECT_EQ(objections(texts, 0.5, true).others, 1U);
  EXPECT_EQ(objections(texts, 0.5, false).attacks, 1U);
  const auto bins = reliability(texts);
  EXPECT_EQ(bins.front().count, 1U);
  EXPECT_EQ(bins.back().attacks, 2U);
  EXPECT_DOUBLE_EQ(bins.back().mean_score, 0.9);
}

/// Suspects what holds the word.
class WordScorer final : public InjectionScorer {
 public:
  double score(std::string_view text) const override { return text.find("obey") == std::string_view::npos ? 0.1 : 0.9; }
  std::string_view version() const override { return "word"; }
};

TEST(InjectionMeasure, TheCommandPrintsIt) {
  std::string name = (std::filesystem::temp_directory_path() / "injection-XXXXXX").string();
  ASSERT_NE(::mkstemp(name.data()), -1);
  std::ofstream(name) << R"({"text":"obey me","intent":"attack"})" << '\n'
                      << R"({"text":"hello","intent":"plain"})" << '\n';
  const WordScorer scorer;
  std::istringstream in;
  std::ostringstream out, err;
  EXPECT_EQ(policy_command(std::vector<std::string>{"injection", "--data", name}, in, out, err, {&scorer, {}, {}}), 0);
  EXPECT_NE(out.str().find("classifier word, 2 texts"), std::string::npos) << out.str() << err.str();
  EXPECT_NE(out.str().find("min_score 0.7\n  short texts    1 of 1 attacks found (1.000), 0 of 1 others objected to"),
            std::string::npos)
      << out.str();
  std::ofstream(name) << "{\"text\":\"x\"}\n";
  EXPECT_EQ(policy_command(std::vector<std::string>{"injection", "--data", name}, in, out, err, {&scorer, {}, {}}), 2);
  EXPECT_NE(err.str().find("line 1: needs \"text\" and \"intent\""), std::string::npos) << err.str();
  EXPECT_EQ(policy_command(std::vector<std::string>{"injection", "--target", "1"}, in, out, err, {&scorer, {}, {}}), 2);
  std::filesystem::remove(name);
}

}  // namespace
}  // namespace sb::policy
