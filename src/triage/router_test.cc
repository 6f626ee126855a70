#include "triage/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "triage/testing_data.h"

namespace sb::triage {
namespace {

using testing::HasSubstr;

constexpr std::string_view kDocument = R"(
version: 1
model: tests.sbm
thresholds: {script: 0.5, human: 0.4, veto: 0.3}
scripts:
  hours: opening-hours
  balance: show-balance
rules:
  - name: threat
    when: {phrases: ["going to sue", "kill myself"]}
    route: human
  - name: card-number
    when: {findings: [card, iban], phrases: [blocked]}
    route: human
  - name: secret
    when: {policy_classes: [secret]}
    route: human
  - name: faq-imprint
    when: {exact: ["Who runs this site?"]}
    route: script
    script: imprint
  - name: long
    when: {prompt_bytes_over: 100000}
    route: large
  - name: structured
    when: {json_schema: true, tools: false}
    route: small
generative:
  otherwise: small
  large_when: {text_bytes_over: 500, turns_over: 5, abstained: false, intents: [advice]}
)";

std::shared_ptr<const Router> test_router() {
  auto router = Router::from_text(kDocument, "triage.yaml", test_model());
  if (!router) throw std::runtime_error(router.error().detail);
  return *router;
}

struct Case {
  const char* name;
  RouteQuery query;
  Route route;
  const char* script;
  const char* reason;
};

constexpr std::string_view kCard[] = {"card"};
constexpr std::string_view kMail[] = {"email"};

class Routes : public testing::TestWithParam<Case> {};

TEST_P(Routes, ToTheCheapestTierThatMayAnswerAndSaysWhy) {
  const auto decision = test_router()->route(GetParam().query);
  EXPECT_EQ(to_string(decision.route), to_string(GetParam().route));
  EXPECT_EQ(decision.script, GetParam().script);
  ASSERT_FALSE(decision.reasons.empty());
  EXPECT_THAT(testing::PrintToString(decision.reasons), HasSubstr(GetParam().reason));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Routes,
    testing::Values(
        Case{"scriptable", {.text = "what are your opening hours"}, Route::script, "opening-hours", "script score"},
        Case{"needs_a_person", {.text = "somebody stole my wallet"}, Route::human, "", "needs a person"},
        Case{"for_the_small_model", {.text = "write me a poem about rain"}, Route::small, "", "intent is for a model"},
        Case{"intent_for_the_large_model",
             {.text = "what do you think about saving for a house"},
             Route::large,
             "",
             "intent"},
        Case{"scriptable_without_a_script",
             {.text = "how do i change my address"},
             Route::small,
             "",
             "no script is configured"},
        Case{"phrase_overrules",
             {.text = "What are your opening hours, I'm GOING to sue."},
             Route::human,
             "",
             "rule threat: phrase"},
        Case{"phrase_is_whole_words",
             {.text = "we are going to Suede concert opening hours"},
             Route::script,
             "opening-hours",
             "script score"},
        Case{"all_conditions_must_hold",
             {.text = "what are your opening hours", .finding_types = kCard},
             Route::script,
             "opening-hours",
             ""},
        Case{"finding_and_phrase",
             {.text = "my card is blocked", .finding_types = kCard},
             Route::human,
             "",
             "rule card-number: phrase, policy finding"},
        Case{"another_finding", {.text = "card blocked opening poem", .finding_types = kMail}, Route::small, "", ""},
        Case{"policy_class",
             {.text = "what is my balance", .policy_class = "secret"},
             Route::human,
             "",
             "rule secret: policy class"},
        Case{
            "exact_question", {.text = "who RUNS this site"}, Route::script, "imprint", "rule faq-imprint: exact text"},
        Case{"exact_is_not_part", {.text = "who runs this site and why"}, Route::small, "", ""},
        // Then the classifier is asked, and knows only that it does not know this one.
        Case{"exact_with_tools", {.text = "who runs this site", .has_tools = true}, Route::human, "", "not scripted"},
        Case{"tools_are_never_scripted",
             {.text = "what are your opening hours", .has_tools = true},
             Route::large,
             "",
             "no script"},
        Case{"images_are_never_scripted",
             {.text = "what are your opening hours", .has_images = true},
             Route::large,
             "",
             "no script"},
        Case{"long_prompt", {.text = "hi", .prompt_bytes = 200000}, Route::large, "", "rule long: prompt size"},
        Case{"schema",
             {.text = "what are your opening hours", .wants_json_schema = true},
             Route::small,
             "",
             "rule structured: tools, JSON schema"},
        Case{"many_turns", {.text = "write me a poem about rain", .turns = 9}, Route::large, "", "large: turns"},
        Case{"code", {.text = "write me a poem about this\n```c\nint main();\n```"}, Route::large, "", "large: code"},
        Case{"maths", {.text = "write me a poem about 12 * 17"}, Route::large, "", "large: maths"},
        Case{"a_date_is_no_sum", {.text = "write me a poem about 1/2/2026"}, Route::small, "", ""},
        Case{"empty", {.text = ""}, Route::small, "", "not readable"},
        Case{"not_utf8", {.text = "opening hours \xff"}, Route::small, "", "not readable"}),
    [](const auto& info) { return info.param.name; });

TEST(Router, AMegabyteOfScriptableTextIsNeverScripted) {
  std::string text;
  while (text.size() < (1U << 20)) text += "what are your opening hours ";
  const auto decision = test_router()->route({.text = text});
  EXPECT_NE(decision.route, Route::script);
  std::string question = "who runs this site";
  question.resize(1U << 20, ' ');
  EXPECT_NE(test_router()->route({.text = question + "and delete everything"}).route, Route::script);
}

TEST(Router, ReasonsNeverQuoteTheText) {
  const auto decision = test_router()->route({.text = "xylophone 4711 going to sue what are your opening hours"});
  for (const auto& reason : decision.reasons) {
    EXPECT_EQ(reason.find("xylophone"), std::string::npos);
    EXPECT_EQ(reason.find("4711"), std::string::npos);
  }
}

TEST(Router, DecisionsNameTheirVersionsAndRepeat) {
  const auto a = test_router()->route({.text = "what is my balance"});
  const auto b = test_router()->route({.text = "what is my balance"});
  EXPECT_EQ(a.model_version, test_model().version());
  EXPECT_EQ(a.config_version.size(), 16U);
  EXPECT_EQ(a.config_version, b.config_version);
  EXPECT_EQ(a.reasons, b.reasons);
  EXPECT_EQ(a.confidence, b.confidence);
  EXPECT_EQ(a.threshold, 0.5);
}

TEST(Router, WithoutAModelRulesAndSizeDecide) {
  const auto router =
      Router::from_text("version: 1\nrules:\n  - {name: a, when: {phrases: [x]}, route: human}\n", "t", {});
  ASSERT_TRUE(router) << router.error().detail;
  EXPECT_EQ((*router)->route({.text = "an x here"}).route, Route::human);
  EXPECT_EQ((*router)->route({.text = "nothing"}).route, Route::small);
  EXPECT_EQ((*router)->route({.text = "nothing", .has_tools = true}).route, Route::large);
}

TEST(Router, NamesItsScripts) {
  EXPECT_THAT(test_router()->script_names(), testing::ElementsAre("imprint", "opening-hours", "show-balance"));
}

struct Fault {
  const char* name;
  const char* yaml;
  const char* detail;
};

class ConfigFault : public testing::TestWithParam<Fault> {};

TEST_P(ConfigFault, IsNamedWithItsPlace) {
  const auto router = Router::from_text(GetParam().yaml, "triage.yaml", test_model());
  ASSERT_FALSE(router);
  EXPECT_EQ(router.error().code, Errc::invalid_argument);
  EXPECT_THAT(router.error().detail, HasSubstr(GetParam().detail));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, ConfigFault,
    testing::Values(
        Fault{"unknown_key", "version: 1\nmodel: m\nthreshold: {}\n",
              "triage.yaml:3:12: unknown key \"threshold\"; did you mean \"thresholds\"?"},
        Fault{"no_version", "model: m\n", "version: must be 1"},
        Fault{"not_a_map", "- 1\n", "is not a map of version, model"},
        Fault{"threshold_range", "version: 1\nthresholds: {script: 2}\n",
              "triage.yaml:2:22: script: must be a number from 0 to 1.1"},
        Fault{"unknown_intent", "version: 1\nmodel: m\nscripts:\n  ballance: x\n",
              "triage.yaml:4:13: the model has no intent \"ballance\"; did you mean \"balance\"?"},
        Fault{"intent_not_for_scripts", "version: 1\nmodel: m\nscripts:\n  stolen: x\n", "was trained as human"},
        Fault{"large_intent", "version: 1\ngenerative: {large_when: {intents: [advise]}}\n",
              "did you mean \"advice\"?"},
        Fault{"route_name", "version: 1\nrules:\n  - {name: a, when: {tools: true}, route: lage}\n",
              "did you mean \"large\"?"},
        Fault{"rule_without_name", "version: 1\nrules:\n  - {when: {tools: true}, route: large}\n",
              "a rule needs a name"},
        Fault{"rule_without_condition", "version: 1\nrules:\n  - {name: a, when: {}, route: large}\n",
              "names no condition"},
        Fault{"rule_without_script", "version: 1\nrules:\n  - {name: a, when: {exact: [a]}, route: script}\n",
              "needs \"script\""},
        Fault{"two_rules_one_name",
              "version: 1\nrules:\n  - {name: a, when: {tools: true}, route: large}\n  - {name: a, when: {tools: "
              "true}, route: large}\n",
              "the name is taken"},
        Fault{"empty_phrase", "version: 1\nrules:\n  - {name: a, when: {phrases: [\"?!\"]}, route: human}\n",
              "no letter or digit"},
        Fault{"number_as_phrase", "version: 1\nrules:\n  - {name: a, when: {phrases: [42]}, route: human}\n",
              "quote it"},
        Fault{"bad_yaml", "version: [1\n", "triage.yaml: line"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sb::triage
