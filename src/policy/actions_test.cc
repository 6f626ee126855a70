// What each action leaves of a value, whom a rule speaks of, and what a vault gives back.
#include <gtest/gtest.h>

#include "base/json.h"
#include "policy/guard.h"
#include "policy/sealed_value.h"
#include "policy/stream_guard.h"
#include "policy/test_policies.h"

namespace sb::policy {
namespace {

constexpr std::string_view kMail = "ann@x.org";
constexpr std::size_t kToken = std::string_view("[EMAIL_T0123456789AB]").size();

std::string one_rule(std::string_view rest) {
  return "{name: p, version: 1, rules: [{name: r, types: [EMAIL], " + std::string(rest) + "}]}";
}

GuardResult guard(std::string_view yaml, std::string_view text, TokenVault& vault, std::uint64_t rules = kAllRules) {
  const auto policy = test::load(yaml);
  EXPECT_TRUE(policy) << yaml;
  auto context = test::context_for(vault);
  context.rules = rules;
  return guard_text(*policy, context, text).value();
}

TEST(Actions, EncryptedValuesOpenUnderTheTenantsKeysAlone) {
  TokenVault vault;
  const auto result = guard(one_rule("action: encrypt"), "to ann@x.org, again ann@x.org", vault);
  EXPECT_EQ(result.text.find(kMail), std::string::npos);
  const std::vector<std::string> keys = {std::string(32, 'n'), std::string(test::kKey)};  // rotated: the old one opens
  const auto opened = open_values(keys, result.text);
  EXPECT_EQ(opened.text, "to ann@x.org, again ann@x.org");
  EXPECT_EQ(opened.opened, 2U);
  const auto refused = open_values(std::span(keys).first(1), result.text);
  EXPECT_EQ(refused.text, result.text);
  EXPECT_EQ(refused.refused, 2U);
}

TEST(Actions, AChangedSealedValueDoesNotOpen) {
  auto sealed = seal_value(test::kKey, "EMAIL", kMail);
  const std::vector<std::string> keys = {std::string(test::kKey)};
  EXPECT_EQ(open_values(keys, sealed).text, kMail);
  sealed[sealed.size() - 5] = sealed[sealed.size() - 5] == 'A' ? 'B' : 'A';
  EXPECT_EQ(open_values(keys, sealed).opened, 0U);
  EXPECT_EQ(open_values(keys, "[X:enc:12345678:] [EMAIL:enc:] [:enc:").opened, 0U);
}

struct Spelling {
  const char* name;
  std::string_view type, one, other;
  bool same;
};
class Spellings : public testing::TestWithParam<Spelling> {
 protected:
  static std::string yaml(std::string_view action) {
    return "{name: p, version: 1, rules: [{name: r, types: [" + std::string(GetParam().type) + "], min_score: 0.3, " +
           std::string(action) + "}]}";
  }
};
TEST_P(Spellings, OfAValueHaveOneHash) {
  TokenVault vault;
  const auto hashed = [&](std::string_view value) { return guard(yaml("action: hash"), value, vault).text; };
  const auto one = hashed(GetParam().one);
  EXPECT_TRUE(one.contains("[" + std::string(GetParam().type) + ":")) << one;
  EXPECT_EQ(one == hashed(GetParam().other), GetParam().same) << one;
}
TEST_P(Spellings, ComeBackAsTheyWere) {
  for (const std::string_view action : {"action: tokenise", "action: tokenise, consistent: tenant"}) {
    TokenVault vault;
    const auto text = std::string(GetParam().one) + ", " + std::string(GetParam().other);
    const auto guarded = guard(yaml(action), text, vault);
    EXPECT_EQ(guarded.text.find(GetParam().one), std::string::npos);
    EXPECT_EQ(restore_text(vault, guarded.text), text);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Cases, Spellings,
    testing::Values(Spelling{"mail_capitals", "EMAIL", "Jane.Doe@Pages.org", "jane.doe@pages.org", true},
                    Spelling{"mail_coded", "EMAIL", "jane.doe%40pages.org", "jane.doe@pages.org", true},
                    Spelling{"mail_of_another", "EMAIL", "jane.roe@pages.org", "jane.doe@pages.org", false},
                    Spelling{"phone_groups", "PHONE", "+44 20 7946 0123", "+442079460123", true},
                    Spelling{"phone_prefix", "PHONE", "+49 (0)30 901820", "0049 30 901820", true},
                    Spelling{"phone_of_another", "PHONE", "+44 20 7946 0123", "+44 20 7946 0124", false},
                    Spelling{"card_groups", "CREDIT_CARD", "4539 4533 3147 8936", "4539-4533-3147-8936", true},
                    Spelling{"iban_letters", "IBAN", "GB95 NWBK 4185 5345 7868 86", "gb95nwbk41855345786886", true},
                    Spelling{"name_capitals", "PERSON", "Mr John Smith", "Mr JOHN SMITH", true},
                    Spelling{"secret_capitals", "SECRET", "password=Hunter-22", "password=hunter-22", false}),
    [](const auto& info) { return info.param.name; });

TEST(Actions, SpellingsOfATenantsValueBeginAlike) {
  TokenVault vault;
  const auto text = guard(one_rule("action: tokenise, consistent: tenant"), "Ann@X.org ann@x.org bo@x.org", vault).text;
  const auto token = [&](std::size_t which) { return text.substr(which * (kToken + 1), kToken); };
  constexpr auto kAlike = std::string_view("[EMAIL_T01234567").size();
  EXPECT_NE(token(0), token(1));
  EXPECT_EQ(token(0).substr(0, kAlike), token(1).substr(0, kAlike));
  EXPECT_NE(token(0).substr(0, kAlike), token(2).substr(0, kAlike));
}

TEST(Actions, TenantWidePlaceholdersAreTheSameInEveryRun) {
  TokenVault first, second;
  const auto yaml = one_rule("action: tokenise, consistent: tenant");
  const auto a = guard(yaml, "from ann@x.org", first);
  const auto b = guard(yaml, "bo@x.org and ann@x.org", second);
  EXPECT_EQ(a.text.size(), std::string_view("from [EMAIL_T0123456789AB]").size());
  EXPECT_NE(b.text.find(a.text.substr(5)), std::string::npos);
  const auto entries = first.take_new_tenant_entries();
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].value, kMail);
  EXPECT_EQ(restore_text(first, a.text), "from ann@x.org");
}

TEST(Actions, AnotherRunsPlaceholderIsAskedForAndAdopted) {
  TokenVault first, later;
  const auto yaml = one_rule("action: tokenise, consistent: tenant");
  const auto a = guard(yaml, "from ann@x.org", first);
  const auto quoted = guard(yaml, "you said: " + a.text, later);
  const auto wanted = later.take_foreign_tokens();
  ASSERT_EQ(wanted.size(), 1U);
  EXPECT_EQ(restore_text(later, quoted.text), quoted.text);
  later.adopt({wanted[0], std::string(kMail)});
  EXPECT_EQ(restore_text(later, quoted.text), "you said: from ann@x.org");
  auto kept = TokenVault::from_json(later.to_json());
  ASSERT_TRUE(kept);
  EXPECT_EQ(restore_text(*kept, quoted.text), "you said: from ann@x.org");
}

TEST(Actions, RouteToLocalTouchesNothingAndSaysSo) {
  TokenVault vault;
  const auto result = guard(one_rule("direction: inbound, action: route_to_local"), "to ann@x.org", vault);
  EXPECT_EQ(result.text, "to ann@x.org");
  EXPECT_EQ(result.verdict, Verdict::local);
}

TEST(Actions, LogOnlyRecordsWhatItWouldDo) {
  TokenVault vault;
  const auto result = guard("{name: p, version: 1, mode: log_only, rules: [{name: r, types: [EMAIL], action: block}]}",
                            "to ann@x.org", vault);
  EXPECT_EQ(result.text, "to ann@x.org");
  EXPECT_EQ(result.verdict, Verdict::allow);
  ASSERT_EQ(result.findings.size(), 1U);
  EXPECT_EQ(result.findings[0].action, Action::block);
}

TEST(Actions, ListsTakePatterns) {
  TokenVault vault;
  const auto yaml = R"yaml({name: p, version: 1, rules: [
    {name: own, deny_patterns: ["PRJ-\\d{4}", "acme(one|two)"], action: redact},
    {name: mail, types: [EMAIL], action: redact, allow_patterns: ["[a-z]+@(x|y)\\.org"]}]})yaml";
  EXPECT_EQ(guard(yaml, "PRJ-1234 acmetwo PRJ-12345 ann@x.org ann.b@x.org", vault).text,
            "[DENIED] [DENIED] PRJ-12345 ann@x.org [EMAIL]");
}

