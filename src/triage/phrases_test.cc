#include "triage/phrases.h"

#include <gtest/gtest.h>

#include <random>

#include "triage/router_config.h"

namespace sb::triage {
namespace {

TEST(PhraseIndex, FindsWholeWordsOnly) {
  PhraseIndex index;
  index.add(normalise_phrase("going to sue"), 0);
  index.add(normalise_phrase("going"), 1);
  index.add(normalise_phrase("lawyer"), 2);
  const auto found = [&](std::string_view text) { return index.find(normalise_phrase(text)); };
  EXPECT_EQ(found("I'm GOING to sue, you know"), std::vector<bool>({true, true, false}));
  EXPECT_EQ(found("going to sued; lawyers"), std::vector<bool>({false, true, false}));
  EXPECT_EQ(found("ask my lawyer"), std::vector<bool>({false, false, true}));
  EXPECT_EQ(found(""), std::vector<bool>({false, false, false}));
  EXPECT_TRUE(PhraseIndex().find(" a ").empty());
}

TEST(PhraseIndex, FindsWhatASearchForEachPhraseFinds) {
  std::mt19937 random(7);
  const auto words = [&](std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) (text += static_cast<char>('a' + random() % 3)) += ' ';
    return normalise_phrase(text);
  };
  for (int round = 0; round < 500; ++round) {
    PhraseIndex index;
    std::vector<std::string> phrases;
    for (std::size_t i = 0; i < 8; ++i) index.add(phrases.emplace_back(words(1 + random() % 4)), i);
    const auto text = words(random() % 12);
    const auto found = index.find(text);
    for (std::size_t i = 0; i < phrases.size(); ++i) {
      EXPECT_EQ(found[i], text.find(phrases[i]) != std::string::npos) << text << phrases[i];
    }
  }
}

}  // namespace
}  // namespace sb::triage
