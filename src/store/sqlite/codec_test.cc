#include "store/sqlite/codec.h"

#include <gtest/gtest.h>

namespace sb::store::sqlite {
namespace {

StepRow step(std::uint32_t index, std::string output = "{}") {
  StepRow row;
  row.index = StepIndex{index};
  row.attempt = index + 1;
  row.name = "n";
  row.output = std::move(output);
  row.started_us = 10;
  row.ended_us = 7;
  row.cost = -3;
  return row;
}

std::string body_of(std::size_t output_bytes) {
  BodyWriter writer;
  writer.input("in");
  RunRow run;
  run.state = "s";
  run.vault = "v";
  writer.state(run);
  for (std::uint32_t i = 0; i < 4; ++i) writer.step(step(i, std::string(output_bytes, 'o')));
  writer.chunk({9, "data"});
  return compress_if_large(std::move(writer).take());
}

TEST(Codec, ABodyComesBackWhateverItsSize) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{127}, std::size_t{128}, std::size_t{70'000}}) {
    const std::string column = body_of(size);
    EXPECT_EQ(column.front(), size > kCompressAbove / 4 ? 1 : 0);
    std::string buffer;
    const auto content = unpack(column, buffer);
    ASSERT_TRUE(content);
    const auto body = parse_body(*content);
    ASSERT_TRUE(body);
    EXPECT_EQ(body->input, "in");
    EXPECT_EQ(body->state->vault, "v");
    ASSERT_EQ(body->steps.size(), 4U);
    const auto third = parse_step(body->steps[2]);
    ASSERT_TRUE(third);
    EXPECT_EQ(third->index, StepIndex{2});
    EXPECT_EQ(third->attempt, 3U);
    EXPECT_EQ(third->ended_us, 7);
    EXPECT_EQ(third->cost, -3);
    EXPECT_EQ(third->output.size(), size);
    EXPECT_EQ(parse_chunk(body->chunks.at(0))->first_event, 9U);
  }
}

TEST(Codec, StepsAreLeftOutByKey) {
  const auto kept = without_steps(body_of(10), {{1, 2}, {3, 9}});
  ASSERT_TRUE(kept);
  std::string buffer;
  const auto body = parse_body(*unpack(*kept, buffer));
  ASSERT_TRUE(body);
  EXPECT_EQ(body->steps.size(), 3U);
  EXPECT_EQ(body->input, "in");
  EXPECT_EQ(body->chunks.size(), 1U);
}

TEST(Codec, DamagedBytesAreCorruptAndNeverMore) {
  SeededEntropy entropy(3);
  for (const std::size_t size : {std::size_t{10}, std::size_t{70'000}}) {
    const std::string good = body_of(size);
    for (int round = 0; round < 500; ++round) {
      std::string bad = good;
      bad.resize(entropy.next_u64() % bad.size());
      if (!bad.empty()) bad[entropy.next_u64() % bad.size()] ^= static_cast<char>(1 << (entropy.next_u64() % 8));
      std::string buffer;
      const auto content = unpack(bad, buffer);
      if (!content) continue;
      const auto body = parse_body(*content);
      if (!body) continue;
      for (const auto section : body->steps) (void)parse_step(section).has_value();
    }
  }
  std::string buffer;
  EXPECT_EQ(unpack("", buffer).error().code, Errc::corrupt);
  EXPECT_EQ(unpack("\x07zzz", buffer).error().code, Errc::corrupt);
}

TEST(Codec, LeavesArePackedAsEntryBundles) {
  std::string pack;
  append_leaf(pack, "ab");
  append_leaf(pack, "");
  EXPECT_EQ(pack, std::string("\0\2ab\0\0", 6));
  std::string_view rest = pack;
  EXPECT_EQ(*take_leaf(rest), "ab");
  EXPECT_EQ(*take_leaf(rest), "");
  EXPECT_FALSE(take_leaf(rest));
  rest = std::string_view("\0\3ab", 4);
  EXPECT_FALSE(take_leaf(rest));
}

}  // namespace
}  // namespace sb::store::sqlite
