#include "model/price.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/clock.h"

namespace sb::model {
namespace {

TEST(Price, RoundsHalfUpOnceACall) {
  const Price price{500'000, 0, 0};  // half a micro-unit a token
  EXPECT_EQ(cost_of({1, 0, 0, false}, price), 1);
  EXPECT_EQ(cost_of({2, 0, 0, false}, price), 1);
  EXPECT_EQ(cost_of({3, 0, 0, false}, price), 2);
  EXPECT_EQ(cost_of({0, 0, 0, false}, price), 0);
  EXPECT_EQ(cost_of({1, 0, 0, false}, {499'999, 0, 0}), 0);
  // Both halves together are one whole: rounding each part would say 2.
  EXPECT_EQ(cost_of({1, 0, 1, false}, {500'000, 0, 500'000}), 1);
}

TEST(Price, CachedTokensHaveTheirOwnPrice) {
  EXPECT_EQ(cost_of({1'000'000, 400'000, 10, false}, {2'500'000, 1'250'000, 10'000'000}), 1'500'000 + 500'000 + 100);
  EXPECT_EQ(cost_of({10, 99, 0, false}, {1'000'000, 0, 0}), 0);  // never more cached than there were
  EXPECT_EQ(cost_of({-5, 0, -5, false}, {1'000'000, 0, 1}), 0);
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(cost_of({kMax, 0, kMax, false}, {kMax, 0, kMax}), kMax);
}

TEST(Price, TheSumOfManyCallsStaysWithinHalfAUnitEach) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed=" + std::to_string(seed));
    SeededEntropy random(seed);
    const Price price{static_cast<std::int64_t>(random.next_u64() % 20'000'000),
                      static_cast<std::int64_t>(random.next_u64() % 5'000'000),
                      static_cast<std::int64_t>(random.next_u64() % 80'000'000)};
    __extension__ __int128 exact = 0;
    std::int64_t sum = 0;
    const int calls = 500;
    for (int i = 0; i < calls; ++i) {
      Usage usage;
      usage.input_tokens = static_cast<std::int64_t>(random.next_u64() % 10'000);
      usage.cached_input_tokens = static_cast<std::int64_t>(random.next_u64() % 10'000);
      usage.output_tokens = static_cast<std::int64_t>(random.next_u64() % 4'000);
      const auto cached = std::min(usage.cached_input_tokens, usage.input_tokens);
      const auto one = (usage.input_tokens - cached) * price.input + cached * price.cached_input +
                       usage.output_tokens * price.output;
      const std::int64_t cost = cost_of(usage, price);
      ASSERT_LE(std::abs(cost * 1'000'000 - one), 500'000);
      exact += one;
      sum += cost;
    }
    ASSERT_LE(std::abs(static_cast<double>(exact) / 1e6 - static_cast<double>(sum)), calls / 2.0);
  }
}

TEST(TokenEstimate, DoesNotDependOnHowTheTextWasCut) {
  const std::string text = "Hello, world 12345! Gr\xc3\xbc\xc3\x9f dich \xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80";
  const auto whole = estimate_tokens(text);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    TokenEstimate parts;
    parts.add(text.substr(0, cut));
    parts.add(text.substr(cut));
    ASSERT_EQ(parts.tokens(), whole) << cut;
  }
  EXPECT_EQ(estimate_tokens(""), 0);
  EXPECT_EQ(estimate_tokens("abcd"), 1);
  EXPECT_EQ(estimate_tokens("\xe4\xbd\xa0\xe5\xa5\xbd"), 2);
}

TEST(TokenEstimate, ReadsEveryTextOfARequest) {
  const auto plain = estimate_input_tokens(R"({"messages":[{"role":"user","content":"abcdefgh"}]})");
  EXPECT_EQ(plain, 4 + 2);
  EXPECT_EQ(estimate_input_tokens(R"({"messages":[{"role":"user","content":[{"type":"text","text":"abcdefgh"}]}]})"),
            plain);
  EXPECT_EQ(estimate_input_tokens(
                R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:..."}}]}]})"),
            4 + 765);
  EXPECT_EQ(estimate_input_tokens(R"({"input":["abcd","abcd"]})"), 2);
  EXPECT_EQ(estimate_input_tokens("nonsense"), 0);
}

}  // namespace
}  // namespace sb::model
