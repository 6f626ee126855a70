#include "policy/detect/custom.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <iterator>
#include <random>
#include <regex>

#include "policy/detect/pattern.h"
#include "policy/policy.h"
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

TEST(CustomDetector, WordsAreKnownInLettersThatLookLikeTheirs) {
  const CustomDetector names{.name = "p", .type = "PROJECT", .words = {"project x ray", "Cape"}};
  for (const char* text : {"prоjесt х rаy", "рroject x ray", "РRОJECT Χ RАY", "саре", "Сape"})
    EXPECT_EQ(found(names, text), Values{text});
  EXPECT_EQ(found(names, "рисаре, рrojects x ray, ясаре"), Values{}) << "the end of another word";
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

// Every byte that a match asks for is counted.
struct CountingWindow {
  std::string_view text;
  std::size_t asked = 0;
  int at(std::size_t index) {
    if (index >= text.size() || index >= kWindowBytes) return ScanWindow::kEnd;
    ++asked;
    return static_cast<unsigned char>(text[index]);
  }
};

std::string random_pattern(std::mt19937& random, int depth = 0) {
  static constexpr const char* kRepeats[] = {"", "", "", "?", "*", "+", "{2}", "{0,3}", "{1,4}", "{2,}", "{0,2}"};
  std::string out;
  for (unsigned parts = 1 + random() % 3; parts > 0; --parts) {
    std::string one(1, "abc"[random() % 3]);
    if (depth < 2 && random() % 3 == 0) one = "(" + random_pattern(random, depth + 1) + ")";
    if (random() % 6 == 0) one = "[ab]";
    out += one + kRepeats[random() % std::size(kRepeats)];
  }
  if (random() % 5 == 0) out += "|" + std::string(1, "abc"[random() % 3]);
  return out;
}

std::string random_word(std::mt19937& random) {
  std::string out;
  for (unsigned size = 1 + random() % 12; size > 0; --size) out += "abc"[random() % 3];
  return out;
}

// Another's engine, which tries and goes back, says what the longest match is.
TEST(Pattern, MatchesTheLongestThatItsWordsSay) {
  for (unsigned seed = 0; seed < 400; ++seed) {
    std::mt19937 random(seed);
    const std::string source = random_pattern(random);
    const auto pattern = Pattern::compile(source);
    if (!pattern) continue;  // it matches the empty text
    const std::regex other(source);
    for (int i = 0; i < 20; ++i) {
      const std::string word = random_word(random);
      std::size_t longest = 0;
      for (std::size_t size = 1; size <= word.size(); ++size) {
        if (std::regex_match(word.substr(0, size), other)) longest = size;
      }
      CountingWindow window{word};
      ASSERT_EQ(pattern->match(window, 0, [](std::size_t) { return true; }), longest)
          << "seed=" << seed << " " << source << " in " << word;
      // Letters begin it, so it is tried at every second byte.
      ASSERT_LE(window.asked, 2 * pattern->cost(false) + 1) << "seed=" << seed << " " << source;
    }
  }
}

std::size_t cost_of(std::string_view source, bool checked = false) {
  return Pattern::compile(source)->cost(checked);
}

TEST(Pattern, CostsWhatTheWorstTextMakesItTry) {
  EXPECT_EQ(cost_of("E\\d{5}"), 3U) << "six places, tried at every second byte";
  EXPECT_EQ(cost_of("#\\d{5}"), 6U) << "at every byte";
  EXPECT_EQ(cost_of("a+"), 32U) << "to the window's end";
  EXPECT_EQ(cost_of("#[^a]*"), 64U) << "of a text of '#'";
  EXPECT_EQ(cost_of("[^a]+"), 256U) << "of one of characters of four bytes";
  EXPECT_EQ(cost_of("a{2,20}"), 10U) << "one way to read a repeat, however many may be left out";
  EXPECT_EQ(cost_of("#(a|b)?c"), 3U);
  EXPECT_EQ(cost_of("\\d{8}", true), 8U) << "eight digits, and all of them once more for the check";

  EXPECT_EQ(cost_of("(a?a?a?a?)*x"), 128U) << "each letter may be any of four";
}

Result<std::shared_ptr<const Policy>> policy_of(const std::vector<std::string>& patterns) {
  std::string yaml = "name: p\nversion: 1\nrules: [{types: ['*'], action: redact}]\ndetectors:\n";
  for (std::size_t i = 0; i < patterns.size(); ++i)
    yaml += fmt::format("  - {{name: d{}, type: T{}, pattern: '{}'}}\n", i, i, patterns[i]);
  return Policy::load(yaml, "own.yaml");
}

TEST(Pattern, APolicyWithOneThatCostsTooMuchIsRefusedByName) {
  const std::string dear = ".(a?a?a?a?a?a?a?a?a?a?)*x";
  const auto refused = policy_of({"E\\d{6}", dear});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::invalid_argument);
  EXPECT_TRUE(refused.error().detail.starts_with("own.yaml: line 6, column ")) << refused.error().detail;
  EXPECT_NE(refused.error().detail.find(fmt::format("up to {} places", cost_of(dear))), std::string::npos)
      << refused.error().detail;
  EXPECT_NE(refused.error().detail.find("may try 512: let it begin with"), std::string::npos);
  for (const char* list : {"allow_patterns", "deny_patterns"}) {
    const auto rule = Policy::load(
        fmt::format("{{name: p, version: 1, rules: [{{types: [EMAIL], action: redact, {}: ['{}']}}]}}", list, dear),
        "own.yaml");
    ASSERT_FALSE(rule) << list;
    EXPECT_NE(rule.error().detail.find("may try 512"), std::string::npos) << rule.error().detail;
  }
}

TEST(Pattern, NorMayAllOfAPolicyCostMoreTogether) {
  const std::string dear = ".+";
  EXPECT_TRUE(policy_of(std::vector<std::string>(512 / cost_of(dear), dear)));
  const auto refused = policy_of(std::vector<std::string>(1 + 512 / cost_of(dear), dear));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().detail.find("all patterns together"), std::string::npos) << refused.error().detail;
}

TEST(Pattern, WhatIsInForceAlreadyMayCostWhatItCosts) {
  const std::string yaml =
      "{name: p, version: 1, detectors: [{name: a, type: A, pattern: '.+'}, {name: b, type: B, pattern: '.+'}, {name: "
      "c, "
      "type: C, pattern: '.+'}], rules: [{types: [A], action: redact}]}";
  EXPECT_FALSE(Policy::load(yaml, "own.yaml"));
  EXPECT_TRUE(Policy::load_kept(yaml, "own.yaml"));
}

TEST(Pattern, ManyAsPoliciesHaveThemAreFine) {
  EXPECT_TRUE(policy_of(std::vector<std::string>(10, "(?i)(emp|con|ext)[-_ ]?[a-z]{0,3}\\d{4,12}(/\\d{2})?")));
  EXPECT_TRUE(policy_of(std::vector<std::string>(8, "[A-Za-z0-9+/=_-]{20,}")));
  EXPECT_TRUE(policy_of({"(\\w+[ -]){1,4}(gmbh|ag|ltd)"}));
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
