#include "keys/lineage.h"

#include <gtest/gtest.h>

#include <vector>

namespace sb {
namespace {

/// root -> anna -> (annas, script -> job); root -> bob -> bobs; other
class Lineage : public testing::Test {
 protected:
  KeyId add(std::optional<KeyId> maker) {
    KeyRecord record;
    record.id = KeyId::generate(system_clock(), entropy_);
    record.made_by = maker;
    keys_.push_back(record);
    return record.id;
  }
  bool one(KeyId a, KeyId b) const {
    const bool same = may_be_one_person(keys_, a, b);
    EXPECT_EQ(same, may_be_one_person(keys_, b, a));
    return same;
  }

  SeededEntropy entropy_{7};
  std::vector<KeyRecord> keys_;
  const KeyId root_ = add({});
  const KeyId anna_ = add(root_), annas_ = add(anna_), script_ = add(anna_), job_ = add(script_);
  const KeyId bob_ = add(root_), bobs_ = add(bob_);
  const KeyId other_ = add({});
};

TEST_F(Lineage, WhoMadeAKeyMayHoldIt) {
  EXPECT_TRUE(one(anna_, anna_));
  EXPECT_TRUE(one(anna_, annas_));
  EXPECT_TRUE(one(anna_, job_)) << "over another";
  EXPECT_TRUE(one(root_, bobs_)) << "the first key made them all";
}

TEST_F(Lineage, KeysOfOneMakerMayBeOnePersons) {
  EXPECT_TRUE(one(annas_, job_));
  EXPECT_TRUE(one(script_, annas_));
}

TEST_F(Lineage, WhomTheFirstKeyLetInIsSomebodyElse) {
  EXPECT_FALSE(one(anna_, bob_));
  EXPECT_FALSE(one(job_, bobs_));
  EXPECT_FALSE(one(other_, root_));
  EXPECT_FALSE(one(other_, annas_));
}

TEST_F(Lineage, ACircleEnds) {
  keys_[0].made_by = bobs_;
  EXPECT_TRUE(one(root_, bobs_));
}

}  // namespace
}  // namespace sb
