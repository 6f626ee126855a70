#include "triage/kept_words.h"

#include <gtest/gtest.h>

namespace sb::triage {
namespace {

struct QuestionPair {
  const char* name;
  std::string_view one, other;
};
std::string pair_name(const testing::TestParamInfo<QuestionPair>& info) {
  return info.param.name;
}

class SameQuestion : public testing::TestWithParam<QuestionPair> {};
TEST_P(SameQuestion, WhoeverAsksItPolitely) {
  EXPECT_EQ(kept_words(GetParam().one), kept_words(GetParam().other));
  EXPECT_NE(kept_words(GetParam().one), "");
}
INSTANTIATE_TEST_SUITE_P(
    Cases, SameQuestion,
    testing::Values(QuestionPair{"polite", "How do I activate my card?", "hi, how can i activate my card please"},
                    QuestionPair{"asked_of_somebody", "what is the exchange rate",
                                 "Can you tell me what the exchange rate is?"},
                    QuestionPair{"contracted", "why isn't my transfer here", "why is not my transfer here"},
                    QuestionPair{"curly_apostrophe", "I can't log in", "i can\u2019t log in"},
                    QuestionPair{"contracted_not", "I cannot log in", "i can't log in"},
                    QuestionPair{"shouted", "WHERE IS MY CARD", "where is my card"},
                    QuestionPair{"begins_with_a_capital", "Cards are lost. Block them", "cards are lost. block them"}),
    pair_name);

class AnotherQuestion : public testing::TestWithParam<QuestionPair> {};
TEST_P(AnotherQuestion, HoweverAlikeItSounds) {
  EXPECT_NE(kept_words(GetParam().one), kept_words(GetParam().other));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, AnotherQuestion,
    testing::Values(QuestionPair{"number", "transfer 50 to savings", "transfer 500 to savings"},
                    QuestionPair{"number_in_words", "transfer fifty to savings", "transfer sixty to savings"},
                    QuestionPair{"decimal", "what is 1.5 percent", "what is 15 percent"},
                    QuestionPair{"sign", "what is -5 plus 3", "what is 5 plus 3"},
                    QuestionPair{"currency", "exchange rate for EUR", "exchange rate for USD"},
                    QuestionPair{"currency_in_words", "exchange rate of the euro", "exchange rate of the dollar"},
                    QuestionPair{"currency_sign", "is $50 enough", "is \u20ac50 enough"},
                    QuestionPair{"order", "change dollars from euros", "change euros from dollars"},
                    QuestionPair{"negated", "is it open", "isn't it open"},
                    QuestionPair{"never", "do you ship to Spain", "do you never ship to Spain"},
                    QuestionPair{"without", "pay with a card", "pay without a card"},
                    QuestionPair{"city", "weather in london", "weather in paris"},
                    QuestionPair{"nobody_listed_it", "price of the Zorblax 3000", "price of the Quibbly 3000"},
                    QuestionPair{"product_version", "install c++", "install c#"},
                    QuestionPair{"weekday", "are you open on monday", "are you open on tuesday"},
                    QuestionPair{"date", "my meetings on 3/4", "my meetings on 4/3"},
                    QuestionPair{"day", "will it rain today", "will it rain tomorrow"},
                    QuestionPair{"time", "did the shop open", "will the shop open"},
                    QuestionPair{"interrogative", "why was my card declined", "when was my card declined"},
                    QuestionPair{"what_and_how", "what is a transfer", "how is a transfer"},
                    QuestionPair{"whose", "what is your name", "what is my name"},
                    QuestionPair{"off", "turn on the lights", "turn off the lights"},
                    QuestionPair{"from", "transfer to my account", "transfer from my account"},
                    QuestionPair{"country", "how do i pay us", "how do i pay US"},
                    QuestionPair{"name", "where is Turkey", "where is turkey"},
                    QuestionPair{"typing_error", "activate my card", "activaet my card"},
                    QuestionPair{"other_language", "wo ist meine Karte", "wo ist deine Karte"},
                    QuestionPair{"quoted", "fix \"the card is lost\"", "fix \"a card is lost\""},
                    QuestionPair{"translated", "translate can you help me", "translate i can help"},
                    QuestionPair{"spelt", "how do you spell please", "how do you spell hello"},
                    QuestionPair{"code", "what is {i}", "what is {my}"},
                    QuestionPair{"lines", "which is longer\nthe", "which is longer\na"}),
    pair_name);

TEST(KeptWords, ThereAreNoneInMereCourtesy) {
  for (const std::string_view text : {"", "hi", "thank you", "hi, could you tell me please", "?!", "I'm"})
    EXPECT_EQ(kept_words(text), "") << text;
}

}  // namespace
}  // namespace sb::triage
