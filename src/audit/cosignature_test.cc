#include "audit/cosignature.h"

#include <gtest/gtest.h>

#include "audit/witness_testing.h"

namespace sb::audit {
namespace {

using testing::test_head;
using testing::TestWitness;

TEST(Cosignature, OfAnotherWitnessIsPassedOverAndOfThisOneIsVerified) {
  const TestWitness one("one.example");
  const TestWitness two("two.example", 'x');
  const std::string note = test_head(7) + two.cosign(test_head(7), 99) + one.cosign(test_head(7), 1'700'000'000);
  const auto found = one.key().find(note);
  ASSERT_TRUE(found && *found) << (found ? "none" : found.error().detail);
  EXPECT_EQ((*found)->time, 1'700'000'000U);
  EXPECT_EQ((*found)->line, one.cosign(note, 1'700'000'000));
  EXPECT_FALSE(*TestWitness("three.example").key().find(note)) << "the same key under another name";
}

TEST(Cosignature, AnyChangedByteOfHeadTimeOrSignatureIsNoticed) {
  const TestWitness witness("one.example");
  const std::string note = test_head(7) + witness.cosign(test_head(7), 1'700'000'000);
  const WitnessKey key = witness.key();
  ASSERT_TRUE(*key.find(note));
  const std::size_t own_line = note.find("one.example");
  for (std::size_t i = 0; i < note.size() - 1; ++i) {
    if (i >= test_head(7).find("\n\n") && i < own_line) continue;  // the log's signature is another's
    std::string changed = note;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    const auto found = key.find(changed);
    EXPECT_FALSE(found && *found) << "byte " << i;
  }
}

TEST(Cosignature, WithoutATimeIsNone) {
  const TestWitness witness("one.example");
  EXPECT_FALSE(witness.key().find(test_head(7) + witness.cosign(test_head(7), 0)));
  EXPECT_FALSE(witness.key().find(test_head(7) + witness.cosign(test_head(7), std::uint64_t{1} << 63)));
}

TEST(Cosignature, AKeyOfALogIsNoWitnessKeyAndTheOtherWayRound) {
  const std::string log = testing::test_log().verifier().to_string();
  EXPECT_FALSE(WitnessKey::parse(log));
  const std::string witness = TestWitness("one.example").key().to_string();
  EXPECT_TRUE(WitnessKey::parse(witness));
  EXPECT_FALSE(NoteVerifier::parse(witness));
}

TEST(Quorum, CountsEachWitnessOnceAndAFalseCosignatureCountsForNone) {
  const TestWitness one("one.example");
  const TestWitness two("two.example", 'x');
  const std::string twice = test_head(7) + one.cosign(test_head(7), 5) + one.cosign(test_head(7), 6);
  EXPECT_TRUE(check_quorum(twice, {{one.key(), two.key()}, 1}));
  const auto few = check_quorum(twice, {{one.key(), two.key()}, 2});
  ASSERT_FALSE(few);
  EXPECT_EQ(few.error().code, Errc::corrupt);
  EXPECT_EQ(few.error().detail, "tree head: cosigned by 1 of the 2 witnesses given, the quorum is 2");
  const auto both = check_quorum(twice + two.cosign(test_head(7), 8), {{one.key(), two.key()}, 2});
  ASSERT_TRUE(both);
  EXPECT_EQ(*both, (Cosigners{{"one.example", 5}, {"two.example", 8}}));
  // Over another head: no cosignature, and no reason to doubt the others.
  const std::string with_false = twice + two.cosign(test_head(8), 8);
  EXPECT_EQ(check_quorum(with_false, {{one.key(), two.key()}, 1}).value(), (Cosigners{{"one.example", 5}}));
  EXPECT_FALSE(check_quorum(with_false, {{one.key(), two.key()}, 2}));
}

// The example of the specification, with its proof shortened.
TEST(AddCheckpoint, IsTheBodyOfTheSpecification) {
  Digest hash;
  const auto bytes = from_base64("PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=");
  std::copy(bytes->begin(), bytes->end(), hash.begin());
  EXPECT_EQ(add_checkpoint_body(20852014, {{hash}}, "example.com/behind-the-sofa\n"),
            "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\nexample.com/behind-the-sofa\n");
  EXPECT_EQ(add_checkpoint_body(0, {}, "x\n"), "old 0\n\nx\n");
}

TEST(AddCheckpoint, AToldSizeIsOneNumberOnALine) {
  EXPECT_EQ(told_size("20852014\n"), 20852014U);
  EXPECT_EQ(told_size("0\n"), 0U);
  for (const char* bad : {"", "\n", "5", "5\n\n", " 5\n", "-1\n", "5 leaves\n", "99999999999999999999\n"})
    EXPECT_FALSE(told_size(bad)) << bad;
}

}  // namespace
}  // namespace sb::audit
