#include "audit/tile.h"

#include <gtest/gtest.h>

#include <map>

#include "base/errors.h"

namespace sb::audit {
namespace {

std::string leaf_of(std::uint64_t index) {
  return "{\"kind\":\"x\",\"seq\":" + std::to_string(index) + ",\"time\":1}";
}

TEST(Tile, PathsAreThoseOfTheSpecificationAndOneTextNamesOneTile) {
  EXPECT_EQ((TileId{0, 1234067, 256}.path()), "tile/0/x001/x234/067");
  EXPECT_EQ((TileId{3, 0, 8}.path()), "tile/3/000.p/8");
  EXPECT_EQ((TileId{TileId::kEntries, 1000, 256}.path()), "tile/entries/x001/000");
  for (const std::uint64_t index : {0ULL, 7ULL, 999ULL, 1000ULL, 1234067ULL, 999999ULL, 1000000000ULL}) {
    for (const unsigned width : {1U, 255U, 256U}) {
      const TileId id{2, index, width};
      EXPECT_EQ(TileId::parse(id.path()), id);
    }
  }
  for (const char* bad : {"tile/0/67", "tile/00/067", "tile/64/067", "tile/0/0067", "tile/0/x001", "tile/0/001/234",
                          "tile/0/x000/001", "tile/0/067.p/0", "tile/0/067.p/256", "tile/0/067.p/08", "tile/-1/067",
                          "tile/entries", "tile/0/../001", "tile/0/067/", "checkpoint", "tile/0/x001/234.p/"}) {
    EXPECT_FALSE(TileId::parse(bad)) << bad;
  }
}

// The tiles of a log of `size` leaves, as a folder would hold them, full and partial of that size.
std::map<std::string, std::string> tiles_of(std::uint64_t size) {
  std::map<std::string, std::string> files;
  TileEdge edge;
  for (std::uint64_t i = 0; i < size; ++i) edge.append(leaf_of(i));
  for (Tile& tile : edge.take_full()) files.emplace(tile.id.path(), std::move(tile.bytes));
  for (Tile& tile : edge.partial()) files.emplace(tile.id.path(), std::move(tile.bytes));
  return files;
}

TEST(Tile, ATreeOfSeventyThousandLeavesHasTheTilesOfTheSpecificationsExample) {
  const auto files = tiles_of(70'000);
  EXPECT_EQ(files.at("tile/0/273.p/112").size(), 112U * 32);
  EXPECT_EQ(files.at("tile/1/000").size(), kTileBytes);
  EXPECT_EQ(files.at("tile/1/001.p/17").size(), 17U * 32);
  EXPECT_EQ(files.at("tile/2/000.p/1").size(), 32U);
  EXPECT_EQ(files.count("tile/0/272") + files.count("tile/entries/272") + files.count("tile/entries/273.p/112"), 3U);
  EXPECT_EQ(files.size(), 273U * 2 + 2 + 1 + 1 + 1);
}

TEST(Tile, TheEdgeSignsTheRootsOfRfc6962AndGoesOnFromItsTiles) {
  MerkleTree tree;
  TileEdge edge;
  std::map<std::string, std::string> files;
  std::uint64_t restored = 0;
  for (std::uint64_t i = 0; i < 66'600; ++i) {
    const std::string leaf = leaf_of(i);
    tree.append(leaf_hash(leaf));
    edge.append(leaf);
    for (Tile& tile : edge.take_full()) files.emplace(tile.id.path(), std::move(tile.bytes));
    const std::uint64_t size = i + 1;
    if (size % 977 == 0) EXPECT_EQ(edge.root(), tree.root(size)) << size;
    if (size % kTileWidth != 0 || (size / kTileWidth) % 13 != 0) continue;
    auto again = TileEdge::restore(size, [&](const TileId& id) -> Result<std::string> {
      const auto found = files.find(id.path());
      return found == files.end() ? Result<std::string>(fail(Errc::not_found, id.path())) : found->second;
    });
    ASSERT_TRUE(again) << again.error().detail;
    ASSERT_EQ(again->root(), tree.root(size)) << size;
    edge = *std::move(again);
    ++restored;
  }
  EXPECT_EQ(restored, 20U);
  EXPECT_EQ(edge.root(), tree.root(66'600));
  CompactRange second;
  for (std::uint64_t i = 256; i < 512; ++i) second.append(leaf_hash(leaf_of(i)));
  EXPECT_EQ(tile_root(files.at("tile/0/001")), second.root());
}

}  // namespace
}  // namespace sb::audit
