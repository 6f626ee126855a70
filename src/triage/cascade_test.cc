#include "triage/cascade.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "triage/answer_faults.h"
#include "triage/router.h"
#include "triage/testing_verifier.h"

namespace sb::triage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string said_again(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

TEST(AnswerFaults, ARefusalStandsAtTheBeginning) {
  for (const std::string_view text :
       {"I'm sorry, but I can't help with that.", "As an AI language model, I don\xe2\x80\x99t have access to that.",
        "I do not know.", "  Unfortunately I am unable to look that up.", "Das wei\xc3\x9f ich nicht."})
    EXPECT_TRUE(refuses(text)) << text;
  for (const std::string_view text : {"I'm sorry to hear that your card is lost. Block it in the app.", "",
                                      "Open the app and tap Cards. If you cannot answer the question, ask a colleague.",
                                      "Hi, I know how to do that: tap Cards."})
    EXPECT_FALSE(refuses(text)) << text;
  EXPECT_FALSE(refuses(said_again("Tap on Cards. ", 30) + "I don't know.")) << "far behind its beginning";
}

TEST(AnswerFaults, AWrongSumIsSeenAndARightOneIsNot) {
  EXPECT_TRUE(miscalculates("12 * 17 = 214 euros"));
  EXPECT_FALSE(miscalculates("12 * 17 = 204 euros, and 204 / 3 = 68"));
  EXPECT_FALSE(miscalculates("Your balance = 300"));
}

TEST(AnswerFaults, GoingRoundInCirclesIsSeen) {
  EXPECT_TRUE(repeats_itself("Sure. " + said_again("the card is the card of ", 6)));
  EXPECT_TRUE(repeats_itself("Well, " + said_again("no ", 40)));
  EXPECT_TRUE(repeats_itself(said_again("1. Please contact our support team.\n", 6) + "Thanks!")) << "not at its end";
  std::string numbered;
  for (int i = 1; i < 8; ++i) numbered += std::to_string(i) + ". Please open the app and log in.\n";
  EXPECT_TRUE(repeats_itself(numbered));
  for (const std::string& text :
       {std::string("Ha ha ha ha, that was a good one."), said_again("-", 200), said_again("0, ", 80),
        std::string("| a | b |\n| --- | --- |\n| 1 | 2 |\n| 1 | 3 |\n| 1 | 4 |"), std::string(),
        std::string("Open the app. Tap Cards. Tap the card that you miss. Tap Block. Order a new one there.")})
    EXPECT_FALSE(repeats_itself(text)) << text;
  EXPECT_FALSE(repeats_itself(said_again("\xff\xfe", 3)));
}

TEST(Cascade, EveryFaultIsAVetoByItsName) {
  using enum AnswerFault;
  const struct {
    SmallAnswer answer;
    std::vector<AnswerFault> found;
  } cases[] = {{{.prompt = "q", .text = kPlain}, {}},
               {{.prompt = "q", .text = " \n"}, {empty}},
               {{.prompt = "q", .calls_tools = true}, {}},
               {{.prompt = "q", .refuses = true}, {refused}},
               {{.prompt = "q", .text = "Because the", .cut = true}, {cut}},
               {{.prompt = "q", .text = "I cannot answer that: 2 + 2 = 5"}, {refused, arithmetic}},
               {{.prompt = "q", .text = "{}", .misformed = true}, {schema}},
               {{.prompt = "q", .misformed = true, .withheld = true}, {schema}}};
  for (const auto& [answer, found] : cases) {
    const auto verdict = verify(Cascade{}, answer);
    EXPECT_EQ(verdict.found, found) << answer.text;
    EXPECT_EQ(verdict.accepted(), found.empty());
    EXPECT_FALSE(verdict.gain);
  }
  Cascade sums_alone{.checks = {arithmetic}};
  EXPECT_TRUE(verify(sums_alone, {.prompt = "q", .cut = true}).accepted());
  for (const auto fault : all_answer_faults()) EXPECT_EQ(answer_fault_from(to_string(fault)), fault);
}

Cascade with_verifier(double gain_over) {
  return {.verifier = test_verifier(), .gain_over = gain_over};
}

TEST(Cascade, AGainBeyondTheLimitIsADoubtAndNoVeto) {
  const auto hedged = verify(with_verifier(0.5), {.prompt = "where?", .text = kHedged});
  const auto plain = verify(with_verifier(0.5), {.prompt = "where?", .text = kPlain});
  ASSERT_TRUE(hedged.gain && plain.gain);
  EXPECT_GT(*hedged.gain, *plain.gain + 0.3);
  EXPECT_TRUE(hedged.doubtful());
  EXPECT_FALSE(hedged.accepted());
  EXPECT_FALSE(hedged.vetoed());
  EXPECT_TRUE(plain.accepted());
  EXPECT_TRUE(verify(with_verifier(1), {.prompt = "where?", .text = kHedged}).accepted());
  auto kept = hedged;
  kept.kept = true;
  EXPECT_TRUE(kept.accepted()) << "nobody else could be asked";
}

TEST(Cascade, WhatIsOnRecordIsReadBackAndHoldsNoWordOfTheAnswer) {
  for (const std::string_view text : {kHedged, kPlain, std::string_view("I cannot answer that: 2 + 2 = 5")}) {
    const auto verdict = verify(with_verifier(0.1 + 0.2), {.prompt = "violet canary", .text = text, .cut = true});
    const auto record = std::string(record_of(verdict, "0123456789abcdef").text());
    EXPECT_EQ(record.find("depends"), std::string::npos);
    EXPECT_EQ(record.find("canary"), std::string::npos);
    const auto again = read_verdict(*parse_json(record));
    ASSERT_TRUE(again) << again.error().detail;
    EXPECT_EQ(record_of(*again, "0123456789abcdef").text(), record);
    EXPECT_EQ(again->gain, verdict.gain) << "to the last bit";
  }
  EXPECT_FALSE(read_verdict(*parse_json(R"({"kind":"verify","chosen":"accept","found":["cut"],"looked":["cut"]})")))
      << "accepted in spite of a veto";
  EXPECT_FALSE(read_verdict(*parse_json(R"({"kind":"verify","chosen":"accept","found":["new"],"looked":[]})")));
  EXPECT_FALSE(read_verdict(*parse_json(R"({"kind":"route","chosen":"accept","found":[],"looked":[]})")));
  EXPECT_FALSE(read_verdict(
      *parse_json(R"({"kind":"verify","chosen":"accept","found":[],"looked":[],"gain":"x","threshold":"1"})")));
}

TEST(Cascade, AnotherLimitIsDecidedFromTheRecordAlone) {
  using enum AnswerFault;
  const auto hedged = verify(with_verifier(0.5), {.prompt = "where?", .text = kHedged});
  EXPECT_TRUE(verify_again(with_verifier(1), hedged)->accepted());
  EXPECT_FALSE(
      verify_again(with_verifier(-1), verify(with_verifier(0.5), {.prompt = "q", .text = kPlain}))->accepted());
  EXPECT_EQ(verify_again(with_verifier(0.5), hedged)->gain, hedged.gain);
  const auto unlearnt = verify(Cascade{}, {.prompt = "q", .text = kPlain});
  EXPECT_EQ(verify_again(with_verifier(0.5), unlearnt).error(), Unverified::other_verifier);
  const auto few = verify(Cascade{.checks = {cut}}, {.prompt = "q", .text = kPlain});
  EXPECT_EQ(verify_again(Cascade{}, few).error(), Unverified::not_looked);
  EXPECT_TRUE(verify_again(Cascade{.checks = {cut}}, few)->accepted());
  const auto vetoed = verify(Cascade{.checks = {cut}}, {.prompt = "q", .text = kPlain, .cut = true});
  EXPECT_FALSE(verify_again(with_verifier(1), vetoed)->accepted()) << "a veto is one, whoever else would look";
  EXPECT_TRUE(verify_again(Cascade{.checks = {refused}, .verifier = nullptr},
                           verify(Cascade{}, {.prompt = "q", .text = kPlain, .cut = true}))
                  ->accepted());
}

TEST(CascadeDocument, SaysWhatIsLookedFor) {
  using enum AnswerFault;
  const auto router = [](std::string_view cascade) {
    return Router::from_text("version: 1\n" + std::string(cascade), "triage.yaml", std::nullopt, test_verifier());
  };
  EXPECT_EQ((*router(""))->cascade(), nullptr);
  ASSERT_NE((*router("cascade: {}"))->cascade(), nullptr);
  EXPECT_EQ((*router("cascade: {}"))->cascade()->checks, all_answer_faults());
  EXPECT_EQ((*router("cascade: {verifier: v.sbo}"))->cascade()->gain_over, 0.5) << "the file's own";
  EXPECT_EQ((*router("cascade: {verifier: v.sbo, gain_over: 0.25}"))->cascade()->gain_over, 0.25);
  EXPECT_THAT((*router("cascade: {checks: [repeats, cut]}"))->cascade()->checks, ElementsAre(cut, repeats));
  EXPECT_THAT((*router("cascade: {verifier: v.sbo, checks: []}"))->cascade()->checks, IsEmpty());
  const auto fault = [&](std::string_view cascade) { return router(cascade).error().detail; };
  EXPECT_THAT(fault("cascade: {checks: [repeat]}"), HasSubstr("triage.yaml:2:20: checks: \"repeat\" is not one of"));
  EXPECT_THAT(fault("cascade: {checks: [repeat]}"), HasSubstr("did you mean \"repeats\"?"));
  EXPECT_THAT(fault("cascade: {checks: [cut, cut]}"), HasSubstr("twice"));
  EXPECT_THAT(fault("cascade: {gain_over: 0.5}"), HasSubstr("needs a \"verifier\""));
  EXPECT_THAT(fault("cascade: {verifier: v.sbo, gain_over: 2}"), HasSubstr("from -1 to 1"));
  EXPECT_THAT(fault("cascade: {checks: []}"), HasSubstr("nothing would be looked at"));
  EXPECT_THAT(fault("cascade: {verifer: v.sbo}"), HasSubstr("did you mean \"verifier\"?"));
}

}  // namespace
}  // namespace sb::triage
