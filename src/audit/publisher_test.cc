#include "audit/publisher.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "audit/witness_testing.h"
#include "store/sqlite/codec.h"
#include "store/testing.h"

namespace sb::audit {
namespace {

// Late ones must not take back a newer tree head.
TEST(Publisher, ShowsCosignaturesOnTheNewestTreeHeadOnly) {
  const store::testing::TemporaryFolder folder;
  const NoteSigner signer = testing::test_log();
  TileFiles files = *TileFiles::open(folder.path());
  const auto shown = [&] { return files.read_note(TileFiles::kCheckpoint); };
  const auto add = [](Publisher& publisher, const char* leaf) {
    std::string bundle;
    store::sqlite::append_leaf(bundle, leaf);
    publisher.add(std::move(bundle));
  };
  std::string second;
  {
    Publisher publisher(signer, TileEdge(), files, {});
    add(publisher, "one");
    const std::string first = publisher.head(1)->note;
    add(publisher, "two");
    second = publisher.head(2)->note;
    publisher.cosigned({1, first + "late\n"});
  }
  EXPECT_EQ(shown(), second);
  {
    Publisher publisher(signer, TileEdge(), files, {});
    add(publisher, "one");
    add(publisher, "two");
    ASSERT_EQ(publisher.head(2)->note, second);
    publisher.cosigned({2, second + "in time\n"});
  }
  EXPECT_EQ(shown(), second + "in time\n");
}

std::string bundle_of(int leaves) {
  std::string bundle;
  for (int i = 0; i < leaves; ++i) store::sqlite::append_leaf(bundle, "leaf");
  return bundle;
}

// Tiles wait in memory for files that cannot be written: not for ever, and nothing of them is lost.
TEST(Publisher, HasNoRoomForLeavesWhileTooManyTilesWaitForTheirFiles) {
  const store::testing::TemporaryFolder folder;
  const NoteSigner signer = testing::test_log();
  TileFiles files = *TileFiles::open(folder.path());
  Publisher::Options options;
  options.unwritten_bytes_max = 4 * kTileBytes;
  Publisher publisher(signer, TileEdge(), files, options);
  std::ofstream(folder.file("tile")) << "a file, and not a folder";
  const auto wait_for_room = [&](bool wanted) {
    for (int i = 0; i < 1000 && publisher.has_room().has_value() != wanted; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return publisher.has_room();
  };
  publisher.add(bundle_of(256));
  EXPECT_TRUE(publisher.has_room()) << "that may pass, and is no reason to stop";
  for (int i = 0; i < 4; ++i) publisher.add(bundle_of(256));
  const auto refused = wait_for_room(false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  EXPECT_EQ(refused.error().detail.find(folder.path()), std::string::npos) << "callers are told";
  std::filesystem::remove(folder.file("tile"));
  EXPECT_TRUE(wait_for_room(true));
  EXPECT_EQ(publisher.head(1280)->size, 1280U);
  EXPECT_EQ(files.read({0, 4, kTileWidth})->size(), kTileBytes);
}

// Heads are dear, tiles are not: many leaves fill tiles at once, and wait for one head.
TEST(Publisher, FillsTilesBeforeATreeHeadIsDue) {
  const store::testing::TemporaryFolder folder;
  const NoteSigner signer = testing::test_log();
  TileFiles files = *TileFiles::open(folder.path());
  Publisher::Options options;
  options.delay = std::chrono::hours(1);
  Publisher publisher(signer, TileEdge(), files, options);
  std::string bundle;
  const std::string leaf(2000, 'x');
  for (int i = 0; i < 300; ++i) store::sqlite::append_leaf(bundle, leaf);
  publisher.add(std::move(bundle));
  for (int i = 0; i < 1000 && !files.read({0, 0, kTileWidth}); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(files.read({0, 0, kTileWidth}));
  EXPECT_EQ(publisher.shown(), 0U);
  EXPECT_EQ(publisher.head(300)->size, 300U) << "whoever asks does not wait";
}

TEST(Publisher, LeavesPartialTilesAloneThatHaveNotGrown) {
  const store::testing::TemporaryFolder folder;
  const NoteSigner signer = testing::test_log();
  Publisher publisher(signer, TileEdge(), *TileFiles::open(folder.path()), {});
  const auto written = [&] { return std::filesystem::last_write_time(folder.file(TileId{1, 0, 1}.path())); };
  publisher.add(bundle_of(257));
  ASSERT_EQ(publisher.head(257)->size, 257U);
  const auto before = written();
  std::filesystem::last_write_time(folder.file(TileId{1, 0, 1}.path()), before - std::chrono::hours(1));
  publisher.add(bundle_of(1));
  ASSERT_EQ(publisher.head(258)->size, 258U);
  EXPECT_EQ(written(), before - std::chrono::hours(1));
}

}  // namespace
}  // namespace sb::audit
