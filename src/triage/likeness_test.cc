#include "triage/likeness.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "triage/encoder/testing_encoder.h"

namespace sb::triage {
namespace {

Encoder letters(std::string version = "0123456789abcdef") {
  return *Encoder::from_data(testing_encoder(vocabulary_of_letters()), std::move(version));
}

LikenessData learnt() {
  return {"0123456789abcdef", 0.9, 0.005, 0.95, 0.0049, 18'000, 1'500, 2, {{"a.jsonl", "00", 18'000}}};
}

TEST(Likeness, ReadsWhatItWrote) {
  const auto again = decode_likeness(encode_likeness(learnt()));
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(encode_likeness(*again), encode_likeness(learnt()));
  EXPECT_EQ(again->threshold, 0.9);
  EXPECT_EQ(again->hits, 1'500U);
}

TEST(Likeness, RefusesWhatWasLearntWithAnotherEncoder) {
  EXPECT_TRUE(Likeness::create(learnt(), letters()));
  const auto refused = Likeness::create(learnt(), letters("fedcba9876543210"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::conflict);
  EXPECT_NE(refused.error().detail.find("0123456789abcdef, this is encoder fedcba9876543210"), std::string::npos);
  EXPECT_NE(refused.error().detail.find("signalbox triage likeness"), std::string::npos);
}

TEST(Likeness, RefusesOtherFilesAndVersions) {
  const auto code_of = [](std::string_view text) { return decode_likeness(text).error().code; };
  std::string text = encode_likeness(learnt());
  EXPECT_EQ(code_of("{}"), Errc::corrupt);
  EXPECT_EQ(code_of(text.substr(0, 50)), Errc::corrupt);
  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string other = text;
    return other.replace(other.find(from), from.size(), to);
  };
  EXPECT_EQ(code_of(changed(R"("kept_words":1)", R"("kept_words":0)")), Errc::unsupported);
  EXPECT_EQ(code_of(changed(R"("likeness":1)", R"("likeness":2)")), Errc::unsupported);
  EXPECT_EQ(code_of(changed(R"("threshold")", R"("thresh")")), Errc::corrupt);
}

TEST(Likeness, ReadsNothingThatItCannotTellWhole) {
  const auto likeness = *Likeness::create(learnt(), letters());
  EXPECT_TRUE(likeness.read("where is my card"));
  EXPECT_FALSE(likeness.read("where is my \u03ba\u03ac\u03c1\u03c4\u03b1")) << "pieces that the encoder does not know";
  EXPECT_FALSE(likeness.read(std::string(200, 'a') + " b")) << "longer than it reads";
  EXPECT_FALSE(likeness.read("hi, could you tell me please")) << "nothing to tell it by";
}

TEST(Meaning, TurnsLittleInEightBits) {
  std::mt19937 rng(1);
  for (int i = 0; i < 200; ++i) {
    const auto a = testing_parts::normal(rng, 384, 1), noise = testing_parts::normal(rng, 384, 1);
    std::vector<float> b(a.size());
    double ab = 0, aa = 0, bb = 0;
    for (std::size_t k = 0; k < a.size(); ++k) {
      b[k] = a[k] + static_cast<float>(i) / 100 * noise[k];
      ab += static_cast<double>(a[k]) * b[k], aa += static_cast<double>(a[k]) * a[k],
          bb += static_cast<double>(b[k]) * b[k];
    }
    const auto x = meaning_of(a), y = meaning_of(b);
    EXPECT_NEAR(cosine(dot(x, y), dot(x, x), dot(y, y)), ab / std::sqrt(aa * bb), 0.002);
  }
  EXPECT_EQ(cosine(0, 0, 5), 0);
}

}  // namespace
}  // namespace sb::triage
