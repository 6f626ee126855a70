#include "policy/guard.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

#include "policy/json_guard.h"
#include "policy/stream_guard.h"
#include "policy/test_policies.h"

namespace sb::policy {
namespace {

GuardResult guard(std::string_view yaml, std::string_view text, Direction direction = Direction::inbound) {
  const auto policy = test::load(yaml);
  EXPECT_TRUE(policy);
  TokenVault vault;
  auto context = test::context_for(vault, direction);
  return guard_text(*policy, context, text).value();
}

std::string one_rule(std::string_view rest) {
  return "{name: p, version: 1, rules: [{" + std::string(rest) + "}]}";
}

struct ActionCase {
  const char* rule;
  const char* text;
  Verdict verdict;
};

class Actions : public testing::TestWithParam<ActionCase> {};

TEST_P(Actions, DoWhatTheirNameSays) {
  const auto result = guard(one_rule(GetParam().rule), "mail bob@x.org or pay 4012 8888 8888 1881");
  EXPECT_EQ(result.text, GetParam().text);
  EXPECT_EQ(result.verdict, GetParam().verdict);
}

INSTANTIATE_TEST_SUITE_P(
    All, Actions,
    testing::Values(
        ActionCase{"types: [EMAIL], action: allow", "mail bob@x.org or pay 4012 8888 8888 1881", Verdict::allow},
        ActionCase{"deny: [mail], action: mask, keep_last: 4", "**il bob@x.org or pay 4012 8888 8888 1881",
                   Verdict::changed},
        ActionCase{"types: [CREDIT_CARD], action: mask, keep_last: 4", "mail bob@x.org or pay **** **** **** 1881",
                   Verdict::changed},
        ActionCase{"types: [EMAIL], action: redact", "mail [EMAIL] or pay 4012 8888 8888 1881", Verdict::changed},
        ActionCase{"types: [EMAIL], action: replace, with: <x>", "mail <x> or pay 4012 8888 8888 1881",
                   Verdict::changed},
        ActionCase{"types: ['*'], action: tokenise", "mail [EMAIL_1] or pay [CREDIT_CARD_1]", Verdict::changed},
        ActionCase{"types: [EMAIL], action: route_to_human", "mail [EMAIL] or pay 4012 8888 8888 1881", Verdict::human},
        ActionCase{"types: [EMAIL], action: block", "mail [EMAIL] or pay 4012 8888 8888 1881", Verdict::block},
        ActionCase{"types: [EMAIL], action: block, allow: ['*@x.org']", "mail bob@x.org or pay 4012 8888 8888 1881",
                   Verdict::allow},
        ActionCase{"types: [EMAIL], action: block, direction: outbound", "mail bob@x.org or pay 4012 8888 8888 1881",
                   Verdict::allow},
        ActionCase{"deny: [PAY], action: redact", "mail bob@x.org or [DENIED] 4012 8888 8888 1881", Verdict::changed}));

TEST(Guard, TheSameValueHasTheSamePlaceholder) {
  EXPECT_EQ(guard(test::kTokeniseAll, "a@x.org b@x.org a@x.org").text, "[EMAIL_1] [EMAIL_2] [EMAIL_1]");
}

TEST(Guard, ATextThatHoldsAPlaceholderCannotClaimAnotherValue) {
  EXPECT_EQ(guard(test::kTokeniseAll, "literally [EMAIL_1], then a@x.org").text, "literally [EMAIL_1], then [EMAIL_2]");
}

TEST(Guard, WordsThatLookLikeAPlaceholderComeBackAsTheyWere) {
  const auto policy = test::load(test::kTokeniseAll);
  for (const char* text :
       {"a@x.org, literally [EMAIL_1], [EMAIL_2], b@x.org", "a@x.org &#91;email_1]", "[EMAIL_2] a@x.org b@x.org",
        "[EMAIL_9999999] [EMAIL_9999998] a@x.org", "a@x.org [PLACEHOLDER_1] [EMAIL_1]"}) {
    TokenVault vault;
    auto context = test::context_for(vault);
    const auto in = guard_text(*policy, context, text).value().text;
    EXPECT_EQ(in.find("@x.org"), std::string::npos) << in;
    EXPECT_EQ(restore_text(vault, in), text) << in;
  }
  // Nothing is put back for this caller: what he quotes from an earlier answer stays.
  TokenVault vault;
  auto context = test::context_for(vault);
  context.restore = false;
  EXPECT_EQ(guard_text(*policy, context, "a@x.org, you wrote [EMAIL_1]").value().text,
            "[EMAIL_1], you wrote [EMAIL_1]");
  // What comes later in a run may bring back what went out.
  context.restore = true;
  EXPECT_EQ(guard_text(*policy, context, "sent to [EMAIL_1]").value().text, "sent to [EMAIL_1]");
}

TEST(Guard, AKeyInBracketsIsNoPlaceholder) {
  for (const std::string key : {"AKIA5GXKH7OSUQV6XUOB", "DE89370400440532013000"}) {
    const auto text = guard(test::kTokeniseAll, "see [" + key + "_1] and [" + key + "_T0123456789AB]").text;
    EXPECT_EQ(text.find(key), std::string::npos) << text;
  }
}

TEST(Guard, RecordsAKeyedHashAndNeverTheValue) {
  const auto policy = test::load(one_rule("types: [EMAIL], action: hash"));
  TokenVault vault;
  auto context = test::context_for(vault);
  const auto one = guard_text(*policy, context, "bob@x.org").value();
  ASSERT_EQ(one.findings.size(), 1U);
  EXPECT_EQ(one.text, "[EMAIL:" + std::string(one.findings[0].hash_text()) + "]");
  EXPECT_EQ(guard_text(*policy, context, "hi bob@x.org").value().findings[0].value_hash, one.findings[0].value_hash);
  context.tenant = "other";
  EXPECT_NE(guard_text(*policy, context, "bob@x.org").value().findings[0].value_hash, one.findings[0].value_hash);
}

TEST(Guard, WhatIsNotRecordedOneByOneIsCounted) {
  const auto policy = test::load(one_rule("types: [EMAIL], action: redact"));
  TokenVault vault;
  auto context = test::context_for(vault);
  std::string text;
  for (std::size_t i = 0; i < kMaxRecordedFindings + 5; ++i) text += "bob@x.org ";
  const auto result = guard_text(*policy, context, text).value();
  EXPECT_EQ(result.text.find("bob"), std::string::npos);
  EXPECT_EQ(result.findings.size(), kMaxRecordedFindings);
  ASSERT_EQ(context.unrecorded.size(), 1U);
  EXPECT_EQ(context.unrecorded[0].type, "EMAIL");
  EXPECT_EQ(context.unrecorded[0].action, Action::redact);
  EXPECT_EQ(context.unrecorded[0].count, 5U);
}

TEST(Guard, RestoredValuesAreNotLookedAtAgain) {
  const auto policy = test::load(test::kTokeniseAll);
  TokenVault vault;
  auto context = test::context_for(vault);
  const auto in = guard_text(*policy, context, "write to bob@x.org").value();
  context.direction = Direction::outbound;
  EXPECT_EQ(guard_text(*policy, context, in.text + " but not ann@x.org").value().text,
            "write to bob@x.org but not [EMAIL_2]");
  EXPECT_EQ(restore_text(vault, "[EMAIL_1], [email_1], [EMAIL\\_1], [EMAIL_7]"),
            "bob@x.org, bob@x.org, bob@x.org, [EMAIL_7]");
  context.restore = false;
  EXPECT_EQ(guard_text(*policy, context, "[EMAIL_1]").value().text, "[EMAIL_1]");
}

TEST(Vault, SurvivesItsJson) {
  TokenVault vault;
  ASSERT_EQ(vault.token_for("EMAIL", "a@x.org").value(), "[EMAIL_1]");
  ASSERT_TRUE(vault.reserve("[EMAIL_2]"));
  ASSERT_TRUE(vault.reserve("[EMAIL_9999999]"));
  auto copy = TokenVault::from_json(parse_json(to_text(vault.to_json())).value()).value();
  EXPECT_EQ(*copy.value_of("[EMAIL_1]"), "a@x.org");
  EXPECT_EQ(copy.token_for("EMAIL", "a@x.org").value(), "[EMAIL_1]");
  EXPECT_EQ(copy.token_for("EMAIL", "b@x.org").value(), "[EMAIL_3]");
  EXPECT_EQ(TokenVault::from_json(json::value(nullptr)).error().code, Errc::corrupt);
  EXPECT_EQ(vault.token_for("EMAIL", std::string(TokenVault::kMaxValueBytes + 1, 'x')).error().code, Errc::too_large);
}

class ThrowingDetector final : public Detector {
 public:
  std::string_view name() const override { return "throwing"; }
  bool reports(std::string_view type) const override { return type == "EMAIL"; }
  std::string_view wake_bytes() const override { return "z"; }
  void verify(ScanWindow&, std::size_t, Findings&) const override { throw std::runtime_error("saw bob@x.org"); }
};

TEST(FailClosed, ADetectorThatThrowsLetsNothingPass) {
  const auto policy = Policy::load(test::kTokeniseAll, "test", {std::make_shared<ThrowingDetector>()}).value();
  TokenVault vault;
  auto context = test::context_for(vault);
  const auto text = guard_text(*policy, context, "a z");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, Errc::internal);
  EXPECT_EQ(text.error().detail.find("bob"), std::string::npos);
  EXPECT_EQ(guard_json(*policy, context, R"({"a":"z"})", JsonProfile::any).error().code, Errc::internal);
  EXPECT_EQ(guard_json(*policy, context, R"({"arguments":"{\"a\":\"z\"}"})", JsonProfile::chat_response).error().code,
            Errc::internal);
  StreamGuard stream(*policy, context);
  EXPECT_EQ(stream.feed("a z ").error().code, Errc::internal);
  EXPECT_EQ(stream.feed("b ").value(), "");
  EXPECT_EQ(stream.finish().value(), "");
}

TEST(Hostile, AQuarterMegabyteOfAnythingEnds) {
  const auto policy = test::load(test::kTokeniseAll);
  for (const char* unit :
       {"7", "1 ", "1-", "@", "a@", "-----BEGIN ", "password=", "[A_1", "://:", "\xff", "\xef\xbc\x91", "DE12 "}) {
    std::string text;
    while (text.size() < (1U << 18)) text += unit;
    TokenVault vault;
    auto context = test::context_for(vault);
    EXPECT_TRUE(guard_text(*policy, context, text)) << unit;
  }
  TokenVault vault;
  auto context = test::context_for(vault);
  EXPECT_EQ(guard_text(*policy, context, std::string(kMaxTextBytes + 1, 'x')).error().code, Errc::too_large);
}

struct BadPolicy {
  const char* yaml;
  const char* says;
};

class BadPolicies : public testing::TestWithParam<BadPolicy> {};

TEST_P(BadPolicies, SayWhereAndWhatWasMeant) {
  const auto policy = Policy::load(GetParam().yaml, "p.yaml");
  ASSERT_FALSE(policy);
  EXPECT_EQ(policy.error().code, Errc::invalid_argument);
  EXPECT_EQ(policy.error().detail, GetParam().says);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadPolicies,
    testing::Values(
        BadPolicy{"name: x\nversion: 1\nruls: []\n",
                  "p.yaml: line 3, column 7: unknown key \"ruls\"; did you mean \"rules\"?"},
        BadPolicy{"name: x\nversion: 1\nrules:\n  - types: [EMIAL]\n    action: block\n",
                  "p.yaml: line 4, column 13: unknown type \"EMIAL\"; did you mean \"EMAIL\"?"},
        BadPolicy{"name: x\nversion: 1\nrules:\n  - types: [EMAILS*]\n    action: block\n",
                  "p.yaml: line 4, column 13: unknown type \"EMAILS*\"; did you mean \"EMAIL\"?"},
        BadPolicy{"name: x\nversion: 1\nrules:\n  - types: ['GB_*']\n    action: block\n",
                  "p.yaml: line 4, column 13: unknown type \"GB_*\"; did you mean \"UK_*\"?"},
        BadPolicy{"name: x\nversion: 1\nrules:\n  - types: [EMAIL]\n    action: tokenize\n",
                  "p.yaml: line 5, column 13: unknown action \"tokenize\"; did you mean \"tokenise\"?"},
        BadPolicy{"name: x\nversion: 0\nrules: []\n",
                  "p.yaml: line 2, column 10: \"version\" must be a whole number from 1; raise it with every change"},
        BadPolicy{"name: x\nversion: 1\nrules:\n  - types: [EMAIL]\n    action: redact\n    min_score: 2\n",
                  "p.yaml: line 6, column 16: \"min_score\" must be a number from 0 to 1"}));

TEST(PolicyHash, KnowsTheContentNotTheLayout) {
  const auto a = test::load("name: x\nversion: 1\nrules:\n  - {types: [EMAIL], action: redact}\n");
  const auto b = test::load("# a comment\nversion: 1\nname: \"x\"\nrules: [{action: redact, types: [EMAIL]}]\n");
  const auto c = test::load("name: x\nversion: 2\nrules:\n  - {types: [EMAIL], action: redact}\n");
  EXPECT_EQ(a->hash(), b->hash());
  EXPECT_NE(a->hash(), c->hash());
  EXPECT_EQ(a->hash().size(), 64U);
}

}  // namespace
}  // namespace sb::policy
