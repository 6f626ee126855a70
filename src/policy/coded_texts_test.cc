// Texts in escapes, entities and hidden characters: found whole, in streams the same, with bounded memory and work.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "policy/detect/fold.h"
#include "policy/stream_guard.h"
#include "policy/test_policies.h"

namespace sb::policy {
namespace {

constexpr std::string_view kRedactAll =
    "{name: all, version: 1, rules: [{types: ['*'], min_score: 0.3, action: redact}]}";
constexpr std::string_view kHiddenSpace = "\xe2\x80\x8b";

std::string hex(unsigned value, int width) {
  return fmt::format("{:0{}x}", value, width);
}

// One way of writing a character.
std::string coded(char c, unsigned way) {
  const auto value = static_cast<unsigned char>(c);
  switch (way) {
    case 1:
      return "&#x" + hex(value, 2) + ";";
    case 2:
      return fmt::format("&#{};", value);
    case 3:
      return "\\u" + hex(value, 4);
    case 4:
      return "%" + hex(value, 2);
    case 5:
      return std::string(1, c) + std::string(kHiddenSpace);
    case 6:
      return "&#x" + hex(value, 6) + ";";
    case 7:
      return "&#x" + hex(value, 2) + ";&shy;";
    default:
      return {c};
  }
}
constexpr unsigned kWays = 8;

std::string coded(std::string_view text, unsigned way) {
  std::string out;
  for (const char c : text) out += coded(c, way);
  return out;
}

struct Streamed {
  std::string text;
  std::vector<Finding> findings;
  std::size_t held_most = 0;  // characters
  std::size_t kept_most = 0;  // bytes
};

std::vector<Finding> findings_of(const std::vector<GuardedFinding>& guarded) {
  std::vector<Finding> all;
  for (const auto& one : guarded) all.push_back(one.finding);
  return all;
}

Streamed stream(const Policy& policy, GuardContext context, std::string_view text, std::size_t first,
                std::size_t step) {
  StreamGuard guard(policy, context);
  Streamed result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = std::min(at == 0 && first > 0 ? first : step, text.size() - at);
    result.text += guard.feed(text.substr(at, size)).value();
    at += size;
    result.kept_most = std::max(result.kept_most, guard.kept_bytes());
    if (step < 8) {
      const auto held = text.substr(at - guard.held_bytes(), guard.held_bytes());
      result.held_most = std::max(result.held_most, test::characters(test::without_cut(held)));
    }
  }
  result.text += guard.finish().value();
  result.findings = findings_of(guard.findings());
  return result;
}

const std::string_view kValues[] = {
    "4012888888881881",    "4012 8888 8888 1881", "jane.doe@example.org", "DE89 3704 0044 0532 0130 00",
    "536-22-8726",         "+44 20 7946 0123",    "10.20.30.40",          "password: hunter2Hunter!",
    "Z12345678",           "123456789",           "AHC-0933289",          "ghp_FX8ERQUD5gsUlhgQjUpfL8F4jVpaYslIrsei",
    "Mr. Tomasz Lindqvist"};

class CodedValues : public testing::TestWithParam<unsigned> {};

TEST_P(CodedValues, AreFoundWholeAndInStreams) {
  const auto policy = test::load("{name: p, version: 1, rules: [{types: [CREDIT_CARD, EMAIL, IBAN], action: redact}]}");
  ASSERT_TRUE(policy);
  TokenVault vault;
  auto context = test::context_for(vault);
  for (const auto& [value, type] :
       {std::pair("4012888888881881", "[CREDIT_CARD]"), std::pair("4012 8888 8888 1881", "[CREDIT_CARD]"),
        std::pair("jane.doe@example.org", "[EMAIL]"), std::pair("DE89 3704 0044 0532 0130 00", "[IBAN]")}) {
    const auto text = "to " + coded(value, GetParam()) + " now";
    const auto whole = guard_text(*policy, context, text).value();
    EXPECT_TRUE(whole.text.starts_with("to " + std::string(type))) << whole.text << " of " << text;
    for (const std::size_t step : {1U, 7U, 64U})
      EXPECT_EQ(stream(*policy, context, text, 0, step).text, whole.text) << "pieces of " << step << " of " << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, CodedValues, testing::Range(0U, kWays));

// Every cut of every line: values written in one way or several, with plain words, hidden characters and halves of
// escapes between them.
TEST(CodedTexts, CutsNeverChangeTheResult) {
  const auto policy = test::load(kRedactAll);
  ASSERT_TRUE(policy);
  constexpr std::string_view kBetween[] = {" ",
                                           ", ",
                                           " call ",
                                           "&#",
                                           "&#x3",
                                           "\\u00",
                                           "%",
                                           "<wbr>",
                                           "<wb",
                                           "\xe2\x80",
                                           "&amp;",
                                           "\\n",
                                           "\\\\u0041",
                                           "\xc2\xad\xc2\xad\xc2\xad",
                                           " the card ",
                                           "=",
                                           "\"",
                                           ".",
                                           " is the passport number of the customer who called about it last week: ",
                                           " as the patient told the clerk, who has written his number down here "};
  for (unsigned seed = 1; seed <= 150; ++seed) {
    std::mt19937 random(seed);
    std::string text;
    for (unsigned parts = 1 + random() % 5; parts > 0; --parts) {
      const auto value = kValues[random() % std::size(kValues)];
      const unsigned way = random() % kWays;
      const bool mixed = random() % 4 == 0;
      for (const char c : value) text += coded(c, mixed ? random() % kWays : way);
      text += kBetween[random() % std::size(kBetween)];
      if (random() % 5 == 0) {
        for (unsigned n = random() % 20; n > 0; --n) text += kHiddenSpace;
      }
    }
    TokenVault vault;
    auto context = test::context_for(vault);
    const auto whole = guard_text(*policy, context, text).value();
    const auto expected = findings_of(whole.findings);
    const auto expect_same = [&](std::size_t first, std::size_t step) {
      const auto got = stream(*policy, context, text, first, step);
      ASSERT_EQ(got.text, whole.text) << "seed=" << seed << " cut at " << first << ", pieces of " << step << ": "
                                      << text;
      ASSERT_EQ(got.findings, expected) << "seed=" << seed << " cut at " << first << ", pieces of " << step << ": "
                                        << text;
      EXPECT_LE(got.held_most, kWindowBytes) << "seed=" << seed << ", pieces of " << step << ": " << text;
      EXPECT_LE(got.kept_most, StreamGuard::kMaxSwallowedBytes) << "seed=" << seed;
    };
    for (std::size_t cut = 1; cut < text.size(); ++cut) ASSERT_NO_FATAL_FAILURE(expect_same(cut, text.size()));
    for (const std::size_t step : {1U, 2U, 5U, 64U}) ASSERT_NO_FATAL_FAILURE(expect_same(0, step));
  }
}

// A guard scans what it keeps anew with each piece: what it keeps at most is the work of a byte.
TEST(CodedTexts, HiddenCharactersWithoutEndAreNotKept) {
  const auto policy = test::load(kRedactAll);
  ASSERT_TRUE(policy);
  TokenVault vault;
  auto context = test::context_for(vault);
  for (const std::string_view hidden : {"&#x200b;", "\xe2\x80\x8b", "\xc2\xad", "<wbr>", "\\u200b", "&shy;"}) {
    std::string text = "word 4012";
    for (int i = 0; i < 2000; ++i) text += hidden;
    text += " 8888 8888 1881 ann@pages.org";
    const auto got = stream(*policy, context, text, 0, 5);
    EXPECT_EQ(got.text, guard_text(*policy, context, text).value().text) << hidden;
    EXPECT_LE(got.held_most, kWindowBytes) << hidden;
    EXPECT_LE(got.kept_most, StreamGuard::kMaxHeldBytes) << hidden;
  }
}

TEST(Fold, ManyHiddenCharactersAreReadAsBlanks) {
  Fold fold;
  std::string raw = "4012";
  for (int i = 0; i < 9; ++i) raw += kHiddenSpace;
  fold.assign(raw + "8888", true);
  EXPECT_EQ(fold.text(), "4012  8888");
  EXPECT_EQ(fold.raw_end(4), 4U);
  EXPECT_EQ(fold.raw_begin(6), raw.size());
}

}  // namespace
}  // namespace sb::policy
