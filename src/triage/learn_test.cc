#include "triage/learn.h"

#include <gtest/gtest.h>

#include <limits>

#include "triage/encoder/testing_encoder.h"
#include "triage/router.h"
#include "triage/sight.h"
#include "triage/testing_data.h"

namespace sb::triage {
namespace {

constexpr std::size_t kShots = 20;

// Every opening with every subject: 25 texts of an intent that the model of our tests has never met.
std::vector<LabelledText> parking(AnswerKind kind = AnswerKind::generative) {
  std::vector<LabelledText> out;
  for (const std::string opening :
       {"where can i park", "is there parking for", "a garage for", "reserve a space for", "how much is parking for"}) {
    for (const std::string subject : {"my car", "a van", "the motorbike", "two vehicles", "my electric scooter"})
      out.push_back({opening + " " + subject, "parking", kind});
  }
  // Neighbours in the list share an opening: what is learnt from and what is tried have some of each.
  std::vector<LabelledText> dealt;
  for (std::size_t i = 0; i < out.size(); ++i) dealt.push_back(out[i * 7 % out.size()]);
  return dealt;
}

std::vector<LabelledText> few(std::vector<LabelledText> texts, std::size_t count = kShots) {
  texts.resize(count);
  return texts;
}

IntentModel taught(std::span<const LabelledText> texts, const IntentModel& model = test_model()) {
  auto learning = learn_beside(model, texts, {});
  EXPECT_TRUE(learning) << learning.error().detail;
  return model.with_learnt(std::move(learning->learnt)).value();
}

TEST(Learn, TwentyTextsMakeAnIntentAndTheOthersStayWhatTheyWere) {
  const auto all = parking();
  auto learning = learn_beside(test_model(), few(all), {});
  ASSERT_TRUE(learning) << learning.error().detail;
  ASSERT_EQ(learning->report.intents.size(), 1U);
  const auto& intent = learning->report.intents[0];
  EXPECT_EQ(intent.intent, "parking");
  EXPECT_TRUE(intent.is_new);
  EXPECT_EQ(intent.texts, kShots);
  EXPECT_GE(intent.recognised, kShots - 2) << "of texts that were withheld";
  EXPECT_EQ(learning->report.remembered, 9U * 10) << "ten of each label, out of scope too";
  EXPECT_LE(learning->report.taken, 1U);
  const auto model = test_model().with_learnt(learning->learnt).value();
  EXPECT_NE(model.version(), test_model().version());
  EXPECT_EQ(model.base_version(), test_model().version());
  for (std::size_t i = kShots; i < all.size(); ++i) {
    const auto p = model.predict(all[i].text);
    EXPECT_EQ(p.intent, "parking") << all[i].text;
    EXPECT_EQ(p.kind, AnswerKind::generative);
    EXPECT_GT(p.confidence, 0.5);
    EXPECT_LT(p.out_of_scope, test_model().predict(all[i].text).out_of_scope);
  }
  std::size_t changed = 0;
  for (const auto& example : test_dataset().examples)
    changed += model.predict(example.text).intent != test_model().predict(example.text).intent;
  EXPECT_LE(changed, 1U) << "of " << test_dataset().examples.size();
  ASSERT_NE(model.find_label("parking"), nullptr);
  EXPECT_EQ(model.without_learnt().find_label("parking"), nullptr);
  EXPECT_EQ(model.without_learnt().version(), test_model().version());
}

// Everything that the two recipes' words can be mixed to, in and out of scope.
std::vector<std::string> mixtures() {
  std::vector<std::string> out;
  for (const auto& example : test_dataset().examples) {
    out.push_back(example.text);
    out.push_back(example.text + " and parking for my car");
    out.push_back("where can i park " + example.text);
  }
  for (const auto& label : parking()) out.push_back(label.text);
  return out;
}

void expect_only_less(const IntentModel& weights) {
  auto texts = few(parking(AnswerKind::script));
  for (const auto* opening : {"i lost my keys near", "my keys are gone at", "somebody found keys at"}) {
    for (const auto* subject : {"the counter", "the door", "the lift", "the shop"})
      texts.push_back({std::string(opening) + " " + subject, "keys", AnswerKind::human});
  }
  const auto model = taught(texts, weights);
  const auto before = Router::of_model(weights);
  const auto after = Router::of_model(model);
  std::size_t scripted = 0;
  std::size_t people = 0;
  for (const auto& text : mixtures()) {
    const auto was = weights.predict(text);
    const auto is = model.predict(text);
    if (is.route == AnswerKind::script) {
      ++scripted;
      EXPECT_EQ(was.route, AnswerKind::script) << text;
      EXPECT_EQ(is.intent, was.intent) << text;
      EXPECT_LE(is.script_score, was.script_score) << text;
    }
    if (was.route == AnswerKind::human) {
      ++people;
      EXPECT_EQ(is.route, AnswerKind::human) << text;
    }
    EXPECT_NEAR(is.kind_mass[0] + is.kind_mass[1] + is.kind_mass[2] + is.kind_mass[3], 1, 1e-4) << text;
    EXPECT_EQ(is.alternatives[0].intent, is.intent) << text;
    if (after->route({.text = text}).route == Route::script) {
      EXPECT_EQ(before->route({.text = text}).route, Route::script) << text;
    }
  }
  EXPECT_GT(scripted, 50U);
  EXPECT_GT(people, 50U);
  EXPECT_EQ(model.predict("is there parking for my car").route, AnswerKind::generative) << "asked for as a script";
  EXPECT_EQ(model.predict("my keys are gone at the counter").route, AnswerKind::human);
}

TEST(Learn, NothingIsScriptedThatTheWeightsAloneWouldNotScriptAndWhoNeededAPersonNeedsOne) {
  expect_only_less(test_model());
}

TEST(Learn, LikewiseWithASentenceEncoder) {
  const auto encoder = *Encoder::from_data(testing_encoder(vocabulary_of_letters()), "0123456789abcdef");
  auto options = test_options();
  options.encoder = &encoder;
  const auto trained = train(test_dataset(), nullptr, options, [](double) {});
  ASSERT_TRUE(trained) << trained.error().detail;
  const auto loaded = IntentModel::load(encode_model(trained->data));
  ASSERT_TRUE(loaded) << loaded.error().detail;
  expect_only_less(loaded->with_encoder(encoder).value());
  const auto without = learn_beside(*loaded, few(parking()), {});
  const auto refused = loaded->with_encoder(encoder)->with_learnt(without->learnt);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::conflict) << "learnt while no encoder looked";
}

TEST(Learn, AKnownIntentIsLearntInOneMoreWayWhereItIsMistakenAndElseOnlyStandsAgainstOthers) {
  std::vector<LabelledText> texts;
  for (const auto* text : {"am i rich", "have i been paid", "did my salary come", "is there anything left to spend",
                           "can i afford lunch", "am i broke again", "did the refund come"})
    texts.push_back({text, "balance"});
  const auto model = taught(texts);
  ASSERT_EQ(model.learnt()->labels.size(), 1U);
  EXPECT_EQ(model.predict("am i broke").intent, "balance");
  EXPECT_EQ(model.find_label("balance")->kind, AnswerKind::script);
  std::size_t turned = 0;
  for (const auto& text : texts) {
    if (test_model().predict(text.text).intent == "balance" || model.predict(text.text).intent != "balance") continue;
    ++turned;
    EXPECT_EQ(model.predict(text.text).script_score, 0) << "the weights alone would not have scripted it";
  }
  EXPECT_GE(turned, 5U);

  auto known = few(parking());
  for (const auto& example : test_dataset().examples) known.push_back({example.text, example.intent});
  const auto learning = learn_beside(test_model(), known, {});
  ASSERT_TRUE(learning) << learning.error().detail;
  ASSERT_EQ(learning->learnt.labels.size(), 1U) << "all others are recognised";
  EXPECT_EQ(learning->learnt.labels[0].name, "parking");
}

TEST(Learn, IsTheSameByteForByteAndSurvivesItsFile) {
  const auto texts = few(parking());
  const auto once = learn_beside(test_model(), texts, {}), again = learn_beside(test_model(), texts, {});
  const auto bytes = encode_learnt(once->learnt);
  EXPECT_TRUE(bytes == encode_learnt(again->learnt));
  const auto read = decode_learnt(bytes);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_TRUE(encode_learnt(*read) == bytes);
  const auto a = test_model().with_learnt(once->learnt).value(), b = test_model().with_learnt(*read).value();
  EXPECT_EQ(a.version(), b.version());
  EXPECT_EQ(a.predict(texts[0].text).confidence, b.predict(texts[0].text).confidence);
  // A model that was saved remembers as well as it did.
  const auto loaded = IntentModel::load(encode_model(test_model().data())).value();
  EXPECT_TRUE(encode_learnt(learn_beside(loaded, texts, {})->learnt) == bytes);
}

TEST(Learn, DamagedFilesAndThoseOfOtherModelsAreRefusedByName) {
  const auto bytes = encode_learnt(learn_beside(test_model(), few(parking()), {})->learnt);
  for (std::size_t at = 0; at < bytes.size(); at += 7) {
    auto damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_FALSE(decode_learnt(damaged)) << at;
    EXPECT_FALSE(decode_learnt(std::string_view(bytes).substr(0, at))) << at;
  }
  auto options = test_options();
  options.seed = 2;
  const auto other = IntentModel::from_data(train(test_dataset(), nullptr, options, [](double) {})->data);
  const auto refused = other.with_learnt(*decode_learnt(bytes));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::conflict);
  EXPECT_NE(refused.error().detail.find(test_model().version()), std::string::npos) << refused.error().detail;
  auto cut = *decode_learnt(bytes);
  cut.weights.pop_back();
  EXPECT_EQ(test_model().with_learnt(cut).error().code, Errc::corrupt);
}

