#include "triage/decision_record.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "triage/testing_data.h"

namespace sb::triage {
namespace {

using testing::HasSubstr;
using testing::Not;

/// A document with these thresholds, and these rules beside one that waits for words.
std::string document(std::string_view thresholds, std::string_view rules = "", std::string_view large_when = "") {
  return fmt::format(R"(
version: 1
model: tests.sbm
thresholds: {}
scripts: {{hours: opening-hours, balance: show-balance}}
rules:
  - {{name: threat, when: {{phrases: ["going to sue"]}}, route: human}}
  - {{name: card-number, when: {{findings: [card], phrases: [blocked]}}, route: human}}
{}
generative: {{large_when: {{intents: [advice]{}}}}}
)",
                     thresholds, rules, large_when);
}

std::shared_ptr<const Router> router_of(const std::string& yaml, const IntentModel& model = test_model()) {
  auto router = Router::from_text(yaml, "triage.yaml", model);
  if (!router) throw std::runtime_error(router.error().detail);
  return *router;
}

constexpr std::string_view kCardFound[] = {"card"};

std::vector<RouteQuery> queries() {
  std::vector<RouteQuery> out;
  for (const auto& example : test_dataset().examples)
    out.push_back({.text = example.text, .prompt_bytes = example.text.size()});
  const std::string_view more[] = {"",
                                   "what are your opening hours or i am going to sue",
                                   "opening \xff",
                                   "my card is blocked",
                                   "poem about 12 * 17",
                                   "poem ```int main();```",
                                   "hours balance wallet poem stole"};
  for (const auto text : more) {
    out.push_back({.text = text});
    out.push_back({.text = text, .finding_types = kCardFound, .has_tools = true});
    out.push_back({.text = text, .has_images = true, .prompt_bytes = 20'000, .turns = 9});
    out.push_back({.text = text, .wants_json_schema = true});
  }
  return out;
}

RouteDecision read_back(const RouteDecision& decision) {
  const auto parsed = parse_json(record_of(decision).text());
  if (!parsed) throw std::runtime_error("a record that is no JSON");
  auto read = read_record(*parsed);
  if (!read) throw std::runtime_error(read.error().detail);
  return *std::move(read);
}

std::string text_of(const RouteDecision& decision) {
  return std::string(record_of(decision).text());
}

TEST(DecisionRecord, ReadsBackTrialsAndShadowsToo) {
  const auto router = router_of(document("{script: 0.5}"));
  auto decision = router->route(queries().front());
  decision.trial = "split";
  decision.by_candidate = true;
  decision.shadows = {shadow_of("a", decision), {.trial = "b", .unknown = "late"}};
  const auto back = read_back(decision);
  EXPECT_EQ(text_of(back), text_of(decision));
  EXPECT_EQ(back.trial, "split");
  EXPECT_TRUE(back.by_candidate);
  ASSERT_EQ(back.shadows.size(), 2U);
  EXPECT_EQ(back.shadows[0].intent, decision.intent);
  EXPECT_EQ(back.shadows[1].unknown, "late");
  EXPECT_THAT(text_of(decision), HasSubstr(R"("trial":{"by":"candidate","name":"split"})"));
  decision.by_candidate = false;
  EXPECT_FALSE(read_back(decision).by_candidate);
}

TEST(DecisionRecord, ReadsBackAsItWasWritten) {
  const auto router = router_of(document("{script: 0.5}"));
  for (const auto& query : queries()) {
    const auto decision = router->route(query);
    EXPECT_EQ(text_of(read_back(decision)), text_of(decision)) << query.text;
  }
}

TEST(DecisionRecord, TheSameRouterDecidesTheSameAgain) {
  const auto router = router_of(document("{script: 0.5, human: 0.4, veto: 0.3}"));
  for (const auto& query : queries()) {
    const auto decision = router->route(query);
    const auto again = router->decide_again(read_back(decision));
    ASSERT_TRUE(again) << query.text;
    EXPECT_EQ(text_of(*again), text_of(decision)) << query.text;
  }
}

/// What another router would have decided had it looked at the text itself, told from the record of the first.
TEST(DecisionRecord, OtherThresholdsAndSizesDecideFromItAsFromTheText) {
  const auto before = router_of(document("{script: 0.5, human: 0.4, veto: 0.3}"));
  const std::string others[] = {
      document("{script: 0.99}"),
      document("{script: 0.05, human: 0.999, veto: 1}"),
      document("{script: 1.1, human: 0.01, veto: 0.01}"),
      document("{}"),
      document("{script: 0.7}", "  - {name: long, when: {prompt_bytes_over: 30}, route: large}"),
      document("{script: 0.7}", "  - {name: tools, when: {tools: true}, route: small}"),
      document("{script: 0.7}", "  - {name: cards, when: {findings: [card]}, route: human}"),
      document("{script: 0.7}", "", ", code: false, maths: false, turns_over: 1, text_bytes_over: 20"),
      document("{script: 0.9, human: 0.9}", "", ", abstained: true"),
  };
  std::size_t routes_changed = 0;
  for (const auto& yaml : others) {
    const auto after = router_of(yaml);
    ASSERT_EQ(after->sight(), before->sight());
    for (const auto& query : queries()) {
      const auto decision = before->route(query);
      const auto again = after->decide_again(read_back(decision));
      ASSERT_TRUE(again) << query.text;
      const auto looked = after->route(query);
      EXPECT_EQ(text_of(*again), text_of(looked)) << query.text << "\n" << yaml;
      routes_changed += looked.route != decision.route;
    }
  }
  EXPECT_GT(routes_changed, 100U) << "else nothing was tried";
}

TEST(DecisionRecord, AThresholdMeetsTheVeryNumberThatItMetBefore) {
  const auto before = router_of(document("{}"));
  const RouteQuery query{.text = "what are your opening hours"};
  const double score = before->route(query).basis.seen->script_score;
  for (const double threshold : {score, std::nextafter(score, 1)}) {
    const auto after = before->with_script_threshold(threshold);
    const auto again = after->decide_again(read_back(before->route(query)));
    ASSERT_TRUE(again);
    EXPECT_EQ(again->route == Route::script, threshold == score);
  }
}

TEST(DecisionRecord, WhatAGuardAskedForIsAskedForAgain) {
  const auto before = router_of(document("{script: 0.5}"));
  const auto guarded = before->with_script_floor(1.1);
  std::size_t changed = 0;
  for (const auto& query : queries()) {
    const auto decision = guarded->route(query);
    const auto again = before->decide_again(read_back(decision));
    ASSERT_TRUE(again) << query.text;
    EXPECT_EQ(text_of(*again), text_of(decision)) << query.text;
    changed += decision.route != before->route(query).route;
  }
  EXPECT_GT(changed, 0U) << "else it asked for nothing";
  EXPECT_EQ(text_of(before->with_script_floor(0)->route(queries().front())), text_of(before->route(queries().front())));
}

IntentModel retuned(double script) {
  ModelData data = test_model().data();
  data.thresholds.script = script;
  data.provenance.command = "tuned";
  return IntentModel::from_data(std::move(data));
}

TEST(DecisionRecord, AModelThatWasOnlyTunedSeesTheSame) {
  const auto before = router_of(document("{}"));
  const auto after = router_of(document("{}"), retuned(0.3));
  EXPECT_NE(after->model()->version(), before->model()->version());
  EXPECT_EQ(after->sight(), before->sight());
  for (const auto& query : queries()) {
    const auto again = after->decide_again(read_back(before->route(query)));
    ASSERT_TRUE(again) << query.text;
    EXPECT_EQ(text_of(*again), text_of(after->route(query))) << query.text;
  }
}

std::optional<Unknown> unknown_of(const Router& after, const RouteDecision& recorded) {
  const auto again = after.decide_again(recorded);
  return again ? std::nullopt : std::optional(again.error());
}

TEST(DecisionRecord, SaysWhatItDoesNotKnow) {
  const auto words = document("{}", "  - {name: more, when: {phrases: [urgent]}, route: large}");
  const auto tools = document("{}", "  - {name: tools, when: {tools: true}, route: large}");
  const auto plain = router_of(document("{}"));
  const auto hours = read_back(plain->route({.text = "what are your opening hours"}));
  EXPECT_EQ(unknown_of(*plain, hours), std::nullopt);
  EXPECT_EQ(unknown_of(*router_of(words), hours), Unknown::other_sight) << "urgent may stand in the text";

  ModelData other = test_model().data();
  other.biases[0] += 1;
  EXPECT_EQ(unknown_of(*router_of(document("{}"), IntentModel::from_data(std::move(other))), hours),
            Unknown::other_sight);

  const auto by_rule = read_back(router_of(tools)->route({.text = "what are your opening hours", .has_tools = true}));
  EXPECT_EQ(unknown_of(*router_of(tools), by_rule), std::nullopt);
  EXPECT_EQ(unknown_of(*plain, by_rule), Unknown::nobody_looked);
}

TEST(DecisionRecord, OneOfBeforeABasisWasKeptSaysSo) {
  const auto old = parse_json(R"({"alternatives":[],"chosen":"small","intent":"poem","kind":"route","out_of_scope":0.01,
      "reasons":["intent is for a model"],"score":0.9,"script":"","threshold":0,
      "versions":{"classifier":"a","triage":"b"}})");
  const auto read = read_record(*old);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->route, Route::small);
  EXPECT_EQ(unknown_of(*router_of(document("{}")), *read), Unknown::not_recorded);
}

TEST(DecisionRecord, ATextWithTheWordsOfManyRulesLeavesNoBasis) {
  std::string rules;
  for (std::size_t i = 0; i < kMaxSaidOnRecord; ++i)
    rules += fmt::format("  - {{name: r{}, when: {{phrases: [hours]}}, route: large}}\n", i);
  const auto router = router_of(document("{}", rules));
  const auto fits = router->route({.text = "hours"});
  EXPECT_THAT(text_of(fits), HasSubstr("\"said\""));
  const auto too_many = router->route({.text = "hours going to sue"});
  EXPECT_THAT(text_of(too_many), Not(HasSubstr("\"basis\"")));
  EXPECT_EQ(unknown_of(*router, read_back(too_many)), Unknown::not_recorded);
}

TEST(DecisionRecord, HasNoWordOfTheText) {
  const auto router = router_of(document("{}", "  - {name: more, when: {phrases: [xylophone]}, route: large}"));
  for (const std::string_view text : {"xylophone 4711", "opening 4711 hours", "```4711 * 4711```"}) {
    const auto recorded = text_of(router->route({.text = text}));
    EXPECT_THAT(recorded, Not(HasSubstr("4711")));
    EXPECT_THAT(recorded, Not(HasSubstr("xylophone")));
  }
}

TEST(DecisionRecord, ADamagedOneIsNamed) {
  const auto good = text_of(router_of(document("{}"))->route({.text = "what are your opening hours"}));
  const std::pair<std::string, std::string> damages[] = {{"\"chosen\":\"", "\"chosen\":\"x"},
                                                         {"\"kind\":\"route\"", "\"kind\":\"chat\""},
                                                         {"\"confidence\":\"", "\"confidence\":\"x"},
                                                         {"\"turns\":1", "\"turns\":-1"},
                                                         {"\"reasons\":[", "\"reasons\":[1,"}};
  for (const auto& [from, to] : damages) {
    std::string bad = good;
    ASSERT_NE(bad.find(from), std::string::npos) << from << " " << good;
    bad.replace(bad.find(from), from.size(), to);
    const auto read = read_record(*parse_json(bad));
    ASSERT_FALSE(read) << bad;
    EXPECT_EQ(read.error().code, Errc::corrupt);
  }
}

}  // namespace
}  // namespace sb::triage
