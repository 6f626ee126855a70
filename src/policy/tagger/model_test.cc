#include "policy/tagger/model.h"

#include <gtest/gtest.h>

#include "policy/tagger/tagger_detector.h"

namespace sb::policy::tagger {
namespace {

ModelData small_model() {
  ModelData data;
  data.row_bits = 4;
  data.scale = 0.01F;
  data.weights.assign(16 * kLabels, 1);
  data.slope.fill(1);
  const std::pair<std::uint32_t, std::uint8_t> words[] = {{word_hash("anna"), kForename}, {word_hash("rome"), kCity}};
  data.gazetteer = Gazetteer::build(words);
  data.provenance = "{}";
  return data;
}

TEST(WeightsFile, ReadsBackWhatWasWritten) {
  const auto data = small_model();
  const auto again = read_model(write_model(data), "w");
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->weights, data.weights);
  EXPECT_EQ(again->gazetteer, data.gazetteer);
  EXPECT_EQ(again->provenance, data.provenance);
  EXPECT_EQ(Gazetteer(again->gazetteer).find(word_hash("Anna")), kForename);
  EXPECT_EQ(Gazetteer(again->gazetteer).find(word_hash("Paris")), 0);
}

std::string refusal(std::string bytes) {
  const auto read = read_model(bytes, "my.bin");
  EXPECT_FALSE(read.has_value());
  return read ? "" : read.error().detail;
}

TEST(WeightsFile, IsRefusedByNameWhateverIsWrongWithIt) {
  const auto good = write_model(small_model());
  EXPECT_EQ(refusal(""), "my.bin: not a tagger's weights file");
  EXPECT_EQ(refusal("PK\3\4 something else entirely"), "my.bin: not a tagger's weights file");
  EXPECT_EQ(refusal(good.substr(0, good.size() - 1)), "my.bin: truncated or changed: its SHA-256 does not match");
  EXPECT_EQ(refusal(good.substr(0, 20)), "my.bin: truncated");
  auto other = good;
  other[8] = 99;
  EXPECT_NE(refusal(other).find("weights of version 99"), std::string::npos);
}

TEST(WeightsFile, IsRefusedForAnyChangedByte) {
  const auto good = write_model(small_model());
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto changed = good;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    EXPECT_FALSE(read_model(changed, "w").has_value()) << i;
  }
}

TEST(WeightsFile, IsRefusedWhenItsListHasNoEnd) {
  auto data = small_model();
  for (auto& slot : data.gazetteer) slot |= 0x100;
  EXPECT_NE(refusal(write_model(data)).find("contradict"), std::string::npos);
}

// What the program does not check at its start.
TEST(ShippedWeights, AreTheFileThatWasWrittenAndAreReadWhereTheyLie) {
  const auto read = read_model(shipped_tagger_weights(), "built-in weights");
  ASSERT_TRUE(read.has_value()) << read.error().detail;
  EXPECT_FALSE(read->provenance.empty());
  const auto view = view_model(shipped_tagger_weights(), "built-in weights");
  ASSERT_TRUE(view.has_value()) << view.error().detail;
  EXPECT_TRUE(std::ranges::equal(view->weights, read->weights));
  EXPECT_TRUE(std::ranges::equal(view->gazetteer, read->gazetteer));
  EXPECT_EQ(view->rest.slope, read->slope);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(view->weights.data()) % kLabels, 0U) << "a row is in one cache line";
}

TEST(Marginal, AgreesWithCountingAllLabellings) {
  std::array<Scores, kLabels> next{};
  std::array<Scores, 3> chain{};
  unsigned value = 1;
  for (auto& row : next) {
    for (auto& x : row) x = static_cast<float>(value = value * 1103515245U % 97U + 1) / 50;
  }
  for (auto& row : chain) {
    for (auto& x : row) x = static_cast<float>(value = value * 1103515245U % 97U + 1) / 97;
  }
  for (std::size_t at = 0; at < 3; ++at) {
    std::array<double, kLabels> sum{};
    double total = 0;
    for (std::size_t a = 0; a < kLabels; ++a) {
      for (std::size_t b = 0; b < kLabels; ++b) {
        for (std::size_t c = 0; c < kLabels; ++c) {
          const double p = double{chain[0][a]} * next[a][b] * chain[1][b] * next[b][c] * chain[2][c];
          sum[at == 0 ? a : at == 1 ? b : c] += p;
          total += p;
        }
      }
    }
    const std::array<const Scores*, 3> links = {&chain[0], &chain[1], &chain[2]};
    const Scores got = marginal(links, at, Transitions(next));
    for (std::size_t l = 0; l < kLabels; ++l) EXPECT_NEAR(got[l], sum[l] / total, 1e-5);
  }
}

}  // namespace
}  // namespace sb::policy::tagger