TEST(Actions, DocumentsBringTheirOwnDetectors) {
  TokenVault vault;
  const auto yaml = R"yaml({name: p, version: 1,
    detectors: [{name: staff, type: EMPLOYEE_ID, pattern: "E\\d{6}", context: [employee]}],
    rules: [{name: staff, types: [EMPLOYEE_ID], action: tokenise}]})yaml";
  EXPECT_EQ(guard(yaml, "employee E123456", vault).text, "employee [EMPLOYEE_ID_1]");
  EXPECT_EQ(guard(yaml, "part E123456", vault).text, "part E123456");
}

TEST(Actions, TypesMayBeNamedByTheirBeginning) {
  TokenVault vault;
  const auto yaml = "{name: p, version: 1, rules: [{name: r, types: ['US_*'], action: redact}]}";
  EXPECT_EQ(guard(yaml, "SSN 536-22-8726, ann@x.org", vault).text, "SSN [US_SSN], ann@x.org");
}

const std::vector<std::string> kReach = {"up/m", "m"};
struct ScopeCase {
  const char* name;
  const char* scope;
  Subject subject;
  bool speaks;
};
class Scopes : public testing::TestWithParam<ScopeCase> {};
TEST(Scopes, WhatLetsValuesPassSpeaksOfNoRunThatAnotherModelMayGet) {
  const auto policy = test::load(one_rule("models: ['own/*'], action: allow"));
  const std::vector<std::string> own = {"small", "own/m", "m"}, either = {"small", "own/m", "m", "up/m"};
  EXPECT_EQ(policy->rules_for({"t", "k", "f", "small", own}), 1U);
  EXPECT_EQ(policy->rules_for({"t", "k", "f", "small", either}), 0U);
  EXPECT_EQ(policy->rules_for({"t", "k", "f", "own/m", either}), 1U) << "named";
}
TEST_P(Scopes, ARuleSpeaksOfItsOwn) {
  const auto policy = test::load(one_rule(std::string(GetParam().scope) + ", action: redact"));
  ASSERT_TRUE(policy);
  EXPECT_EQ(policy->rules_for(GetParam().subject) == 1, GetParam().speaks);
  TokenVault vault;
  EXPECT_EQ(guard(one_rule(std::string(GetParam().scope) + ", action: redact"), "ann@x.org", vault,
                  policy->rules_for(GetParam().subject))
                .text,
            GetParam().speaks ? "[EMAIL]" : "ann@x.org");
}
INSTANTIATE_TEST_SUITE_P(
    Cases, Scopes,
    testing::Values(
        ScopeCase{"tenant", "tenants: [acme]", {"acme", "k", "a/b@1", "m"}, true},
        ScopeCase{"other_tenant", "tenants: [acme]", {"acme2", "k", "a/b@1", "m"}, false},
        ScopeCase{"flow_prefix", "flows: ['a/b@*']", {"t", "k", "a/b@1", "m"}, true},
        ScopeCase{"flow_of_any_version", "flows: ['a/b']", {"t", "k", "a/b@1", "m"}, true},
        ScopeCase{"flow_that_begins_alike", "flows: ['a/b']", {"t", "k", "a/bc@1", "m"}, false},
        ScopeCase{"other_key", "keys: ['01a21736-0000-7000-8000-000000000000']", {"t", "k3", "a/b@1", "m"}, false},
        ScopeCase{"key", "keys: ['01a21736-*']", {"t", "01a21736-0000-7000-8000-000000000000", "a/b@1", "m"}, true},
        ScopeCase{"source", "keys: ['kafka:orders']", {"t", "kafka:orders", "a/b@1", "m"}, true},
        ScopeCase{"model_that_is_reached", "models: ['up/*']", {"t", "k", "f", "large", kReach}, true},
        ScopeCase{"model_out_of_reach", "models: [large]", {"t", "k", "f", "m", kReach}, false},
        ScopeCase{"all_of_them", "tenants: [t], models: ['gpt-*']", {"t", "k", "f", "claude"}, false}),
    [](const auto& info) { return info.param.name; });

