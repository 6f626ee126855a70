#include "audit/witness.h"

#include <gtest/gtest.h>

#include "audit/witness_testing.h"

namespace sb::audit {
namespace {

using namespace std::chrono_literals;
using testing::test_head;
using testing::test_log;
using testing::TestWitness;
using Verdict = Witness::Verdict;

const TestWitness kOther("two.example", 'x');

class OneWitness : public ::testing::Test {
 protected:
  Verdict hear(std::uint64_t size, int status, std::string_view body) {
    const auto judgement = witness_.heard(test_head(size), size, status, body, now_);
    EXPECT_EQ(judgement.why.empty(), judgement.verdict == Verdict::cosigned || judgement.verdict == Verdict::ask_again);
    return judgement.verdict;
  }
  const TestWitness signer_{"one.example"};
  Witness witness_{signer_.key(), 1s};
  Witness::Time now_{1h};
};

TEST_F(OneWitness, IsAskedForWhatItHasNotCosigned) {
  EXPECT_FALSE(witness_.is_due(0, now_));
  EXPECT_TRUE(witness_.is_due(7, now_));
  EXPECT_EQ(witness_.old_size(), 0U);
  EXPECT_EQ(hear(7, 200, signer_.cosign(test_head(7), 55)), Verdict::cosigned);
  EXPECT_FALSE(witness_.is_due(7, now_));
  EXPECT_TRUE(witness_.is_due(8, now_));
  EXPECT_EQ(witness_.old_size(), 7U);
  EXPECT_EQ(witness_.note(), test_head(7) + signer_.cosign(test_head(7), 55));
  EXPECT_EQ(witness_.cosignature().time, 55U);
}

TEST_F(OneWitness, AnswersAmongOthersLinesAreFound) {
  EXPECT_EQ(hear(7, 200, kOther.cosign(test_head(7), 1) + signer_.cosign(test_head(7), 55)), Verdict::cosigned);
  EXPECT_EQ(witness_.note(), test_head(7) + signer_.cosign(test_head(7), 55)) << "and only its own is kept";
}

TEST_F(OneWitness, AnAnswerThatDoesNotVerifyIsAFailureAndKeepsNothing) {
  for (const std::string& body :
       {std::string(), std::string("ok\n"), kOther.cosign(test_head(7), 1), signer_.cosign(test_head(8), 1),
        std::string(70'000, 'x'),
        // Of a longer text that its answer would make of the note.
        "\nanother statement\n\n" + signer_.cosign(test_head(7) + "\nanother statement\n\n", 1)}) {
    EXPECT_EQ(hear(7, 200, body), Verdict::failed) << body.substr(0, 80);
    EXPECT_EQ(witness_.cosigned_size(), 0U);
    EXPECT_TRUE(witness_.note().empty());
  }
  EXPECT_EQ(witness_.failures(), 6U);
  EXPECT_EQ(witness_.refusals(), 0U);
}

TEST_F(OneWitness, AConflictIsAskedAgainFromTheSizeToldOnce) {
  EXPECT_EQ(hear(7, 409, "5\n"), Verdict::ask_again);
  EXPECT_EQ(witness_.old_size(), 5U);
  EXPECT_EQ(hear(7, 200, signer_.cosign(test_head(7), 55)), Verdict::cosigned);
  EXPECT_EQ(hear(9, 409, "8\n"), Verdict::ask_again) << "somebody else asked it meanwhile";
  EXPECT_EQ(hear(9, 409, "6\n"), Verdict::failed) << "this could go on for ever";
  EXPECT_EQ(hear(9, 409, "nine\n"), Verdict::failed);
}

TEST_F(OneWitness, ThatCosignedALongerLogFoundARollback) {
  EXPECT_EQ(hear(7, 409, "8\n"), Verdict::refused);
  EXPECT_EQ(witness_.refusals(), 1U);
  EXPECT_EQ(witness_.failures(), 0U);
}

TEST_F(OneWitness, RefusalsAreToldFromFailures) {
  for (const int status : {403, 404, 422}) EXPECT_EQ(hear(7, status, ""), Verdict::refused) << status;
  for (const int status : {400, 401, 429, 500, 503, 302}) EXPECT_EQ(hear(7, status, ""), Verdict::failed) << status;
  EXPECT_EQ(witness_.not_heard("refused", now_).verdict, Verdict::failed);
  EXPECT_EQ(witness_.refusals(), 3U);
  EXPECT_EQ(witness_.failures(), 7U);
}

TEST_F(OneWitness, InTroubleIsLeftAloneForLongerAndLongerUpToAMinute) {
  for (const auto pause : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    EXPECT_EQ(hear(7, 503, ""), Verdict::failed);
    EXPECT_FALSE(witness_.is_due(7, now_ + pause - 1ms)) << pause.count();
    EXPECT_TRUE(witness_.is_due(7, now_ + pause)) << pause.count();
  }
  for (int i = 0; i < 100; ++i) hear(7, 503, "");
  EXPECT_TRUE(witness_.is_due(7, now_ + 60s));
  EXPECT_EQ(hear(7, 200, signer_.cosign(test_head(7), 55)), Verdict::cosigned);
  EXPECT_TRUE(witness_.is_due(8, now_)) << "all is forgotten";
}

TEST_F(OneWitness, RemembersWhatItCosignedUnderAnEarlierProcess) {
  const std::string kept = test_head(7) + signer_.cosign(test_head(7), 55);
  witness_.remember(kept, test_log().verifier());
  EXPECT_EQ(witness_.old_size(), 7U);
  EXPECT_EQ(witness_.note(), kept);
  EXPECT_FALSE(witness_.is_due(7, now_));
  Witness other(signer_.key(), 1s);
  for (const std::string& foreign :
       {std::string(), std::string("garbage"), test_head(7), test_head(7) + kOther.cosign(test_head(7), 55),
        test_head(7, 't') + signer_.cosign(test_head(7, 't'), 55)}) {
    other.remember(foreign, test_log().verifier());
    EXPECT_EQ(other.old_size(), 0U) << foreign;
  }
}

}  // namespace
}  // namespace sb::audit
