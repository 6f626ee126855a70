#include "audit/timestamps.h"

#include <gtest/gtest.h>

namespace sb::audit {
namespace {

// What a server gives away of the folder: these names, and nothing else that may lie there.
TEST(TimestampFiles, HaveOneNameEach) {
  EXPECT_TRUE(is_timestamp_file(kNewestTimestamp));
  EXPECT_TRUE(is_timestamp_file(stamped_file(700)));
  EXPECT_TRUE(is_timestamp_file(timestamp_file(700)));
  for (const char* other :
       {"timestamp/", "timestamp/0", "timestamp/07", "timestamp/7.tsr.new", "timestamp/newest.new", "timestamp/.tsr",
        "timestamp/../.synced", "timestamp/7/8", "timestamp/99999999999999999999", "checkpoint", "timestamp", ""}) {
    EXPECT_FALSE(is_timestamp_file(other)) << other;
  }
}

}  // namespace
}  // namespace sb::audit
