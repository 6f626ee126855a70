// Where findings overlap: whose rules speak here decides, and what is let pass hides nothing.
#include <gtest/gtest.h>

#include <random>
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

// An address that is longer than its window, before what stands in its far part.
constexpr std::string_view kLong = "https://pages.org/a-long-path/to-the-records/of-the-ward/and-on/to-all-of-them?q=";

std::string longer(std::size_t size) {
  std::string address(kLong);
  while (address.size() < size) address += "and-more/";
  return address;
}

INSTANTIATE_TEST_SUITE_P(
    FarParts, Overlaps,
    testing::Values(
        OverlapCase{"a_value_has_its_own_rule", "{types: [URL], action: redact}, {types: [EMAIL], action: tokenise}",
                    "see " + longer(0) + "ann@pages.org&x=1 end", "see [URL][EMAIL_1][URL] end"},
        OverlapCase{"at_the_end", "{types: [URL], action: redact}, {types: [EMAIL], action: tokenise}",
                    "see " + longer(0) + "ann@pages.org, end", "see [URL][EMAIL_1], end"},
        OverlapCase{"at_the_texts_end", "{types: [URL], action: redact}, {types: [EMAIL], action: tokenise}",
                    "see " + longer(0) + "ann@pages.org", "see [URL][EMAIL_1]"},
        OverlapCase{"several", "{types: [URL], action: redact}, {types: [EMAIL, CREDIT_CARD], action: tokenise}",
                    longer(0) + "ann@pages.org&c=4012888888881881&bob@pages.org&y and ann@pages.org",
                    "[URL][EMAIL_1][URL][CREDIT_CARD_1][URL][EMAIL_2][URL] and [EMAIL_1]"},
        OverlapCase{"behind_all_that_is_kept", "{types: [URL], action: redact}, {types: [EMAIL], action: tokenise}",
                    longer(700) + "?m=ann@pages.org&" + std::string(600, 'z') + " end", "[URL][EMAIL_1][URL] end"},
        OverlapCase{"what_stops_does", "{types: [CREDIT_CARD], action: block}, {types: [URL], action: redact}",
                    longer(0) + "4012888888881881&x=1 end", "[URL][CREDIT_CARD][URL] end", Direction::inbound,
                    Verdict::block},
        OverlapCase{"a_word_that_stops_does",
                    "{name: x, deny: [falcon], action: block}, {types: [URL], action: redact}", longer(90) + "falcon/x",
                    "[URL][DENIED][URL]", Direction::inbound, Verdict::block},
        OverlapCase{"and_in_the_near_part", "{name: x, deny: [records], action: block}, {types: [URL], action: redact}",
                    longer(90) + "/x", "[URL]", Direction::inbound, Verdict::block},
        OverlapCase{"a_key_stops_too", "{types: [SECRET], action: block}, {types: [URL], action: redact}",
                    longer(90) + "?k=" + long_key() + " end", "[URL][SECRET] end", Direction::inbound, Verdict::block},
        OverlapCase{"a_key_is_a_part", "{types: [SECRET], action: tokenise}, {types: [URL], action: redact}",
                    longer(90) + "?k=" + long_key() + "&x=ann@x.org end", "[URL] end"},
        OverlapCase{"over_the_windows_border",
                    "{types: [URL], action: redact}, {types: [CREDIT_CARD], action: tokenise}",
                    "https://pages.org/a-long-path/to-the-records/of-the?c=4012888888881881&more=1 end",
                    "[URL][CREDIT_CARD_1][URL] end"},
        OverlapCase{"an_address_that_passes_too", "{types: [URL], action: allow}, {types: [EMAIL], action: redact}",
                    longer(0) + "ann@pages.org&x=1 end", longer(0) + "[EMAIL]&x=1 end"},
        OverlapCase{"all_that_passes_is_recorded", "{types: [URL, EMAIL], action: allow}",
                    longer(0) + "ann@pages.org&x=1 end", longer(0) + "ann@pages.org&x=1 end", Direction::inbound,
                    Verdict::allow},
        OverlapCase{"a_key_in_one_that_passes",
                    "{types: [URL, EMAIL], action: allow}, {types: [SECRET], action: redact}",
                    longer(0) + long_key() + "&m=ann@pages.org end", longer(0) + "[SECRET]&m=ann@pages.org end"},
        OverlapCase{"one_that_goes_on_in_the_next", "{types: [URL, EMAIL], action: redact}",
                    "http://pages.org/of-the-ward/and-on/to-all-of-them-in-it?q=ann@pages.o司的邮箱@s.or",
                    "[URL][EMAIL][EMAIL]"},
        OverlapCase{"what_passes_is_a_part", "{types: [EMAIL], action: allow}, {types: [URL], action: redact}",
                    longer(0) + "ann@pages.org&x=1 end", "[URL] end"},
        OverlapCase{"names_are_parts", "{types: [PERSON, URL], action: redact}",
                    longer(0) + "John-Smith/Mr-John-Smith end", "[URL] end"},
        OverlapCase{"a_name_begins_an_address", "{types: [PERSON, EMAIL], action: redact}",
                    "mail anna.kowalska [at] firma.pl please, or anna.kowalska @ firma.pl",
                    "mail [EMAIL] please, or [EMAIL]"},
        OverlapCase{"a_name_begins_an_address_that_passes",
                    "{types: [PERSON], action: redact}, {types: [EMAIL], action: allow}",
                    "mail anna.kowalska [at] firma.pl please", "mail [PERSON].kowalska [at] firma.pl please"},
        OverlapCase{"an_address_in_it_is_a_part", "{types: [URL], action: redact}",
                    longer(90) + "?next=https://pages.org/x and https://pages.org/y", "[URL] and [URL]"},
        OverlapCase{"text_without_blanks_is_behind_it", "{types: [URL], action: redact}",
                    longer(90) + "pageをご覧ください。ok", "[URL]をご覧ください。ok"}),
    [](const auto& info) { return info.param.name; });

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

