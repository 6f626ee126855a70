#include "triage/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "triage/features.h"
#include "triage/scorer.h"
#include "triage/testing_data.h"

namespace sb::triage {
namespace {

using testing::Contains;
using testing::HasSubstr;

constexpr std::string_view kExplained = R"(
version: 1
model: tests.sbm
thresholds: {script: 0.5, human: 0.4, veto: 0.3}
scripts: {hours: opening-hours, balance: show-balance}
rules:
  - name: threat
    when: {phrases: ["my lawyer"]}
    route: human
)";

std::shared_ptr<const Router> router() {
  return Router::from_text(kExplained, "triage.yaml", test_model()).value();
}

TEST(FeatureNames, StandForTheSameFeaturesInTheSameOrder) {
  for (const bool across : {false, true}) {
    FeatureConfig config{.word_max = 3, .char_min = 3, .char_max = 4, .skip_pairs = true, .across_words = across};
    const auto features = std::make_unique<FeatureList>();
    extract_features("Where IS my card 42", config, *features);
    const auto names = feature_names("Where IS my card 42", config);
    ASSERT_EQ(names.size(), features->count);
    EXPECT_THAT(names, Contains("where is my"));
    EXPECT_THAT(names, Contains("where _ my"));
    EXPECT_EQ(names[0], "where");
    EXPECT_EQ(names.back(), "00") << "digits as the classifier sees them";
  }
  EXPECT_TRUE(feature_names("\x01", FeatureConfig{}).empty());
  EXPECT_TRUE(feature_names("", FeatureConfig{}).empty());
}

TEST(Explain, TheFeaturesAddUpToTheLogit) {
  for (const auto* text : {"what are your opening hours", "somebody stole my wallet", "a poem about my balance"}) {
    const auto insight = test_model().look_into(text);
    for (std::size_t at = 0; at < 2; ++at) {
      double sum = insight.bias[at];
      for (const auto& [name, effect] : insight.features) sum += effect[at];
      EXPECT_NEAR(sum, insight.logits[at][0], 0.02 * std::abs(insight.logits[at][0]) + 0.02) << text;
    }
    EXPECT_EQ(test_model().data().labels[insight.labels[0]].name, insight.said.intent);
  }
}

TEST(Explain, SaysWhichRuleSpokeAndHoldsNoLimitAgainstIt) {
  const auto explanation = explain(*router(), {.text = "my lawyer asks for your opening hours"});
  EXPECT_EQ(explanation.decision.route, Route::human);
  EXPECT_THAT(explanation.decision.reasons.front(), HasSubstr("rule threat"));
  EXPECT_TRUE(explanation.checks.empty());
  EXPECT_THAT(to_lines(explanation, {}, 3), HasSubstr("rule threat: phrase"));
}

TEST(Explain, ChecksAreTheDocumentsLimitsInTheirOrder) {
  const auto explanation = explain(*router(), {.text = "what are your opening hours"});
  ASSERT_EQ(explanation.checks.size(), 3U);
  EXPECT_EQ(explanation.checks[0].limit, 0.4);
  EXPECT_EQ(explanation.checks[1].limit, 0.3);
  EXPECT_EQ(explanation.checks[2].limit, 0.5);
  for (const auto& check : explanation.checks) EXPECT_FALSE(check.holds()) << check.what;
  EXPECT_FALSE(explanation.origin) << "the document set the limit, not the model";
}

TEST(Explain, TheModelsOwnLimitNamesTheBoundThatSetIt) {
  const auto explanation = explain(*Router::of_model(test_model()), {.text = "what are your opening hours"});
  ASSERT_TRUE(explanation.origin);
  EXPECT_EQ(explanation.origin->by, "train");
  EXPECT_EQ(explanation.origin->texts, test_dataset().examples.size());
  EXPECT_THAT(to_lines(explanation, {}, 3), HasSubstr("set by train on"));
}

TEST(Explain, NamesTheWordsThatHoldTheRoute) {
  const auto explanation = explain(*router(), {.text = "my lawyer wants a poem about rain"});
  ASSERT_EQ(explanation.changes.size(), 2U) << "the phrase is two words";
  EXPECT_EQ(explanation.changes[0].without, "my");
  EXPECT_EQ(explanation.changes[1].without, "lawyer");
  EXPECT_EQ(explanation.changes[1].decision.route, Route::small);
}

TEST(Explain, UnreadableTextIsExplained) {
  const auto explanation = explain(*router(), {.text = "\x01\x02"});
  EXPECT_THAT(to_lines(explanation, {}, 3), HasSubstr("not readable"));
  EXPECT_EQ(string_member(to_json(explanation, {}, 3), "route"), "small");
}

TEST(Explain, JsonHoldsWhatTheLinesSay) {
  const auto value = to_json(explain(*router(), {.text = "what is my balance"}), {}, 3);
  EXPECT_EQ(string_member(value, "script"), "show-balance");
  EXPECT_EQ(find_member(value, "features")->as_array().size(), 3U);
  EXPECT_EQ(find_member(value, "checks")->as_array().size(), 3U);
  EXPECT_TRUE(find_member(value, "runner_up") && find_member(value, "changes"));
}

TEST(ModelFile, KeepsWhatItsThresholdsRestOn) {
  auto data = test_model().data();
  data.origin = {"tune", 0.01, 0.95, 0.12, 0.0093, 4320};
  const auto read = decode_model(encode_model(data));
  ASSERT_TRUE(read) << read.error().detail;
  ASSERT_TRUE(read->origin);
  EXPECT_EQ(read->origin->by, "tune");
  EXPECT_EQ(read->origin->bound, 0.0093);
  EXPECT_EQ(read->origin->texts, 4320U);
  data.origin.reset();
  EXPECT_FALSE(decode_model(encode_model(data))->origin) << "models of before have none";
}

TEST(ModelFile, KeepsWhereTheGateSpeaksForTheIntent) {
  auto data = test_model().data();
  data.calibration.outside_at = 0.7157;
  const auto read = decode_model(encode_model(data));
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->calibration.outside_at, 0.7157);
  data.calibration.outside_at = 2;
  EXPECT_GT(decode_model(encode_model(data))->calibration.outside_at, 1) << "models of before do not have it";
}

}  // namespace
}  // namespace sb::triage
