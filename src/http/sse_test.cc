#include "http/sse.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace sb::http {
namespace {

using Events = std::vector<SseEvent>;

bool same(const Events& a, const Events& b) {
  return std::ranges::equal(a, b, [](const SseEvent& x, const SseEvent& y) {
    return x.event == y.event && x.data == y.data && x.id == y.id;
  });
}

Events parse(std::string_view text) {
  SseParser parser;
  Events events;
  EXPECT_TRUE(parser.feed(text, events));
  return events;
}

TEST(SseParser, ReadsEventsOfAllLineEnds) {
  const auto events = parse(
      "\xEF\xBB\xBF"
      "data: a\n\ndata: b\r\rdata: c\r\n\r\n: comment\n\nid: 7\nevent: x\ndata:d\ndata: e\n\n");
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].data, "a");
  EXPECT_EQ(events[1].data, "b");
  EXPECT_EQ(events[2].data, "c");
  EXPECT_EQ(events[3].data, "d\ne");
  EXPECT_EQ(events[3].event, "x");
  EXPECT_EQ(events[3].id, "7");
}

TEST(SseParser, EventsWithoutDataAreDropped) {
  EXPECT_TRUE(parse("event: ping\n\nid: 4\n\nretry: 100\n\n").empty());
  const auto events = parse("data\n\n");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].data, "");
}

TEST(SseParser, KnowsACutStream) {
  SseParser parser;
  Events events;
  ASSERT_TRUE(parser.feed("data: a\n\n", events));
  EXPECT_FALSE(parser.mid_event());
  ASSERT_TRUE(parser.feed("data: b\n", events));
  EXPECT_TRUE(parser.mid_event());
  ASSERT_TRUE(parser.feed("\n", events));
  EXPECT_FALSE(parser.mid_event());
}

TEST(SseParser, RefusesAnEventOverTheLimit) {
  SseParser parser(64);
  Events events;
  ASSERT_TRUE(parser.feed("data: " + std::string(40, 'x') + "\n", events));
  const auto over = parser.feed("data: " + std::string(40, 'x') + "\n", events);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().code, Errc::too_large);
}

TEST(SseParser, CutsNeverChangeTheResult) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    SeededEntropy random(seed);
    constexpr std::string_view kPieces[] = {"data: ", "data:", "id: 3", "event: e", "\r\n",         "\n",
                                            "\r",     "x",     ":c",    "\n\n",     "\xEF\xBB\xBF", "é"};
    std::string text;
    for (int i = 0; i < 60; ++i) text += kPieces[random.next_u64() % std::size(kPieces)];
    const auto whole = parse(text);
    SseParser parser;
    Events cut;
    for (std::string_view rest = text; !rest.empty();) {
      const auto size = std::min<std::size_t>(rest.size(), 1 + random.next_u64() % 5);
      ASSERT_TRUE(parser.feed(rest.substr(0, size), cut));
      rest.remove_prefix(size);
    }
    ASSERT_TRUE(same(whole, cut)) << "seed=" << seed;
  }
}

TEST(SseFrame, IsReadBackAsItWasWritten) {
  EXPECT_EQ(sse_frame("{}", "7"), "id: 7\ndata: {}\n\n");
  const auto events = parse(sse_frame("{\"a\":1}", "9", "done") + std::string(kSseComment) + sse_frame("[DONE]"));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].data, "{\"a\":1}");
  EXPECT_EQ(events[0].id, "9");
  EXPECT_EQ(events[0].event, "done");
  EXPECT_EQ(events[1].data, "[DONE]");
}

}  // namespace
}  // namespace sb::http