// Addresses of all lengths with values at all places, under rules that take them, let them pass and only look.
TEST(FarParts, CutsNeverChangeTheResult) {
  constexpr std::string_view kParts[] = {
      "https://pages.org/",
      "a-long-path/",
      "to-the-records/",
      "of-the-ward",
      "?q=",
      "&",
      "=",
      "/",
      " ",
      ", ",
      "\"",
      "ann@pages.org",
      "4012888888881881",
      "4012/8888/8888/1881",
      "falcon",
      "John Smith",
      "www.pages.org/x",
      "token: Q1w2E3r4T5y6U7i8O9p0Q1w2E3r4T5y6U7i8O9p0Q1w2E3r4T5y6U7i8O9p0Q1w2E3r4T5y6U7i8O9p0",
      "password='one two",
      "2024-03-18",
      "[EMAIL_1]",
      "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
      "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
      "\xe3\x82\x92",
      "\xe2\x80\x8b",
      "%40",
      "&#64;"};
  const std::string_view rules[] = {
      "rules: [{types: ['*'], min_score: 0.3, action: tokenise}]",
      "rules: [{types: [URL], min_score: 0, action: allow}, {types: [EMAIL], action: allow}, {types: ['*'], action: "
      "redact}]",
      "rules: [{types: [EMAIL], direction: inbound, action: route_to_local}, {types: [URL, SECRET], action: mask}, "
      "{name: x, deny: [falcon], action: redact}, {types: [CREDIT_CARD], action: allow}]",
      "mode: log_only, rules: [{types: ['*'], min_score: 0.3, action: redact}]"};
  for (const auto rule : rules) {
    const auto policy = test::load("{name: p, version: 1, " + std::string(rule) + "}");
    ASSERT_TRUE(policy);
    for (unsigned seed = 1; seed <= 300; ++seed) {
      std::mt19937 random(seed);
      std::string text = "to ";
      for (unsigned parts = random() % 50; parts > 0; --parts) text += kParts[random() % std::size(kParts)];
      TokenVault vault, other;
      auto context = test::context_for(vault);
      const auto whole = guard_text(*policy, context, text).value();
      auto streamed = test::context_for(other);
      StreamGuard stream(*policy, streamed);
      std::string out;
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t size = 1 + random() % (seed % 3 == 0 ? 200 : 9);
        out += stream.feed(std::string_view(text).substr(at, size)).value();
        at += size;
        ASSERT_LE(stream.kept_bytes(), StreamGuard::kMaxSwallowedBytes) << "seed=" << seed;
      }
      out += stream.finish().value();
      ASSERT_EQ(out, whole.text) << "seed=" << seed << " of " << rule << ": " << text;
      ASSERT_EQ(stream.verdict(), whole.verdict) << "seed=" << seed << " of " << rule << ": " << text;
      ASSERT_EQ(stream.findings().size(), whole.findings.size()) << "seed=" << seed << " of " << rule << ": " << text;
      for (std::size_t i = 0; i < whole.findings.size(); ++i) {
        ASSERT_EQ(stream.findings()[i].finding.span, whole.findings[i].finding.span)
            << "seed=" << seed << " of " << rule << ": " << text;
        ASSERT_EQ(stream.findings()[i].hash_text(), whole.findings[i].hash_text()) << "seed=" << seed << ": " << text;
      }
    }
  }
}

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
