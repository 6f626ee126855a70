#include "policy/detect/context.h"

#include <gtest/gtest.h>

#include <string>

namespace sb::policy {
namespace {

std::uint64_t topics_alone(std::string_view word) {
  return topics_of(word, 0, word.size());
}

TEST(TellingWords, AreKnownInAnyCaseAndInCompounds) {
  EXPECT_EQ(topics_alone("SSN"), topics_alone("ssn"));
  EXPECT_NE(topics_alone("Ssn") & topic::national, 0U);
  EXPECT_NE(topics_alone("Burgerservicenummer") & topic::nl, 0U);
  EXPECT_EQ(topics_alone("Ausweisnummer"), topics_alone("ausweis"));
  EXPECT_EQ(topics_alone("accountnumber"), topics_alone("account"));
  EXPECT_EQ(topics_alone("ssm"), 0U);
  EXPECT_EQ(topics_alone("burgerserviceknummer"), 0U);
}

// Words are read eight bytes at once, also those behind them.
TEST(TellingWords, MeanTheSameWhateverStandsAroundThem) {
  for (const std::string word : {"id", "tel", "bank", "phone", "passport", "passeport", "beneficiary", "rekeningnummer",
                                 "Ausweisnummer", "x", "verygood"}) {
    for (const std::string_view behind : {"", "7", " is", ": 4111 1111", "\xc3\xa9, and more"}) {
      for (const std::string_view before : {"", "(", "the long and winding "}) {
        const std::string text = std::string(before) + word + std::string(behind);
        EXPECT_EQ(topics_of(text, before.size(), before.size() + word.size()), topics_alone(word)) << text;
      }
    }
  }
}

// The index reads 64 bytes at a time; a word lies in one piece of them, or across two.
TEST(ContextIndex, FindsTheSameWordsWhereverItsPiecesEnd) {
  constexpr std::string_view kWords = "orderNumber 12 of the patient (NHS 7), Kontonummer ";
  for (std::size_t shift = 0; shift < 140; ++shift) {
    const std::string text = std::string(shift, '.') + std::string(kWords) + "4711";
    ContextIndex index;
    index.reset(text, "");
    const Context asked_once = index.before(text.size() - 4, 96);
    EXPECT_EQ(asked_once.all, ContextIndex::topics_in(kWords)) << shift;
    EXPECT_EQ(asked_once.nearest, topics_alone("konto")) << shift;
    EXPECT_EQ(asked_once.segment, topics_alone("konto")) << shift << ": numbers stand before it";
    index.reset(text, "");
    for (std::size_t at = 0; at < text.size() - 4; at += 7) (void)index.before(at, 96);
    EXPECT_EQ(index.before(text.size() - 4, 96).all, asked_once.all) << shift;
  }
}

}  // namespace
}  // namespace sb::policy
