// What a stream holds while it waits for its next piece, as the heap tells: a server has thousands of them.
#include <gtest/gtest.h>
#include <malloc.h>

#include <memory>
#include <string>
#include <vector>

#include "policy/stream_guard.h"
#include "policy/test_policies.h"

namespace sb::policy {
namespace {

// Bytes in use, with what the allocator adds. Only malloc of glibc tells.
std::size_t heap_bytes() {
  return mallinfo2().uordblks;
}

struct Unit {
  const char* name;
  std::string text;
  std::size_t most;  // bytes a stream of it may hold
};

// The state of many streams at once, each fed piece by piece: what the thread lends them counts once.
std::size_t bytes_per_stream(const Policy& policy, const std::string& unit) {
  constexpr std::size_t kStreams = 200;
  TokenVault vault;
  auto context = test::context_for(vault);
  std::string text;
  while (text.size() < 4000) text += unit;
  std::vector<std::unique_ptr<StreamGuard>> streams;
  streams.reserve(kStreams);
  {  // the thread's own memory grows first
    StreamGuard first(policy, context);
    for (std::size_t at = 0; at < text.size(); at += 5) EXPECT_TRUE(first.feed(text.substr(at, 5)));
  }
  const std::size_t before = heap_bytes();
  for (std::size_t i = 0; i < kStreams; ++i) {
    streams.push_back(std::make_unique<StreamGuard>(policy, context));
    for (std::size_t at = 0; at < text.size(); at += 5) EXPECT_TRUE(streams.back()->feed(text.substr(at, 5)));
  }
  return (heap_bytes() - before) / kStreams;
}

TEST(StreamState, IsBoundedForEveryText) {
  const auto policy = test::load("{name: look, version: 1, rules: [{types: [SECRET], action: redact}]}");
  ASSERT_TRUE(policy);
  if (heap_bytes() == 0) GTEST_SKIP() << "another allocator";
  const Unit units[] = {
      {"prose", "The meeting of the group was moved to a later hour and nobody minded it much. ", 1024},
      {"full-width digits", "\xef\xbc\x94", 1536},
      {"percent", "%34", 1536},
      {"JSON escapes", "\\u0034", 2560},
      {"zero width", "4\xe2\x80\x8b\xe2\x80\x8b\xe2\x80\x8b", 2560},
      {"HTML escapes", "&#000052;", 2560}};
  for (const auto& unit : units) EXPECT_LE(bytes_per_stream(*policy, unit.text), unit.most) << unit.name;
}

}  // namespace
}  // namespace sb::policy
