#include "triage/softmax_regression.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <random>

#include "triage/classifier.h"
#include "triage/encoder/testing_encoder.h"
#include "triage/sealed_file.h"
#include "triage/sentence_judge.h"
#include "triage/testing_data.h"

namespace sb::triage {
namespace {

constexpr std::size_t kWidth = 16;
constexpr std::size_t kLabels = 4;

// Texts of four labels: one component a label is high, the others are noise. They lie far from 0 and spread very
// differently, so that standardised and plain vectors cannot be taken for each other.
struct Cloud {
  explicit Cloud(std::uint32_t seed) {
    std::mt19937 rng(seed);
    std::normal_distribution<float> draw(0, 1);
    plain.width = kWidth;
    for (std::uint32_t text = 0; text < 400; ++text) {
      labels.push_back(text % kLabels);
      for (std::size_t i = 0; i < kWidth; ++i) {
        const float mean = i == labels.back() ? 4.0F : 0.0F;
        plain.values.push_back((mean + draw(rng)) * static_cast<float>(i + 1) + 50);
      }
    }
  }
  std::vector<std::uint32_t> but(std::uint32_t left_out) const {
    std::vector<std::uint32_t> out;
    for (std::uint32_t i = 0; i < labels.size(); ++i) {
      if (labels[i] != left_out) out.push_back(i);
    }
    return out;
  }

  SentenceVectors plain;
  std::vector<std::uint32_t> labels;
};

constexpr std::uint32_t kNone = kLabels;

ModelData model_of(const Cloud& cloud, std::uint32_t left_out) {
  auto vectors = cloud.plain;
  standardise(vectors);
  ModelData data;
  for (std::size_t i = 0; i < kLabels; ++i) data.labels.push_back({std::to_string(i), AnswerKind::none, false});
  auto& heads = data.sentence.emplace();
  const auto chosen = cloud.but(left_out);
  fit_space(vectors, scatter_of(vectors, cloud.labels, kLabels, chosen), heads);
  fit_regression(vectors, cloud.labels, kLabels, chosen, heads);
  return data;
}

// What the regression takes the texts of another cloud for; [labels][taken for].
std::array<std::array<int, kLabels>, kLabels> taken_for(const ModelData& data, const Cloud& other) {
  std::array<std::array<int, kLabels>, kLabels> out{};
  const SentenceJudge judge(*data.sentence, data.labels.size());
  SentenceEvidence seen;
  for (std::size_t text = 0; text < other.labels.size(); ++text) {
    judge.look(std::span(other.plain.values).subspan(text * kWidth, kWidth), seen);
    const auto best = std::ranges::max_element(seen.regression) - seen.regression.begin();
    ++out[other.labels[text]][static_cast<std::size_t>(best)];
  }
  return out;
}

TEST(SoftmaxRegression, TellsPlainVectorsOfUnseenTextsApart) {
  const auto counts = taken_for(model_of(Cloud(1), kNone), Cloud(2));
  for (std::size_t label = 0; label < kLabels; ++label) EXPECT_GE(counts[label][label], 95) << label;
}

TEST(SoftmaxRegression, ALabelWithoutTextsIsNeverSeen) {
  const auto counts = taken_for(model_of(Cloud(1), 2), Cloud(2));
  for (std::size_t label = 0; label < kLabels; ++label) EXPECT_EQ(counts[label][2], 0) << label;
  EXPECT_GE(counts[0][0], 95);
}

TEST(SoftmaxRegression, IsTheSameEveryTime) {
  const auto one = model_of(Cloud(1), kNone);
  const auto two = model_of(Cloud(1), kNone);
  EXPECT_EQ(one.sentence->weights, two.sentence->weights);
  EXPECT_EQ(one.sentence->biases, two.sentence->biases);
}

class TierOne : public testing::Test {
 protected:
  static Encoder encoder() { return Encoder::from_data(testing_encoder(vocabulary_of_letters()), "tests").value(); }
  static ModelData learnt() {
    const auto eyes = encoder();
    auto options = test_options();
    options.encoder = &eyes;
    return train(test_dataset(), nullptr, options, [](double) {}).value().data;
  }
};

TEST_F(TierOne, SaysTheSameAfterItWasAFile) {
  const auto data = learnt();
  EXPECT_EQ(data.sentence->weights.size(), data.labels.size() * data.sentence->inputs);
  EXPECT_GT(data.sentence->fusion[3], 0);
  const auto read = decode_model(encode_model(data));
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->sentence->weights, data.sentence->weights);
  EXPECT_EQ(read->sentence->biases, data.sentence->biases);
  EXPECT_EQ(read->sentence->fusion, data.sentence->fusion);
  EXPECT_EQ(encode_model(*read), encode_model(data));
}

// A file as it was written before there was a regression: three fusion weights, and no array for it.
TEST_F(TierOne, AFileWithoutTheRegressionIsRefusedByName) {
  auto data = learnt();
  data.early.reset();
  const FileKind kind{"SBTRIAGE", "a triage model", 2, ""};
  const auto sealed = encode_model(data);
  std::string payload(open_file(kind, sealed).value());
  std::uint32_t size = 0;
  std::memcpy(&size, payload.data(), sizeof size);
  const auto begin = payload.find("\"fusion\":[");
  const auto end = payload.find(']', begin);
  const auto last = payload.rfind(',', end);
  ASSERT_LT(begin, last);
  payload.erase(last, end - last);
  size -= static_cast<std::uint32_t>(end - last);
  std::memcpy(payload.data(), &size, sizeof size);
  const auto floats = (data.sentence->weights.size() + data.sentence->biases.size()) * sizeof(float);
  const auto behind = data.sentence->texts.size() + data.sentence->text_labels.size() * sizeof(std::uint16_t);
  payload.erase(payload.size() - behind - floats, floats);
  const auto read = decode_model(seal_file(kind, payload));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::unsupported);
  EXPECT_NE(read.error().detail.find("train it anew"), std::string::npos) << read.error().detail;
}

TEST_F(TierOne, WeightsThatAreNoNumbersAreRefused) {
  auto data = learnt();
  data.sentence->weights[3] = NAN;
  EXPECT_FALSE(decode_model(encode_model(data)));
  data = learnt();
  data.sentence->biases[0] = INFINITY;
  EXPECT_FALSE(decode_model(encode_model(data)));
}

}  // namespace
}  // namespace sb::triage
