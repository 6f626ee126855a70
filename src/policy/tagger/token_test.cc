#include "policy/tagger/token.h"

#include <gtest/gtest.h>

#include <string>

namespace sb::policy::tagger {
namespace {

std::vector<Token> tokens_of(std::string_view text) {
  std::vector<Token> out;
  tokenise(text, out);
  return out;
}

struct ShapeCase {
  const char* text;
  Shape shape;
};

class TokenShapes : public testing::TestWithParam<ShapeCase> {};

TEST_P(TokenShapes, AreReadFromTheLetters) {
  const auto tokens = tokens_of(GetParam().text);
  ASSERT_EQ(tokens.size(), 1U) << GetParam().text;
  EXPECT_EQ(tokens[0].shape, GetParam().shape) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(Cases, TokenShapes,
                         testing::Values(ShapeCase{"street", Shape::lower}, ShapeCase{"Street", Shape::capitalised},
                                         ShapeCase{"Łódź", Shape::capitalised}, ShapeCase{"ŁÓDŹ", Shape::upper},
                                         ShapeCase{"Ολγα", Shape::capitalised}, ShapeCase{"J", Shape::initial},
                                         ShapeCase{"McBride", Shape::mixed}, ShapeCase{"東京", Shape::caseless},
                                         ShapeCase{"10115", Shape::digits5}, ShapeCase{"４１１１", Shape::digits4},
                                         ShapeCase{"221B", Shape::digit_first}, ShapeCase{"NW1", Shape::letter_first},
                                         ShapeCase{"user_id", Shape::identifier}, ShapeCase{"@", Shape::mark},
                                         ShapeCase{"“", Shape::mark}));

TEST(Tokens, CompareWithoutCaseAndAccents) {
  EXPECT_EQ(word_hash("Łódź"), word_hash("lodz"));
  EXPECT_EQ(word_hash("MÜLLER"), word_hash("muller"));
  EXPECT_NE(word_hash("muller"), word_hash("miller"));
  EXPECT_EQ(word_hash("two words"), 0U);
}

TEST(Tokens, KnowTheKeyTheyStandUnder) {
  const auto json = tokens_of(R"({"customer_name": "Ada", "shippingAddress": "x"})");
  for (const auto& token : json) {
    if (token.begin == 19) EXPECT_EQ(token.field, word_hash("name"));
    if (token.begin == 44) EXPECT_EQ(token.field, word_hash("address"));
  }
  EXPECT_EQ(key_hash("last_name"), key_hash("firstName"));
}

TEST(Tokens, CoverInvalidBytesOneByOne) {
  const std::string text = "a\xff\xc3\x28\xf0\x9f\x98 b\xe2\x82";
  std::size_t at = 0;
  for (const auto& token : tokens_of(text)) {
    EXPECT_GE(token.begin, at);
    EXPECT_GT(token.end, token.begin);
    at = token.end;
  }
  EXPECT_EQ(at, text.size());
}

}  // namespace
}  // namespace sb::policy::tagger