TEST(Learn, OfTooManyTextsTheNewestOfEachIntentAreLearntFrom) {
  auto texts = few(parking(), 5);  // the oldest, and of their intent all there are
  for (int i = 0; i < 40; ++i) texts.push_back({"stale question " + std::to_string(i), "stale"});
  const std::size_t newest = texts.size();
  for (auto text : few(parking(), 6)) texts.push_back({text.text, "stale"});
  const auto learning = learn_beside(test_model(), texts, {.most = 11});
  ASSERT_TRUE(learning) << learning.error().detail;
  EXPECT_EQ(learning->report.left_out, texts.size() - 11);
  ASSERT_EQ(learning->report.intents.size(), 2U);
  EXPECT_EQ(learning->report.intents[0].texts, 5U) << "an intent of few texts keeps them";
  EXPECT_EQ(learning->report.intents[1].texts, 6U);
  texts.erase(texts.begin() + 5, texts.begin() + static_cast<std::ptrdiff_t>(newest));
  const auto alone = learn_beside(test_model(), texts, {});
  ASSERT_TRUE(alone);
  EXPECT_EQ(encode_learnt(learning->learnt), encode_learnt(alone->learnt)) << "the newest are learnt, no others";
  EXPECT_EQ(alone->report.left_out, 0U);
}