TEST(Services, MayHaveWhatEachRuleThatMakesThePlaceholderSays) {
  const auto policy = *Policy::load(R"(
name: p
version: 1
rules:
  - {name: pay, types: [IBAN], flows: ['pay/*'], action: tokenise, restore: caller_and_services}
  - {name: iban, types: ["IBA*"], tenants: [other], action: tokenise}
  - {name: mail, types: [EMAIL], action: tokenise, restore: caller}
  - {name: phone, types: [PHONE], action: mask}
)",
                                    "doc");
  const auto rules = policy->rules_for({"acme", "k", "pay/out@1", "m"});
  EXPECT_TRUE(policy->restores_for_services("IBAN", rules));
  EXPECT_FALSE(policy->restores_for_services("IBAN", policy->rules_for({"other", "k", "pay/out@1", "m"})));
  EXPECT_FALSE(policy->restores_for_services("IBAN", policy->rules_for({"acme", "k", "chat/out@1", "m"})));
  EXPECT_FALSE(policy->restores_for_services("EMAIL", rules));
  EXPECT_FALSE(policy->restores_for_services("PHONE", rules));
  EXPECT_FALSE(policy->restores_for_services("CREDIT_CARD", rules)) << "no rule speaks of it";
  EXPECT_TRUE(policy->check_type("IBAN"));
  EXPECT_EQ(policy->check_type("IBNA").error().detail, "unknown type \"IBNA\"; did you mean \"IBAN\"?");
}

