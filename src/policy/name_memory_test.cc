#include "policy/name_memory.h"

#include <gtest/gtest.h>

#include "policy/json_guard.h"
#include "policy/stream_guard.h"
#include "policy/test_policies.h"

namespace sb::policy {
namespace {

using namespace test;

constexpr std::string_view kNames = R"(
name: names
version: 1
rules:
  - {name: people, types: [PERSON], action: redact, min_score: 0.5}
)";

constexpr std::string_view kIntroduced = "Regards, Priya Venkatesan of the second floor. ";
// Too weak by itself: a word in small letters.
constexpr std::string_view kAgain = "Please tell her and ask lindqvist to sign. Then it goes on, and nothing happens. ";
constexpr std::string_view kFull = "My name is Marta Lindqvist and I live in Oslo. ";

std::string guarded(std::string_view text, Direction direction = Direction::inbound) {
  const auto policy = load(kNames);
  TokenVault vault;
  auto context = context_for(vault, direction);
  return guard_text(*policy, context, text)->text;
}

TEST(NameMemory, SpeaksForWhatStandsBehind) {
  NamesInText names;
  names.remember(7, 100);
  names.remember(7, 300);
  EXPECT_TRUE(names.knows(7, 101));
  EXPECT_FALSE(names.knows(7, 100));
  EXPECT_FALSE(names.knows(8, 101));
  names.remember(9, 400);
  names.settle(400);
  EXPECT_TRUE(names.knows(7, 0)) << "of a text before";
  EXPECT_FALSE(names.knows(9, 500)) << "not decided: it will be found again";
  for (std::uint32_t word = 1000; word < 1000 + 2 * NameMemory::kMaxWords; ++word) names.remember(word, word);
  EXPECT_TRUE(names.knows(1000, 5000));
  EXPECT_FALSE(names.knows(1000 + NameMemory::kMaxWords, 5000)) << "more than it has room for";
}

TEST(NameMemory, ANameIsFoundAgainWhereItWouldNotBeAlone) {
  ASSERT_EQ(guarded(kAgain), kAgain);
  const std::string both = guarded(std::string(kFull) + std::string(kAgain));
  EXPECT_NE(both.find("ask [PERSON] to sign"), std::string::npos) << both;
  // It was named later: nothing is known of it yet.
  const std::string reversed = guarded(std::string(kAgain) + std::string(kFull));
  EXPECT_NE(reversed.find("ask lindqvist to sign"), std::string::npos) << reversed;
}

TEST(NameMemory, OrdinaryWordsThatAreNamesElsewhereStay) {
  const std::string text =
      guarded("My colleague Will Grant wrote to you. Will you grant us a refund? We grant that it is late.");
  EXPECT_EQ(text, "My colleague [PERSON] wrote to you. Will you grant us a refund? We grant that it is late.");
}

TEST(NameMemory, StreamsRememberTheSameHoweverTheyAreCut) {
  const auto policy = load(kNames);
  std::string text;
  for (int i = 0; i < 3; ++i) text.append(kIntroduced).append(kFull).append(kAgain).append("hi venkatesan here. ");
  const std::string whole = guarded(text, Direction::outbound);
  ASSERT_NE(whole.find("ask [PERSON]"), std::string::npos);
  for (std::size_t size = 1; size < 200; ++size) {
    TokenVault vault;
    auto context = context_for(vault, Direction::outbound);
    StreamGuard stream(*policy, context);
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += size) out += *stream.feed(std::string_view(text).substr(at, size));
    out += *stream.finish();
    ASSERT_EQ(out, whole) << "pieces of " << size;
  }
}

TEST(NameMemory, MessagesOfARequestAreOneDocumentAnswersAreNot) {
  const auto policy = load(kNames);
  const auto guarded_json = [&](Direction direction, JsonProfile profile, const std::string& json) {
    TokenVault vault;
    auto context = context_for(vault, direction);
    return guard_json(*policy, context, json, profile)->json;
  };
  const std::string first = R"({"role":"user","content":")" + std::string(kFull) + R"("})";
  const std::string again = R"({"role":"user","content":")" + std::string(kAgain) + R"("})";
  const auto request =
      guarded_json(Direction::inbound, JsonProfile::chat_request, R"({"messages":[)" + first + "," + again + "]}");
  EXPECT_NE(request.find("ask [PERSON] to sign"), std::string::npos) << request;
  // Choices may arrive as streams side by side: what one says must not change another.
  const auto answer =
      guarded_json(Direction::outbound, JsonProfile::chat_response,
                   R"({"choices":[{"index":0,"message":)" + first + R"(},{"index":1,"message":)" + again + "}]}");
  EXPECT_NE(answer.find("ask lindqvist to sign"), std::string::npos) << answer;
}

}  // namespace
}  // namespace sb::policy