TEST(Learn, RefusesWhatItCannotLearnFrom) {
  const auto code = [](const IntentModel& model, std::vector<LabelledText> texts, const LearnLimits& limits = {}) {
    const auto learning = learn_beside(model, texts, limits);
    return learning ? Errc{0} : learning.error().code;
  };
  EXPECT_EQ(code(test_model(), {}), Errc::invalid_argument);
  EXPECT_EQ(code(test_model(), few(parking(), 4)), Errc::invalid_argument) << "too few";
  auto two_routes = few(parking());
  two_routes[3].kind = AnswerKind::human;
  EXPECT_EQ(code(test_model(), two_routes), Errc::invalid_argument);
  std::vector<LabelledText> many;
  for (std::size_t i = 0; i <= kMaxLearnt; ++i) {
    for (auto text : few(parking(), 5)) many.push_back({text.text, "parking " + std::to_string(i)});
  }
  EXPECT_EQ(code(test_model(), many), Errc::too_large);
  auto forgetful = test_model().data();
  forgetful.remembered.reset();
  const auto old = IntentModel::load(encode_model(forgetful)).value();
  EXPECT_EQ(code(old, few(parking())), Errc::unsupported);
  EXPECT_EQ(old.predict("when do you open").intent, test_model().predict("when do you open").intent);
  auto unreadable = few(parking());
  for (auto& text : unreadable) text.text = std::string(kMaxTextBytes + 1, 'x');
  EXPECT_EQ(code(test_model(), unreadable), Errc::invalid_argument);
}

TEST(Learn, ModelsThatRememberAreReadOnlyWhole) {
  auto data = test_model().data();
  ASSERT_TRUE(data.remembered);
  data.remembered->labels[0] = 9;  // there are nine labels
  EXPECT_FALSE(decode_model(encode_model(data)));
  data = test_model().data();
  data.remembered->gates[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(decode_model(encode_model(data)));
  data = test_model().data();
  data.remembered->places.pop_back();
  EXPECT_FALSE(decode_model(encode_model(data)));
}

TEST(Learn, WhatIsLearntIsSeenDifferentlyAndDecidedAgainFromTheRecord) {
  const auto model = taught(few(parking()));
  const auto before = Router::of_model(test_model()), after = Router::of_model(model);
  EXPECT_NE(before->sight(), after->sight());
  const auto decision = after->route({.text = "is there parking for my car"});
  EXPECT_EQ(decision.intent, "parking");
  EXPECT_EQ(decision.model_version, model.version());
  const auto again = after->decide_again(decision);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->route, decision.route);
  EXPECT_EQ(again->confidence, decision.confidence);
  EXPECT_EQ(before->decide_again(decision).error(), Unknown::other_sight);
}

}  // namespace
}  // namespace sb::triage