struct BadDocument {
  const char* name;
  const char* rule;
  const char* complaint;
};
class BadDocuments : public testing::TestWithParam<BadDocument> {};
TEST_P(BadDocuments, SayWhereAndWhat) {
  const auto loaded = Policy::load("{name: p, version: 1, rules: [" + std::string(GetParam().rule) + "]}", "doc");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Errc::invalid_argument);
  EXPECT_NE(loaded.error().detail.find(GetParam().complaint), std::string::npos) << loaded.error().detail;
}
INSTANTIATE_TEST_SUITE_P(
    Cases, BadDocuments,
    testing::Values(BadDocument{"local_outbound", "{types: [EMAIL], action: route_to_local}", "direction: inbound"},
                    BadDocument{"consistent", "{types: [EMAIL], action: mask, consistent: tenant}", "tokenise"},
                    BadDocument{"restore", "{types: [EMAIL], action: mask, restore: caller}", "tokenise"},
                    BadDocument{"restore_to", "{types: [EMAIL], action: tokenise, restore: services}",
                                "caller_and_services"},
                    BadDocument{"pattern", "{types: [EMAIL], action: mask, allow_patterns: ['(a']}", "line 1"},
                    BadDocument{"action", "{types: [EMAIL], action: encript}", "did you mean \"encrypt\""},
                    BadDocument{"deny", "{deny: [a], action: redact}", "2 to 48"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sb::policy
