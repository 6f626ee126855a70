#include "policy/detect/custom.h"

#include <gtest/gtest.h>

#include "policy/detect/pattern.h"
#include "policy/scanner.h"

namespace sb::policy {
namespace {

std::vector<std::string> found(const CustomDetector& description, std::string_view text) {
  const auto detector = make_custom_detector(description);
  if (!detector) return {detector.error().detail};
  const Scanner scanner({*detector});
  ScanResult result;
  scanner.scan(text, {}, result);
  std::vector<std::string> values;
  for (const auto& f : result.findings) values.emplace_back(text.substr(f.span.begin, f.span.size()));
  return values;
}

using Values = std::vector<std::string>;

TEST(CustomDetector, MatchesItsPatternAtWordBoundaries) {
  const CustomDetector badge{.name = "badge", .type = "BADGE", .pattern = R"((EMP|CON)-?\d{4,6})"};
  EXPECT_EQ(found(badge, "EMP-1234, xEMP-1234, CON999999 and EMP-1234567"), (Values{"EMP-1234", "CON999999"}));
}

TEST(CustomDetector, PatternLanguage) {
  const auto one = [](std::string pattern, std::string_view text) {
    return found({.name = "n", .type = "T", .pattern = std::move(pattern)}, text);
  };
  EXPECT_EQ(one("a(b|cd)*e", "abcdbe"), Values{"abcdbe"});
  EXPECT_EQ(one("[^a-y ]+", "xyz zz"), Values{"zz"});
  EXPECT_EQ(one(R"(x\.y?)", "x. xay"), Values{"x."});
  EXPECT_EQ(one("ab{2,}c", "abc abbc abbbbc"), (Values{"abbc", "abbbbc"}));
  EXPECT_EQ(one("(ab?){2}c", "aac ababc abc"), (Values{"aac", "ababc"}));
}

TEST(CustomDetector, ChecksAndContextDecide) {
  const CustomDetector member{
      .name = "member", .type = "MEMBER", .pattern = R"(\d{8})", .check = "luhn", .context = {"member", "Mitglied"}};
  EXPECT_EQ(found(member, "member no 12345674"), Values{"12345674"});
  EXPECT_EQ(found(member, "member no 12345675"), Values{});
  EXPECT_EQ(found(member, "remembering 12345674"), Values{});
  EXPECT_EQ(found(member, "MITGLIED: 12345674"), Values{"12345674"});
}

TEST(CustomDetector, WordsIgnoreCaseAndPreferTheLongest) {
  const CustomDetector project{.name = "p", .type = "PROJECT", .words = {"blue moon", "Blue", "moonlight"}};
  EXPECT_EQ(found(project, "BLUE MOON, bluebird, a blue moonlit night"), (Values{"BLUE MOON", "blue"}));
}

TEST(CustomDetector, PartsOfAWordMayBeSetApartOtherwise) {
  const CustomDetector project{.name = "p", .type = "PROJECT", .words = {"project x ray"}};
  for (const char* text : {"project  x\nray", "Project X-Ray", "project_x_ray", "PROJECT\r\nX RAY"})
    EXPECT_EQ(found(project, text), Values{text});
  EXPECT_EQ(found(project, "projectx ray, project x rays"), Values{});
}

TEST(CustomDetector, WordsIgnoreCaseAndAccentsOfOtherLetters) {
  const CustomDetector names{
      .name = "p", .type = "PROJECT", .words = {"Müller GmbH", "l’Oréal", "Østfold", "Ωmega", "проект"}};
  for (const char* text :
       {"MÜLLER GMBH", "Mu\u0308ller GmbH", "l'Oréal", "L’OREAL", "ØSTFOLD", "Ostfold", "ωMEGA", "ПРОЕКТ"})
    EXPECT_EQ(found(names, text), Values{text});
  EXPECT_EQ(found(names, "Müller GmbHs"), Values{});
}

TEST(CustomDetector, AMatchGoesOnBehindItsWindow) {
  const std::string digits(120, '7');
  EXPECT_EQ(found({.name = "n", .type = "T", .pattern = "X-[A-Z0-9]+"}, "to X-" + digits + " now"),
            Values{"X-" + digits});
  EXPECT_EQ(found({.name = "n", .type = "T", .pattern = "X-[^ ]+"}, "to X-" + digits + "#7 now"),
            Values{"X-" + digits + "#7 now"});
  EXPECT_EQ(found({.name = "n", .type = "T", .pattern = "X-.+"}, "X-" + digits + " a; b\nc"),
            Values{"X-" + digits + " a; b"});
}

TEST(CustomDetector, PatternsMindCaseUnlessTheySayOtherwise) {
  EXPECT_EQ(found({.name = "n", .type = "T", .pattern = "PX-[0-9]+"}, "px-12 PX-12"), Values{"PX-12"});
  EXPECT_EQ(found({.name = "n", .type = "T", .pattern = "(?i)PX-[a-f]+"}, "px-ab Px-AB"), (Values{"px-ab", "Px-AB"}));
  EXPECT_EQ(found({.name = "n", .type = "T", .pattern = "((?i)ab)c"}, "ABc ABC"), Values{"ABc"});
  EXPECT_EQ(found({.name = "n", .type = "T", .pattern = "(?i)x[^a]"}, "xA xa xb"), Values{"xb"});
}

TEST(CustomDetector, ErrorsNameTheMember) {
  EXPECT_EQ(found({.name = "n", .type = "T"}, ""), Values{"a detector needs a \"pattern\" or \"words\""});
  EXPECT_EQ(found({.name = "n", .type = "T", .pattern = "a(b"}, ""),
            Values{"\"pattern\": at byte 4 of the pattern: a '(' without its ')'"});
  EXPECT_EQ(found({.name = "n", .type = "T", .pattern = "a*"}, ""),
            Values{"\"pattern\": the pattern matches the empty text"});
  for (const char* bad : {"[a", "a{3", "a{5,2}", "*", "a**", "^a", "\\q", "(((((((((((((((((a)))))))))))))))))", "a)",
                          "[0-9a-f]{64}[0-9a-f]{64}[0-9a-f]{65}"}) {
    EXPECT_FALSE(Pattern::compile(bad)) << bad;
  }
  EXPECT_NE(found({.name = "n", .type = "T", .pattern = "a", .check = "luhm"}, "")[0].find("luhn"), std::string::npos);
}

}  // namespace
}  // namespace sb::policy
