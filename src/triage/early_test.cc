// Tier 1's early look: the encoder's first blocks, where they are enough.
#include <gtest/gtest.h>

#include "base/json.h"
#include "triage/decision_record.h"
#include "triage/encoder/testing_encoder.h"
#include "triage/insight.h"
#include "triage/router.h"
#include "triage/testing_data.h"

namespace sb::triage {
namespace {

constexpr Certainty kAlways{0, 1};
constexpr Certainty kNever{1, 0};

class EarlyLook : public testing::Test {
 protected:
  static const Encoder& encoder() {
    static const auto made = Encoder::from_data(testing_encoder(vocabulary_of_letters()), "tests").value();
    return made;
  }
  static const Trained& trained() {
    static const auto made = [] {
      auto options = test_options();
      options.encoder = &encoder();
      return train(test_dataset(), nullptr, options, [](double) {}).value();
    }();
    return made;
  }
  // Tier 0 is never sure; the early look where `rule` says so.
  static ModelData asked_by(const Certainty& rule) {
    auto data = trained().data;
    data.early->certainty = kNever;
    data.sentence->certainty = rule;
    return data;
  }
  static IntentModel model_of(ModelData data) {
    return IntentModel::from_data(std::move(data)).with_encoder(encoder()).value();
  }
  static std::vector<std::string> texts() {
    std::vector<std::string> out;
    for (const auto& example : test_dataset().examples) out.push_back(example.text);
    return out;
  }
};

TEST_F(EarlyLook, IsLearntForTheFirstHalfOfTheEncoder) {
  const auto& [data, report] = trained();
  ASSERT_TRUE(data.early && data.sentence);
  EXPECT_EQ(data.early->blocks, 1U);
  EXPECT_EQ(data.early->inputs, encoder().dimension(1));
  EXPECT_EQ(data.early->text_labels, data.sentence->text_labels);
  EXPECT_GT(report.early.accuracy, 0.5);
  EXPECT_LE(report.early.certainty.lost, 0) << "tier 0 alone loses what the looks behind it have right";
  EXPECT_LE(report.sentence.certainty.lost, 0);
  EXPECT_EQ(data.early->thresholds.veto, data.sentence->thresholds.veto);
}

TEST_F(EarlyLook, SpeaksWhereItIsEnough) {
  const auto model = model_of(asked_by(kAlways));
  for (const auto& text : texts()) {
    const auto said = model.predict(text);
    EXPECT_TRUE(said.early) << text;
    EXPECT_EQ(said.tier, 1) << text;
  }
}

TEST_F(EarlyLook, ChangesNothingWhereItIsNot) {
  auto without = asked_by(kNever);
  without.early.reset();
  const auto early = model_of(asked_by(kNever));
  const auto whole = model_of(std::move(without));
  for (const auto& text : texts()) {
    const auto said = early.predict(text);
    const auto expected = whole.predict(text);
    EXPECT_FALSE(said.early) << text;
    EXPECT_EQ(said.intent, expected.intent) << text;
    EXPECT_EQ(said.confidence, expected.confidence) << text;
    EXPECT_EQ(said.out_of_scope, expected.out_of_scope) << text;
  }
}

TEST_F(EarlyLook, IsRecalledByItsOwnThresholds) {
  auto data = asked_by(kAlways);
  data.early->thresholds.script = 1e-6;
  data.early->thresholds.veto = data.early->thresholds.human = 1;
  data.sentence->thresholds.script = 1.1;
  const auto model = model_of(data);
  std::size_t scripted = 0;
  for (const auto& text : texts()) {
    const auto said = model.predict(text);
    const auto again = model.recall(seen_of(said), said.intent);
    ASSERT_TRUE(again) << text;
    EXPECT_EQ(again->route, said.route) << text;
    EXPECT_TRUE(again->early);
    scripted += said.route == AnswerKind::script;
  }
  EXPECT_GT(scripted, 0U);
  data.early.reset();
  const auto said = model.predict(texts().front());
  EXPECT_FALSE(model_of(data).recall(seen_of(said), said.intent)) << "a model without an early look cannot tell";
}

TEST_F(EarlyLook, IsOnTheRecordOfTheDecision) {
  const auto router = Router::of_model(model_of(asked_by(kAlways)));
  const auto decision = router->route({.text = texts().front()});
  const auto read = read_record(parse_json(record_of(decision).text()).value());
  ASSERT_TRUE(read) << read.error().detail;
  ASSERT_TRUE(read->basis.seen);
  EXPECT_TRUE(read->basis.seen->early);
}

TEST_F(EarlyLook, IsExplainedByItsOwnHeads) {
  const auto data = asked_by(kAlways);
  ASSERT_NE(data.early->fusion, data.sentence->fusion);
  const auto text = texts().front();
  const auto early = model_of(data).look_into(text);
  EXPECT_TRUE(early.said.early);
  EXPECT_EQ(early.fusion, data.early->fusion);
  EXPECT_FALSE(early.near.empty());
  const auto whole = model_of(asked_by(kNever)).look_into(text);
  EXPECT_FALSE(whole.said.early);
  EXPECT_EQ(whole.fusion, data.sentence->fusion);
}

TEST_F(EarlyLook, IsInTheFileAndModelsWithoutOneAreWrittenAsBefore) {
  auto data = trained().data;
  const auto bytes = encode_model(data);
  EXPECT_EQ(bytes[8], 3);
  const auto read = decode_model(bytes);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->early->blocks, data.early->blocks);
  EXPECT_EQ(read->early->projection, data.early->projection);
  EXPECT_EQ(read->sentence->projection, data.sentence->projection);
  EXPECT_TRUE(encode_model(*read) == bytes);
  data.early.reset();
  EXPECT_EQ(encode_model(data)[8], 2);
  EXPECT_TRUE(decode_model(encode_model(data)));
}

TEST_F(EarlyLook, IsRefusedWhereItCannotBe) {
  auto data = trained().data;
  data.early->blocks = 0;
  EXPECT_FALSE(decode_model(encode_model(data)));
  data = trained().data;
  data.sentence.reset();
  data.remembered.reset();
  EXPECT_FALSE(decode_model(encode_model(data)));
  data = trained().data;
  data.early->blocks = 2;  // all that the encoder has: then it is not early
  const auto refused = IntentModel::from_data(data).with_encoder(encoder());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::conflict);
}

}  // namespace
}  // namespace sb::triage
