#include "kafka/offset_tracker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace sb::kafka {
namespace {

TEST(OffsetTracker, CommitsNothingAboveARecordThatIsStillInWork) {
  OffsetTracker offsets;
  for (const std::int64_t offset : {10, 11, 12}) offsets.begin(offset);
  EXPECT_EQ(offsets.done(12), std::nullopt);
  EXPECT_EQ(offsets.done(10), 11);
  EXPECT_EQ(offsets.done(11), 13);
  EXPECT_EQ(offsets.in_work(), 0U);
}

TEST(OffsetTracker, GapsOfATopicThatIsCompactedAreNotWaitedFor) {
  OffsetTracker offsets;
  offsets.begin(3);
  offsets.begin(90);
  EXPECT_EQ(offsets.done(3), 90);
  EXPECT_EQ(offsets.done(90), 91);
}

TEST(OffsetTracker, ARecordThatIsLeftUndoneHoldsTheCommitForEver) {
  OffsetTracker offsets;
  offsets.begin(0);
  for (std::int64_t offset = 1; offset < 100; ++offset) {
    offsets.begin(offset);
    EXPECT_EQ(offsets.done(offset), std::nullopt);
  }
  EXPECT_EQ(offsets.done(0), 100);
}

TEST(OffsetTracker, InWhateverOrderRecordsEndWhatIsCommittedIsDealtWithAndNeverGoesBack) {
  constexpr std::int64_t kRecords = 64;
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    OffsetTracker offsets;
    std::vector<std::int64_t> in_work;
    std::vector<bool> done(kRecords, false);
    std::int64_t next = 0, committed = 0;
    while (next < kRecords || !in_work.empty()) {
      if (next < kRecords && (in_work.empty() || random() % 2 == 0)) {
        in_work.push_back(next);
        offsets.begin(next++);
        continue;
      }
      const auto which = in_work.begin() + static_cast<std::ptrdiff_t>(random() % in_work.size());
      const auto offset = *which;
      in_work.erase(which);
      done[static_cast<std::size_t>(offset)] = true;
      const auto commit = offsets.done(offset);
      if (!commit) continue;
      ASSERT_GT(*commit, committed) << "seed " << seed;
      committed = *commit;
      ASSERT_TRUE(std::all_of(done.begin(), done.begin() + committed, [](bool is) { return is; })) << "seed " << seed;
    }
    EXPECT_EQ(committed, kRecords) << "seed " << seed;
  }
}

}  // namespace
}  // namespace sb::kafka
