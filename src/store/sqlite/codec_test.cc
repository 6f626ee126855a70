#include "store/sqlite/codec.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/bytes.h"

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

BodyWriter writer_of(std::size_t output_bytes) {
  BodyWriter writer;
  writer.input("in");
  RunRow run;
  run.state = "s";
  run.vault = "v";
  writer.state(run);
  for (std::uint32_t i = 0; i < 4; ++i) writer.step(step(i, std::string(output_bytes, 'o')));
  writer.chunk({9, "data"});
  return writer;
}
std::string plain_body_of(std::size_t output_bytes) {
  return writer_of(output_bytes).plain();
}
std::string packed_body_of(std::size_t output_bytes) {
  return writer_of(output_bytes).packed();
}
std::string body_of(std::size_t output_bytes) {
  return compress_if_large(plain_body_of(output_bytes));
}

TEST(Codec, ABodyComesBackWhateverItsSize) {
  struct Case {
    std::size_t size;
    std::string column;
    char format;
  };
  std::vector<Case> cases;
  for (const std::size_t size : {0, 127, 128, 70'000}) {
    cases.push_back({size, compress_if_large(plain_body_of(size)), static_cast<char>(size > 128 ? 1 : 0)});
    cases.push_back({size, compress_record(plain_body_of(size)), 4});
    cases.push_back({size, packed_body_of(size), 5});
  }
  for (const auto& [size, column, format] : cases) {
    EXPECT_EQ(column.front(), format) << size;
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

TEST(Codec, AStepOfUsualWordsIsShort) {
  BodyWriter writer;
  StepRow usual = step(7, "");
  usual.kind = "guard";
  usual.name = "guard.outbound";
  usual.ref = "/use/extensions/guard/after";
  usual.decision =
      R"({"chosen":"allow","direction":"outbound","kind":"guard","versions":{"policy":"f415521d528f1953"}})";
  writer.step(usual);
  const std::string plain = writer.plain();
  const std::string packed = writer.packed();
  EXPECT_LT(packed.size(), plain.size() / 2) << plain.size();
  std::string buffer;
  EXPECT_EQ(*unpack(packed, buffer), plain.substr(1));
}

// Columns that stores have: where this fails, a dictionary was changed, and nothing that was packed under it can be
// read.
TEST(Codec, WhatWasStoredUnderADictionaryIsRead) {
  const std::string leaf = R"({"chosen":"allow","direction":"inbound","task":"guard.inbound"})";
  std::string buffer;
  EXPECT_EQ(*unpack(*from_hex("0228b52ffd203fbd0000502e696e626f756e64227d044000200e269b26ee94b91c"), buffer), leaf);
  EXPECT_EQ(*unpack(*from_hex("0428b52ffd203f6d000000037c009d9cf47ba930ccdc01"), buffer), leaf);
  for (const char* column :
       {"03040102696e28b52ffd208f3d0100a8038c0101010000000e1b056775617264027b7d5100050007101180281a2c21e1ca560367bb8e",
        "05040102696e28b52ffd208f4d010080038c01010100001b027b7d51227d7d0007fc0095c4ee3b4aff58e293bdf8babb481ffcef149bbc"
        "03"}) {
    const auto content = unpack(*from_hex(column), buffer);
    ASSERT_TRUE(content);
    const auto body = parse_body(*content);
    ASSERT_TRUE(body);
    EXPECT_EQ(body->input, "in");
    ASSERT_EQ(body->steps.size(), 1U);
    EXPECT_EQ(parse_step(body->steps[0])->ref, "/use/extensions/guard/after");
  }
}

// Sealed payloads get no shorter: nobody spends time on them.
TEST(Codec, PayloadsStandAsTheyAre) {
  BodyWriter writer;
  const std::string input(1000, 'i');
  writer.input(input);
  writer.step(step(0, std::string(1000, 'o')));
  const std::string packed = writer.packed();
  EXPECT_NE(packed.find(input), std::string::npos);
  EXPECT_LT(packed.size(), 1100U);
  BodyWriter without_steps;
  without_steps.input(input);
  EXPECT_EQ(without_steps.packed(), without_steps.plain());
}

TEST(Codec, WhatHasNothingInCommonWithTheTextsStaysAsItIs) {
  std::string column("\0", 1);
  SeededEntropy entropy(4);
  while (column.size() < 300) column.push_back(static_cast<char>(entropy.next_u64()));
  EXPECT_EQ(compress_record(column), column);
  EXPECT_EQ(compress_record(std::string("\0", 1)), std::string("\0", 1));
}

TEST(Codec, DamagedBytesAreCorruptAndNeverMore) {
  SeededEntropy entropy(3);
  for (const std::string& good :
       {body_of(10), body_of(70'000), compress_record(plain_body_of(10)), compress_record(plain_body_of(70'000)),
        packed_body_of(127), packed_body_of(70'000)}) {
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
