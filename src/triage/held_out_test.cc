#include "triage/held_out.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "triage/testing_data.h"

namespace sb::triage {
namespace {

TEST(HeldOut, AQuarterByContentAndAlwaysTheSame) {
  std::size_t withheld = 0;
  for (int i = 0; i < 4000; ++i) withheld += is_withheld(to_hex(sha256("label " + std::to_string(i))));
  EXPECT_NEAR(static_cast<double>(withheld), 1000, 100);
  EXPECT_TRUE(is_withheld("3f"));
  EXPECT_FALSE(is_withheld("4f"));
  EXPECT_FALSE(is_withheld("a0"));
  EXPECT_FALSE(is_withheld(""));
}

// A model that knows parking against the weights alone: one text under labels that are right for one of the two, and
// `same` texts on which they agree.
Match played(std::size_t won, std::size_t lost, std::size_t same) {
  std::vector<LabelledText> lesson;
  for (const auto* subject : {"car", "van", "bike", "truck", "bus", "boat", "cart", "coach"})
    lesson.push_back({std::string("where can i park my ") + subject, "parking"});
  const auto& weights = test_model();
  const auto candidate = weights.with_learnt(learn_beside(weights, lesson, {})->learnt).value();
  const std::string text = "where can i park my car";
  const std::string before(weights.predict(text).intent);
  EXPECT_NE(before, "parking");
  EXPECT_EQ(candidate.predict(text).intent, "parking");
  std::vector<LabelledText> withheld(won, {text, "parking"});
  withheld.resize(won + lost, {text, before});
  withheld.resize(won + lost + same, {"what are your opening hours", "hours"});
  return match(weights, candidate, withheld);
}

TEST(HeldOut, WinsOnlyWhereChanceWouldHardlyHaveItSo) {
  const auto five = played(5, 0, 10);
  EXPECT_EQ(five.texts, 15U);
  EXPECT_EQ(five.right, 15U);
  EXPECT_EQ(five.right_before, 10U);
  EXPECT_NEAR(five.chance, 1.0 / 32, 1e-12);
  EXPECT_TRUE(five.wins());
  EXPECT_NEAR(played(4, 0, 0).chance, 1.0 / 16, 1e-12);
  EXPECT_FALSE(played(4, 0, 100).wins()) << "right on four that the other has wrong: one in sixteen by chance";
  EXPECT_NEAR(played(8, 1, 0).chance, 10.0 / 512, 1e-12);
  EXPECT_TRUE(played(8, 1, 0).wins());
  EXPECT_FALSE(played(7, 2, 0).wins());
  EXPECT_FALSE(played(2, 8, 0).wins());
  EXPECT_DOUBLE_EQ(played(0, 0, 20).chance, 1) << "nothing to win";
  EXPECT_FALSE(played(0, 0, 0).wins());
  EXPECT_NEAR(played(600, 400, 0).chance, 1.3642320780330092e-10, 1e-15) << "far out, too";
}

}  // namespace
}  // namespace sb::triage
