// Objects of a mirror and files of its spool that are not what was written.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/clock.h"
#include "mirror/key_lists.h"
#include "mirror/segment.h"
#include "mirror/spool.h"

namespace sb::mirror {
namespace {

constexpr int kSeeds = 400;
constexpr int kChanges = 20;  // of each object
const std::string kObjectKey(32, 'k');

class Draws {
 public:
  explicit Draws(std::uint64_t seed) : entropy_(seed) {}
  std::uint64_t below(std::uint64_t end) { return entropy_.next_u64() % end; }
  std::string bytes(std::size_t end) {
    std::string text(below(end), '\0');
    for (char& c : text) c = static_cast<char>(below(256));
    return text;
  }
  SealedKind kind() { return below(2) == 0 ? SealedKind::data_key : SealedKind::token; }
  Entropy& entropy() { return entropy_; }
  // One to three bits flipped, an end cut off, or something more at the end; never the same as before.
  std::string changed(const std::string& text) {
    std::string other = text;
    const std::uint64_t what = text.empty() ? 2 : below(3);
    if (what == 0)
      for (std::uint64_t i = below(3) + 1; i > 0; --i) flip_bit(other);
    else if (what == 1)
      other.resize(below(text.size()));
    else
      other += bytes(20) + "x";
    if (other == text) flip_bit(other);
    return other;
  }

 private:
  void flip_bit(std::string& text) {
    char& c = text[below(text.size())];
    c = static_cast<char>(c ^ (1 << below(8)));
  }
  SeededEntropy entropy_;
};

Segment segment_of(Draws& draws) {
  Segment segment;
  segment.number = draws.below(1000);
  segment.first_group = draws.below(1000);
  segment.last_group = segment.first_group + draws.below(3);
  segment.previous = sha256(draws.bytes(8));
  segment.lineage = draws.bytes(20);
  segment.snapshot = {draws.below(1000), draws.bytes(10)};
  segment.resealed = draws.below(2) == 0;
  segment.published = {draws.below(1000), sha256("root")};
  for (std::uint64_t i = draws.below(3); i > 0; --i)
    segment.lists.push_back({draws.kind(), static_cast<std::int64_t>(draws.below(9)), 9});
  for (std::uint64_t i = draws.below(3); i > 0; --i)
    segment.erased.push_back({draws.kind(), static_cast<std::int64_t>(draws.below(9))});
  for (std::uint64_t i = draws.below(3); i > 0; --i) segment.patchsets.push_back(draws.bytes(60));
  return segment;
}

std::vector<ListEntry> list_of(Draws& draws, SealedKind kind) {
  std::vector<ListEntry> entries;
  for (std::uint64_t i = draws.below(4); i > 0; --i) {
    ListEntry& entry = entries.emplace_back();
    entry.no = static_cast<std::int64_t>(draws.below(1000));
    entry.subject = draws.bytes(12);
    entry.sealed = draws.bytes(40);
    if (kind != SealedKind::token) continue;
    entry.tenant = draws.bytes(8);
    entry.token = draws.bytes(16);
  }
  return entries;
}

Spool::Group group_of(Draws& draws, std::uint64_t number) {
  Spool::Group group{number, draws.bytes(9), draws.bytes(9), draws.bytes(80), {}};
  for (std::uint64_t i = draws.below(3); i > 0; --i) {
    auto& key = group.keys.emplace_back();
    key.kind = draws.kind();
    key.no = static_cast<std::int64_t>(draws.below(1000));
    key.replaces = draws.below(2) == 0;
  }
  return group;
}

TEST(Objects, WhatIsAcceptedIsWholeAndNothingElse) {
  for (int seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Draws draws(static_cast<std::uint64_t>(seed));
    const std::string segment = encode_segment(segment_of(draws));
    ASSERT_EQ(encode_segment(*parse_segment(segment)), segment);
    for (int change = 0; change < kChanges; ++change) {
      const std::string other = draws.changed(segment);
      if (const auto parsed = parse_segment(other)) EXPECT_EQ(encode_segment(*parsed), other);
    }
    for (const auto kind : {SealedKind::data_key, SealedKind::token}) {
      const std::string list = encode_list(kind, list_of(draws, kind));
      ASSERT_EQ(encode_list(kind, *parse_list(kind, list)), list);
      for (int change = 0; change < kChanges; ++change) {
        const std::string other = draws.changed(list);
        if (const auto parsed = parse_list(kind, other)) EXPECT_EQ(encode_list(kind, *parsed), other);
      }
    }
  }
}

TEST(Objects, AChangedObjectDoesNotOpenNorUnderAnotherName) {
  for (int seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Draws draws(static_cast<std::uint64_t>(seed));
    const std::string plain = encode_segment(segment_of(draws));
    const std::string sealed = seal_object(kObjectKey, "segments/1", plain, draws.entropy());
    ASSERT_EQ(open_object(kObjectKey, "segments/1", sealed).value(), plain);
    EXPECT_FALSE(open_object(kObjectKey, "segments/2", sealed));
    EXPECT_FALSE(open_object(kObjectKey, "segments/1", draws.changed(sealed)));
  }
}

TEST(Objects, OlderFormatsAreRefusedByName) {
  for (const char* older : {"\1", "\2"}) {
    const auto opened = open_object(kObjectKey, "segments/1", older + std::string(60, 'x'));
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::unsupported);
  }
}

TEST(Objects, OfAChangedSpoolOnlyWhatWasWrittenIsRead) {
  for (int seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Draws draws(static_cast<std::uint64_t>(seed));
    std::vector<std::string> records;
    std::string file;
    for (std::uint64_t number = 1; number <= 5; ++number) {
      records.push_back(spool_record(group_of(draws, number)));
      file += records.back();
    }
    for (const auto& [mark, group] : parse_spool(draws.changed(file)))
      EXPECT_NE(std::ranges::find(records, spool_record(group)), records.end());
  }
}

}  // namespace
}  // namespace sb::mirror
