#include "audit/spare_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "audit/tile_files.h"
#include "store/testing.h"

namespace sb::audit {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr SpareFiles::Time kStart{};

std::uint64_t inode_of(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

class Spares : public ::testing::Test {
 protected:
  std::string file(const std::string& name) {
    std::ofstream(folder_.file(name)) << name;
    return folder_.file(name);
  }
  const store::testing::TemporaryFolder folder_;
};

TEST_F(Spares, AFileRestsBeforeItIsWrittenOver) {
  SpareFiles spares(folder_.file(".spare"), seconds(5));
  spares.take_in(file("first"), kStart);
  spares.take_in(file("second"), kStart + seconds(1));
  EXPECT_FALSE(fs::exists(folder_.file("first")));
  EXPECT_FALSE(fs::exists(spares.take_file(kStart + seconds(4)))) << "a new name: somebody may be reading it still";
  std::string text;
  const auto oldest = spares.take_file(kStart + seconds(5));
  std::ifstream(oldest) >> text;
  EXPECT_EQ(text, "first");
  EXPECT_FALSE(fs::exists(spares.take_file(kStart + seconds(5))));
  std::ifstream(spares.take_file(kStart + seconds(6))) >> text;
  EXPECT_EQ(text, "second");
}

TEST_F(Spares, OfAFolderBothAreKept) {
  SpareFiles spares(folder_.file(".spare"), seconds(0));
  EXPECT_FALSE(spares.place_folder(folder_.file("new"))) << "there is none";
  fs::create_directory(folder_.file("old.p"));
  file("old.p/1");
  file("old.p/2");
  spares.take_in_folder(folder_.file("old.p"), kStart);
  EXPECT_FALSE(fs::exists(folder_.file("old.p")));
  EXPECT_TRUE(spares.place_folder(folder_.file("new.p")));
  EXPECT_TRUE(fs::is_empty(folder_.file("new.p")));
  EXPECT_TRUE(fs::exists(spares.take_file(kStart)));
  EXPECT_TRUE(fs::exists(spares.take_file(kStart)));
}

TEST_F(Spares, NothingIsLeftOfThem) {
  fs::create_directory(folder_.file(".spare"));
  file(".spare/0");
  {
    SpareFiles spares(folder_.file(".spare"), seconds(0));
    EXPECT_FALSE(fs::exists(spares.take_file(kStart))) << "not those of a process before";
    spares.take_in(file("one"), kStart);
    constexpr int kMore = 600;
    for (int i = 0; i < kMore; ++i) spares.take_in(file(std::to_string(i)), kStart);
    EXPECT_LE(std::distance(fs::directory_iterator(folder_.file(".spare")), fs::directory_iterator()), 512);
    EXPECT_FALSE(fs::exists(folder_.file("599"))) << "what there is no room for goes all the same";
  }
  EXPECT_FALSE(fs::exists(folder_.file(".spare")));
}

TEST_F(Spares, WhoHasATreeHeadOpenReadsItToItsEnd) {
  TileFiles files = *TileFiles::open(folder_.path());
  ASSERT_TRUE(files.show("the first"));
  std::ifstream open(folder_.file("checkpoint"));
  const auto before = inode_of(folder_.file("checkpoint"));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(files.show("number " + std::to_string(i)));
  std::string text;
  std::getline(open, text);
  EXPECT_EQ(text, "the first");
  EXPECT_EQ(files.read_note(TileFiles::kCheckpoint), "number 19");
  EXPECT_NE(inode_of(folder_.file("checkpoint")), before);
}

TEST_F(Spares, TilesAreWrittenWhereTheFolderOfSparesHasGone) {
  TileFiles files = *TileFiles::open(folder_.path());
  const auto tile = [](unsigned width) { return Tile{{0, 0, width}, std::string(32UL * width, 'h')}; };
  ASSERT_TRUE(files.write(tile(3)));
  fs::remove_all(folder_.file(".spare"));
  ASSERT_TRUE(files.write(tile(4)));
  ASSERT_TRUE(files.write(tile(kTileWidth)));
  EXPECT_EQ(files.read(tile(kTileWidth).id)->size(), kTileBytes);
  EXPECT_FALSE(files.read(tile(4).id)) << "a full tile takes the place of its partial ones";
}

}  // namespace
}  // namespace sb::audit
