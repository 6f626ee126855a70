#include "triage/encoder/encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "triage/encoder/testing_encoder.h"
#include "triage/encoder/wordpiece.h"

namespace sb::triage {
namespace {

constexpr const char* kVocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nwhere\nis\nmy\ncard\n##s\n?\ncafe\n'\nun\n##known\n";

using testing_parts::normal;
using testing_parts::random_layer;

EncoderData small_encoder() {
  return testing_encoder(kVocabulary);
}

std::vector<float> vector_of(const Encoder& encoder, std::string_view text) {
  Encoding out;
  encoder.encode(text, out);
  return out.vector;
}

struct WordsCase {
  const char* name;
  std::string_view text;
  std::vector<std::uint32_t> ids;
};
class Words : public testing::TestWithParam<WordsCase> {};
TEST_P(Words, AreSplitAsTheEncoderLearntThem) {
  const auto words = WordPiece::from_vocabulary(kVocabulary);
  ASSERT_TRUE(words);
  Pieces out;
  words->split(GetParam().text, 16, out);
  EXPECT_EQ(out.ids, GetParam().ids);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, Words,
    testing::Values(WordsCase{"plain", "Where is my card?", {2, 4, 5, 6, 7, 9, 3}},
                    WordsCase{"pieces_inside_a_word", "CARDS unknown", {2, 7, 8, 12, 13, 3}},
                    WordsCase{"accents_are_off", "Caf\xc3\xa9 CAF\xc3\x89 cafe\xcc\x81", {2, 10, 10, 10, 3}},
                    WordsCase{"unknown_word", "xyz my", {2, 1, 6, 3}}, WordsCase{"empty", "", {2, 3}},
                    WordsCase{"broken_utf8", "my\xff\xc3 card", {2, 6, 7, 3}},
                    WordsCase{"control_characters", std::string_view("m\0y\x07", 4), {2, 6, 3}}),
    [](const auto& info) { return info.param.name; });

TEST(Words, StopAtTheLimitAndSaySo) {
  const auto words = WordPiece::from_vocabulary(kVocabulary);
  ASSERT_TRUE(words);
  Pieces out;
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "my card ";
  words->split(text, 8, out);
  EXPECT_EQ(out.ids.size(), 8U);
  EXPECT_TRUE(out.truncated);
  words->split("my card", 8, out);
  EXPECT_FALSE(out.truncated);
}

TEST(Int8Gemm, KernelsGiveTheSameBitsAndTheRightProduct) {
  std::mt19937 rng(3);
  const auto layer = random_layer(rng, 96, 64);
  const Int8Layer packed(layer.weights, layer.scales, layer.biases);
  for (std::size_t rows : {1U, 2U, 3U, 7U, 8U, 9U, 17U, 31U}) {
    const auto input = normal(rng, rows * 96, 1.0F);
    std::vector<float> plain(rows * 64);
    std::vector<float> best(rows * 64);
    for (auto [kernel, out] : {std::pair{Int8Gemm::Kernel::avx2, &plain}, {Int8Gemm::best(), &best}}) {
      Int8Gemm gemm(kernel);
      gemm.quantise(input.data(), rows, 96);
      gemm.multiply(packed, out->data());
    }
    EXPECT_EQ(plain, best);
    for (std::size_t at = 0; at < plain.size(); ++at) {
      double exact = layer.biases[at % 64];
      for (std::size_t k = 0; k < 96; ++k)
        exact += static_cast<double>(input[at / 64 * 96 + k]) * layer.weights[at % 64 * 96 + k] * 0.002;
      ASSERT_NEAR(plain[at], exact, 0.15);
    }
  }
}

TEST(Encoder, IsTheSameOnEveryKernelAndAfterTheFile) {
  const auto data = small_encoder();
  const auto read = decode_encoder(encode_encoder(data));
  ASSERT_TRUE(read) << read.error().detail;
  const auto best = Encoder::from_data(data, "a");
  const auto plain = Encoder::from_data(*read, "a", Int8Gemm::Kernel::avx2);
  ASSERT_TRUE(best && plain);
  EXPECT_EQ(best->dimension(), 64U);
  for (std::string_view text : {"", "where is my card?", "unknown cards cards cards cards cards cards"}) {
    EXPECT_EQ(vector_of(*best, text), vector_of(*plain, text)) << text;
  }
  EXPECT_NE(vector_of(*best, "my card"), vector_of(*best, "card my")) << "order does not matter to it";
}

TEST(Encoder, InTwoStepsSaysWhatItSaysInOne) {
  constexpr int kBlocks = 6;
  const auto encoder = Encoder::from_data(testing_encoder(vocabulary_of_letters(), kBlocks), "a");
  ASSERT_TRUE(encoder);
  const auto whole = vector_of(*encoder, "where is my card?");
  for (std::size_t first = 1; first <= kBlocks; ++first) {
    Encoding out;
    encoder->begin("where is my card?", first, out);
    EXPECT_EQ(out.blocks, first);
    EXPECT_EQ(out.vector.size(), encoder->dimension(first));
    // The first blocks alone are an encoder of their own.
    const auto alone = Encoder::from_data(testing_encoder(vocabulary_of_letters(), static_cast<int>(first)), "a");
    EXPECT_EQ(out.vector, vector_of(*alone, "where is my card?")) << first;
    vector_of(*encoder, "another text, and a longer one, on the same thread");
    encoder->go_on(out);
    EXPECT_EQ(out.vector, whole) << first;
  }
}

TEST(Encoder, TakesAnyBytesInBoundedSpace) {
  const auto encoder = Encoder::from_data(small_encoder(), "a");
  ASSERT_TRUE(encoder);
  std::mt19937 rng(11);
  for (int i = 0; i < 200; ++i) {
    std::string text(static_cast<std::size_t>(rng() % 3000), ' ');
    for (auto& c : text) c = static_cast<char>(rng());
    Encoding out;
    encoder->encode(text, out);
    ASSERT_LE(out.pieces, kMaxPieces);
    for (const float value : out.vector) ASSERT_TRUE(std::isfinite(value));
  }
}

TEST(Encoder, RefusesDamagedFiles) {
  const auto good = encode_encoder(small_encoder());
  const auto code = [](std::string_view bytes) {
    const auto data = decode_encoder(bytes);
    return data ? Errc::internal : data.error().code;
  };
  EXPECT_EQ(code(""), Errc::corrupt);
  EXPECT_EQ(code("SBTRIAGE" + good.substr(8)), Errc::corrupt);
  EXPECT_EQ(code(good.substr(0, good.size() - 1)), Errc::corrupt);
  auto changed = good;
  changed[good.size() / 2] = static_cast<char>(changed[good.size() / 2] ^ 1);
  EXPECT_EQ(code(changed), Errc::corrupt);
  auto newer = good;
  newer[8] = 9;
  EXPECT_EQ(code(newer), Errc::unsupported);
}

}  // namespace
}  // namespace sb::triage
