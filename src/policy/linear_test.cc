// What a text costs grows as its length does, whatever it holds: sixteen times the text, sixteen times the work, where
// quadratic work would be 256 times. Processor time of this thread, against itself: no clock on the wall, no limit in
// seconds.
#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <functional>
#include <string>

#include "base/json.h"
#include "policy/chat_stream_guard.h"
#include "policy/json_guard.h"
#include "policy/stream_guard.h"
#include "policy/test_policies.h"

namespace sb::policy {
namespace {

constexpr std::string_view kEverything = R"(
name: everything
version: 1
rules:
  - {name: all, types: ["*"], action: redact, min_score: 0.3}
)";

constexpr std::size_t kTimesMore = 16;
// Between 16 and 256, with room for memory that only the longer text asks the system for.
constexpr double kMostGrowth = 100;

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// The least of three.
double cost_of(const std::function<void()>& work) {
  double least = 1e9;
  for (int i = 0; i < 3; ++i) {
    const double begin = thread_seconds();
    work();
    least = std::min(least, thread_seconds() - begin);
  }
  return least;
}

std::string repeated(std::string_view unit, std::size_t size) {
  std::string text;
  while (text.size() < size) text += unit;
  return text;
}

// How much more `work` of kTimesMore * `size` costs than of `size`.
double growth(std::size_t size, const std::function<void(std::size_t size)>& work) {
  return cost_of([&] { work(kTimesMore * size); }) / cost_of([&] { work(size); });
}

void guard_whole_text(const Policy& policy, std::string_view text) {
  TokenVault vault;
  auto context = test::context_for(vault);
  EXPECT_TRUE(guard_text(policy, context, text));
}

TEST(LinearWork, SixtyFourMegabytesOfDigits) {
  const auto policy = test::load(test::kTokeniseAll);
  const std::string digits(kMaxTextBytes, '7');
  EXPECT_LT(growth(kMaxTextBytes / kTimesMore,
                   [&](std::size_t size) { guard_whole_text(*policy, std::string_view(digits).substr(0, size)); }),
            kMostGrowth);
}

struct Hostile {
  const char* name;
  std::string_view unit;
};
class Linear : public testing::TestWithParam<Hostile> {};

constexpr std::size_t kSmall = 64 << 10;  // with that, a megabyte

TEST_P(Linear, InWholeTexts) {
  const auto policy = test::load(kEverything);
  const std::string text = repeated(GetParam().unit, kTimesMore * kSmall);
  EXPECT_LT(
      growth(kSmall, [&](std::size_t size) { guard_whole_text(*policy, std::string_view(text).substr(0, size)); }),
      kMostGrowth);
}

TEST_P(Linear, InPieces) {
  const auto policy = test::load(kEverything);
  const std::string text = repeated(GetParam().unit, kTimesMore * kSmall / 8);
  EXPECT_LT(growth(kSmall / 8,
                   [&](std::size_t size) {
                     TokenVault vault;
                     auto context = test::context_for(vault, Direction::outbound);
                     StreamGuard stream(*policy, context);
                     for (std::size_t at = 0; at < size; at += 32)
                       EXPECT_TRUE(stream.feed(std::string_view(text).substr(at, 32)));
                     EXPECT_TRUE(stream.finish());
                   }),
            kMostGrowth);
}

// As a string of a document, where text that looks like JSON is read as such.
TEST_P(Linear, InJson) {
  const auto policy = test::load(test::kTokeniseAll);
  const std::string text = repeated(GetParam().unit, kTimesMore * kSmall);
  EXPECT_LT(growth(kSmall,
                   [&](std::size_t size) {
                     std::string document = R"({"a":)";
                     append_json_string(document, std::string_view(text).substr(0, size));
                     document += "}";
                     TokenVault vault;
                     auto context = test::context_for(vault);
                     EXPECT_TRUE(guard_json(*policy, context, document, JsonProfile::any));
                   }),
            kMostGrowth);
}

INSTANTIATE_TEST_SUITE_P(Texts, Linear,
                         testing::Values(Hostile{"digits", "7"}, Hostile{"dots", "a."}, Hostile{"blanks", "1 "},
                                         Hostile{"at_signs", "@"}, Hostile{"opened", "["},
                                         Hostile{"nested", R"({"a":[)"}, Hostile{"escapes", "\\u0040a.b-c_"},
                                         Hostile{"quoted", R"(\"b\":\"@)"}, Hostile{"invalid", "\xff\xfe\xc3"},
                                         Hostile{"continuations", "\x80\xbf"}, Hostile{"hidden", "a\xe2\x80\x8b"},
                                         Hostile{"keys", "-----BEGIN "}, Hostile{"accounts", "account no 471108 "},
                                         Hostile{"names", "Ann Lee, "}),
                         [](const auto& info) { return std::string(info.param.name); });

// A document that is too deep ends where it is too deep.
TEST(LinearWork, DeepJsonIsRefused) {
  const auto policy = test::load(test::kTokeniseAll);
  EXPECT_LT(growth(10'000,
                   [&](std::size_t depth) {
                     const std::string deep = std::string(depth, '[') + std::string(depth, ']');
                     TokenVault vault;
                     auto context = test::context_for(vault);
                     const auto guarded = guard_json(*policy, context, deep, JsonProfile::any);
                     ASSERT_FALSE(guarded);
                     EXPECT_EQ(guarded.error().code, Errc::invalid_argument);
                   }),
            kMostGrowth);
}

// Pieces of a few calls, as a vendor that bundles them sends; and as many calls as a stream may have.
std::string calls_chunk(std::size_t pieces, std::size_t calls) {
  std::string out = R"({"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[)";
  for (std::size_t i = 0; i < pieces; ++i) {
    out += (i == 0 ? R"({"index":)" : R"(,{"index":)") + std::to_string(i % calls) +
           R"(,"function":{"arguments":"4111 and more "}})";
  }
  return out + R"(]},"finish_reason":null}]})";
}

void feed_chunk(const Policy& policy, const std::string& chunk) {
  TokenVault vault;
  auto context = test::context_for(vault, Direction::outbound);
  ChatStreamGuard guard(policy, context);
  EXPECT_TRUE(guard.feed(chunk));
}

TEST(LinearWork, AChunkOfManyCalls) {
  const auto policy = test::load(test::kTokeniseAll);
  EXPECT_LT(growth(4000, [&](std::size_t pieces) { feed_chunk(*policy, calls_chunk(pieces, 8)); }), kMostGrowth);
  constexpr std::size_t kMost = ChatStreamGuard::kMaxStreams;
  EXPECT_LT(growth(kMost / kTimesMore, [&](std::size_t calls) { feed_chunk(*policy, calls_chunk(4 * calls, calls)); }),
            kMostGrowth);
}

}  // namespace
}  // namespace sb::policy
