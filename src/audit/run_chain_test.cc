#include "audit/run_chain.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/crypto.h"

namespace sb::audit {
namespace {

std::string hash(const std::string& text) {
  return to_hex(sha256(text));
}

TEST(RunChain, AMissingChangedOrDoubledLeafBreaksItAndWhatOthersRecordDoesNot) {
  const std::string first = hash("\nrun.start\n{\"flow\":\"f\"}\nc0");
  const std::string second = hash(first + "\nstep\n{\"task\":\"a\"}\n");
  const std::vector<std::string> leaves{
      R"({"kind":"run.start","payload_commit":"c0","seq":0,"summary":{"flow":"f"},"time":1})",
      R"({"kind":"step","prev_state":")" + first + R"(","seq":1,"step":0,"summary":{"task":"a"},"time":1})",
      R"({"kind":"record.opened","seq":2,"summary":{"what":"run"},"time":1})",
      R"({"kind":"run.end","prev_state":")" + second + R"(","seq":3,"time":1})",
  };
  const auto continues = [](const std::vector<std::string>& texts) {
    RunChain chain;
    bool all = true;
    for (const std::string& text : texts) all &= chain.take(*parse_leaf(text));
    return all;
  };
  EXPECT_TRUE(continues(leaves));
  EXPECT_TRUE(continues({leaves[0], leaves[1], leaves[3]}));
  EXPECT_FALSE(continues({leaves[0], leaves[3]}));
  EXPECT_FALSE(continues({leaves[1], leaves[3]}));
  EXPECT_FALSE(continues({leaves[0], leaves[0], leaves[1]}));
  EXPECT_FALSE(continues({leaves[0], leaves[1], leaves[1]}));
  std::string changed = leaves[1];
  changed.replace(changed.find("\"a\""), 3, "\"b\"");
  EXPECT_FALSE(continues({leaves[0], changed, leaves[3]}));
}

}  // namespace
}  // namespace sb::audit
