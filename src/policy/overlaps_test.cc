// Where findings overlap: whose rules speak here decides, and what is let pass hides nothing.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "policy/guard.h"
#include "policy/stream_guard.h"
#include "policy/test_policies.h"

namespace sb::policy {
namespace {

constexpr std::string_view kCardInMail = "pay 4012888888881881@example.com now";

struct OverlapCase {
  const char* name;
  std::string rules;
  std::string text;
  std::string guarded;
  Direction direction = Direction::inbound;
  Verdict verdict = Verdict::changed;
};

class Overlaps : public testing::TestWithParam<OverlapCase> {};

// The run that is asked about: rules of other tenants and models stay silent.
constexpr Subject kSubject{"acme", "k", "f", "small"};

TEST_P(Overlaps, AreSettledAmongTheRulesThatSpeak) {
  const auto& it = GetParam();
  const auto policy = test::load("{name: p, version: 1, rules: [" + it.rules + "]}");
  ASSERT_TRUE(policy);
  TokenVault vault;
  auto context = test::context_for(vault, it.direction);
  context.rules = policy->rules_for(kSubject);
  const auto whole = guard_text(*policy, context, it.text).value();
  EXPECT_EQ(whole.text, it.guarded);
  EXPECT_EQ(whole.verdict, it.verdict);
  for (std::size_t cut = 0; cut <= it.text.size(); ++cut) {
    StreamGuard stream(*policy, context);
    std::string out = stream.feed(std::string_view(it.text).substr(0, cut)).value();
    out += stream.feed(std::string_view(it.text).substr(cut)).value();
    out += stream.finish().value();
    if (it.verdict < Verdict::human) {
      ASSERT_EQ(out, whole.text) << "cut at " << cut;
    }
    ASSERT_EQ(stream.verdict(), whole.verdict) << "cut at " << cut;
    if (it.verdict >= Verdict::human) continue;
    ASSERT_EQ(stream.findings().size(), whole.findings.size()) << "cut at " << cut;
    for (std::size_t i = 0; i < whole.findings.size(); ++i) {
      ASSERT_EQ(stream.findings()[i].finding, whole.findings[i].finding) << "cut at " << cut;
      ASSERT_EQ(stream.findings()[i].hash_text(), whole.findings[i].hash_text()) << "cut at " << cut;
    }
  }
}

std::string long_key() {
  std::string key = "sk-proj-";
  for (int i = 0; i < 30; ++i) key += "aB3x";
  return key;
}

INSTANTIATE_TEST_SUITE_P(
    All, Overlaps,
    testing::Values(
        OverlapCase{"another_tenants_rule",
                    "{types: [EMAIL], tenants: [other], action: redact}, "
                    "{types: [CREDIT_CARD], action: redact}",
                    std::string(kCardInMail), "pay [CREDIT_CARD]@example.com now"},
        OverlapCase{"another_models_rule",
                    "{types: [EMAIL], models: [large], action: block}, "
                    "{types: [CREDIT_CARD], action: redact}",
                    std::string(kCardInMail), "pay [CREDIT_CARD]@example.com now"},
        OverlapCase{"a_rule_that_lets_pass", "{types: [EMAIL], action: allow}, {types: [CREDIT_CARD], action: redact}",
                    std::string(kCardInMail), "pay [CREDIT_CARD]@example.com now"},
        OverlapCase{"an_allow_list",
                    "{types: [EMAIL], action: redact, allow: ['*@example.com']}, "
                    "{types: [CREDIT_CARD], action: redact}",
                    std::string(kCardInMail), "pay [CREDIT_CARD]@example.com now"},
        OverlapCase{"a_value_that_begins_inside_what_passes",
                    "{types: [EMAIL], action: allow}, {name: x, deny: [example.com now], action: block}",
                    "to ann@example.com now", "to ann@[DENIED]", Direction::inbound, Verdict::block},
        OverlapCase{
            "a_local_model_hides_nothing",
            "{types: [EMAIL], direction: inbound, action: route_to_local}, {types: [CREDIT_CARD], action: redact}",
            std::string(kCardInMail), "pay [CREDIT_CARD]@example.com now", Direction::inbound, Verdict::local},
        OverlapCase{"an_allow_list_does_not_hide_from_a_local_model",
                    "{types: [EMAIL], action: redact, allow: ['*@example.com']}, "
                    "{types: [CREDIT_CARD], direction: inbound, action: route_to_local}",
                    std::string(kCardInMail), std::string(kCardInMail), Direction::inbound, Verdict::local},
        OverlapCase{"of_the_same_bytes_the_surer_passes",
                    "{types: [US_SSN], action: allow}, {types: [PHONE], min_score: 0, action: redact}",
                    "social security number 536-22-8726", "social security number 536-22-8726", Direction::inbound,
                    Verdict::allow},
        OverlapCase{"what_two_protect_stays_protected",
                    "{types: [EMAIL], action: redact}, {name: x, deny: [example.com is it], action: redact}",
                    "to ann@example.com is it", "to [EMAIL][DENIED]"},
        OverlapCase{"a_longer_name_does_not_hide_a_word_that_stops",
                    "{name: x, deny: [smith], action: block}, {types: [PERSON, EMAIL], action: redact}",
                    "Please write to Mr John Smith about it", "Please write to [PERSON] about it", Direction::inbound,
                    Verdict::block},
        OverlapCase{"nor_does_a_mailbox_that_is_as_sure",
                    "{name: x, deny: [falcon], action: route_to_human}, {types: [EMAIL], action: redact}",
                    "ask john.falcon@pages.org and ann@pages.org", "ask [EMAIL] and [EMAIL]", Direction::outbound,
                    Verdict::human},
        OverlapCase{"what_is_less_sure_is_a_part",
                    "{types: [PHONE], min_score: 0, action: block}, {types: [IBAN], action: redact}",
                    "IBAN DE89 3704 0044 0532 0130 00.", "IBAN [IBAN]."},
        OverlapCase{"an_open_ended_key_has_no_parts",
                    "{name: x, deny: [abc], action: block}, {types: [SECRET], action: redact}",
                    "key " + long_key() + ".abc.abc it", "key [SECRET] it"},
        OverlapCase{"a_long_run_of_names_is_a_few_pieces", "{types: [PERSON], action: redact}",
                    "Maria Theresia Josefa Antonia Johanna Elisabeth Wilhelmina Katharina Lindqvist, clerk",
                    "[PERSON] [PERSON], clerk"},
        OverlapCase{"a_long_key_that_passes",
                    "{types: [SECRET], action: allow}, {name: x, deny: [x-end], action: redact}",
                    "key " + long_key() + ".x-end. and x-end", "key " + long_key() + ".[DENIED]. and [DENIED]"},
        OverlapCase{"a_long_key_that_does_not",
                    "{types: [SECRET], action: redact}, {name: x, deny: [x-end it], action: redact}",
                    "key " + long_key() + ".x-end it", "key [SECRET][DENIED]"}),
    [](const auto& info) { return info.param.name; });

TEST(Overlaps, WhatLiesInsideAFindingIsNotRecordedBesideIt) {
  const auto policy = test::load(
      "{name: p, version: 1, rules: [{types: [EMAIL], action: redact}, {name: x, deny: [example], action: allow}]}");
  ASSERT_TRUE(policy);
  TokenVault vault;
  auto context = test::context_for(vault);
  EXPECT_EQ(guard_text(*policy, context, "ann@example.com").value().findings.size(), 1U);
  EXPECT_EQ(guard_text(*policy, context, "an example").value().findings.size(), 1U);
}

}  // namespace
}  // namespace sb::policy
