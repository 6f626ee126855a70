#include "triage/trials.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <stdexcept>

#include "triage/testing_data.h"

namespace sb::triage {
namespace {

std::shared_ptr<const Router> small_desk(double script) {
  auto router =
      Router::from_text(fmt::format("version: 1\nmodel: tests.sbm\nthresholds: {{script: {}, human: 0.4, veto: 0.3}}\n"
                                    "scripts: {{hours: opening-hours, balance: show-balance}}\n"
                                    "rules: [{{name: threat, when: {{phrases: [\"going to sue\"]}}, route: human}}]\n",
                                    script),
                        "triage.yaml", test_model());
  if (!router) throw std::runtime_error(router.error().detail);
  return *router;
}

std::unique_ptr<LiveTrial> make_trial(TrialRules rules) {
  return std::make_unique<LiveTrial>(std::move(rules), std::make_unique<LiveRouter>(small_desk(0.9)), "identity");
}

Trials trials_of(std::vector<TrialRules> rules) {
  std::vector<std::unique_ptr<LiveTrial>> all;
  for (auto& one : rules) all.push_back(make_trial(std::move(one)));
  return Trials(std::move(all));
}

Asker customer(int number) {
  return {.tenant = "acme", .tags = {}, .person = fmt::format("customer {}", number), .key = "key", .otherwise = "run"};
}

TEST(Trials, DrawAsManyAsTheWeightSaysAndEachTrialAnew) {
  TrialRules rules{.name = "a", .mode = TrialMode::split, .weight_per_mille = 100};
  TrialRules other = rules;
  other.name = "b";
  int drawn = 0, both = 0;
  for (int i = 0; i < 20'000; ++i) {
    drawn += draws(rules, customer(i));
    both += draws(rules, customer(i)) && draws(other, customer(i));
  }
  EXPECT_NEAR(drawn, 2'000, 6 * 42) << "six standard deviations of that many";
  EXPECT_NEAR(both, 200, 6 * 14) << "else who is in one trial is in all of them";
}

// Other servers, and this one after an update, must give everybody the side they have.
TEST(Trials, TheDrawIsTheSameOnEveryServerForEver) {
  const TrialRules rules{.name = "a", .mode = TrialMode::split, .weight_per_mille = 500};
  std::string sides;
  for (int i = 0; i < 24; ++i) sides += draws(rules, customer(i)) ? '1' : '0';
  EXPECT_EQ(sides, "001000100000110110000101");
}

TEST(Trials, AConversationStaysTogetherThenAPersonThenAKey) {
  const TrialRules rules{.name = "a", .mode = TrialMode::split, .weight_per_mille = 500};
  const auto sides = [&](auto&& change) {
    std::set<bool> seen;
    for (int i = 0; i < 64; ++i) {
      Asker asker{.tenant = "acme", .tags = {}, .person = "ann", .key = "key", .otherwise = "run"};
      change(asker, std::to_string(i));
      seen.insert(draws(rules, asker));
    }
    return seen.size();
  };
  EXPECT_EQ(sides([](Asker& asker, const std::string& i) {
              asker.tags = {{"conversation_id", "c"}};
              asker.person = asker.key = asker.otherwise = i;
            }),
            1U);
  EXPECT_EQ(sides([](Asker& asker, const std::string& i) { asker.key = asker.otherwise = i; }), 1U);
  EXPECT_EQ(sides([](Asker& asker, const std::string& i) { asker.person = "", asker.otherwise = i; }), 1U);
  EXPECT_EQ(sides([](Asker& asker, const std::string& i) { asker.person = asker.key = "", asker.otherwise = i; }), 2U)
      << "nobody is named: each request by itself";
  EXPECT_EQ(sides([](Asker& asker, const std::string& i) { asker.tags = {{"conversation_id", i}}; }), 2U);
  EXPECT_EQ(sides([](Asker& asker, const std::string& i) { asker.tenant = i; }), 2U) << "ann of another tenant";
}

TEST(Trials, SpeakOfTheirTenantsAndOfRequestsWithAllOfTheirTags) {
  const TrialRules rules{.name = "a", .tenants = {"acme"}, .tags = {{"channel", "beta"}, {"lang", "en"}}};
  Asker asker{.tenant = "acme", .tags = {{"channel", "beta"}, {"lang", "en"}, {"more", "x"}}};
  EXPECT_TRUE(speaks_of(rules, asker));
  asker.tenant = "elsewhere";
  EXPECT_FALSE(speaks_of(rules, asker));
  asker.tenant = "acme";
  asker.tags["lang"] = "de";
  EXPECT_FALSE(speaks_of(rules, asker));
  asker.tags.erase("lang");
  EXPECT_FALSE(speaks_of(rules, asker));
}

TEST(Trials, ARequestIsInTheFirstSplitThatSpeaksOfItAndInAllShadows) {
  const auto trials =
      trials_of({{.name = "watch", .mode = TrialMode::shadow},
                 {.name = "beta", .mode = TrialMode::split, .weight_per_mille = 1000, .tags = {{"channel", "beta"}}},
                 {.name = "rest", .mode = TrialMode::split, .weight_per_mille = 500},
                 {.name = "never", .mode = TrialMode::shadow, .tenants = {"elsewhere"}}});
  Asker asker = customer(1);
  asker.tags = {{"channel", "beta"}};
  const auto beta = trials.membership(asker);
  ASSERT_TRUE(beta && beta->split);
  EXPECT_EQ(beta->split->rules().name, "beta");
  EXPECT_TRUE(beta->candidate);
  ASSERT_EQ(beta->shadows.size(), 1U);
  EXPECT_EQ(beta->shadows[0]->rules().name, "watch");
  std::set<bool> sides;
  for (int i = 0; i < 64; ++i) {
    const auto rest = trials.membership(customer(i));
    EXPECT_EQ(rest->split->rules().name, "rest") << "those that are not drawn are in it, too: what it is held against";
    EXPECT_EQ(rest->deciding(), rest->candidate ? trials.find("rest") : nullptr);
    sides.insert(rest->candidate);
  }
  EXPECT_EQ(sides.size(), 2U);
}

TEST(Trials, WhatHasEndedDecidesOnlyForThoseWhoBeganInIt) {
  const auto trials =
      trials_of({{.name = "a", .mode = TrialMode::split, .weight_per_mille = 1000, .tenants = {"acme"}}});
  const auto before = trials.membership(customer(1));
  ASSERT_EQ(before->deciding(), trials.find("a"));
  EXPECT_TRUE(trials.find("a")->end(7));
  EXPECT_FALSE(trials.find("a")->end(8)) << "it has ended once";
  EXPECT_EQ(trials.find("a")->state().ended_us, 7);
  EXPECT_EQ(before->deciding(), trials.find("a"));
  EXPECT_EQ(trials.membership(customer(1)), nullptr);
}

TEST(Trials, StateAndMembershipReadBackAsTheyWereWritten) {
  const TrialState state{"identity", 5, 6, 7, R"({"promise":"x"})"};
  const auto back = read_trial_state(to_json(state));
  ASSERT_TRUE(back);
  EXPECT_EQ(to_json(*back), to_json(state));
  EXPECT_EQ(back->guard, state.guard);
  EXPECT_EQ(back->from_leaf, 6U);
  EXPECT_FALSE(read_trial_state("nonsense"));

  const auto trials = trials_of({{.name = "watch"}, {.name = "a", .mode = TrialMode::split}});
  const auto in = trials.membership(customer(1));
  const auto kept = *parse_json(Trials::to_json(*in));
  EXPECT_EQ(Trials::to_json(*trials.read_membership(kept)), Trials::to_json(*in));
  EXPECT_EQ(trials_of({}).read_membership(kept), nullptr) << "trials that are not there any more";
}

TEST(Trials, AShadowOfTheSameSightSaysWhatItWouldSayOfTheText) {
  const auto decides = small_desk(0.5)->with_script_floor(1.1);  // its guard lets nothing be scripted
  const auto candidate = small_desk(0.5)->with_script_floor(0.6);
  std::set<bool> differ;
  for (const auto& example : test_dataset().examples) {
    const RouteQuery query{.text = example.text, .prompt_bytes = example.text.size()};
    const auto decided = decides->route(query);
    const auto beside = decide_beside(*candidate, decided, query), alone = candidate->route(query);
    EXPECT_EQ(beside.route, alone.route) << example.text;
    EXPECT_EQ(beside.script, alone.script) << example.text;
    EXPECT_EQ(beside.reasons, alone.reasons) << example.text;
    EXPECT_EQ(beside.floor, alone.floor) << example.text;
    differ.insert(decided.route != alone.route);
  }
  EXPECT_EQ(differ.size(), 2U) << "else nothing was told apart";
}

}  // namespace
}  // namespace sb::triage
