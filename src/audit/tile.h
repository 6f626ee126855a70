/// Tiles of the log: C2SP tlog-tiles (https://c2sp.org/tlog-tiles), height 8 (pure).
///
///     tile/0/x001/234           hashes of leaves 316,928 to 317,183, 32 bytes each
///     tile/1/004                each hash is the root of one full tile of level 0
///     tile/entries/x001/234     the leaves themselves, each after its length in two bytes
///     tile/entries/x001/235.p/7 the seven leaves after them, while there are only seven
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/merkle.h"
#include "base/errors.h"

namespace sb::audit {

inline constexpr std::uint64_t kTileWidth = 256;
inline constexpr unsigned kTileHeight = 8;
inline constexpr std::size_t kTileBytes = kTileWidth * sizeof(Digest);
/// Longest entry bundle: 256 leaves of 65,535 bytes.
inline constexpr std::size_t kBundleBytesMax = kTileWidth * (2 + 0xffff);

struct TileId {
  static constexpr int kEntries = -1;
  int level = 0;  ///< kEntries: an entry bundle
  std::uint64_t index = 0;
  unsigned width = kTileWidth;  ///< below 256: partial

  std::string path() const;  ///< below the log's prefix
  /// The inverse of path(), strict: one text for one tile.
  static std::optional<TileId> parse(std::string_view path);
  bool operator==(const TileId&) const = default;
};

/// How many hashes level `level` has in a tree of `size` leaves.
constexpr std::uint64_t hashes_at(std::uint64_t size, unsigned level) {
  return level * kTileHeight >= 64 ? 0 : size >> (level * kTileHeight);
}

struct Tile {
  TileId id;
  std::string bytes;
};

/// Root of the subtree over the hashes of one tile (or of a part of one). REQUIRES whole hashes, at least one.
Digest tile_root(std::string_view hashes);

/// The right edge of a growing tree: what is needed to append, to sign, and to write the next tiles.
class TileEdge {
 public:
  using Read = std::function<Result<std::string>(const TileId&)>;
  /// Of a tree of `size` leaves, a multiple of 256, from its full tiles. Errors: as `read`, corrupt (a tile's length).
  static Result<TileEdge> restore(std::uint64_t size, const Read& read);

  void append(std::string_view leaf);
  std::uint64_t size() const { return range_.size(); }
  Digest root() const { return range_.root(); }

  /// Tiles that became full since the last call, in the order of their leaves.
  std::vector<Tile> take_full() { return std::exchange(full_, {}); }
  /// What is not full yet: to be written before a tree head of size() is shown.
  std::vector<Tile> partial() const;

 private:
  void push(unsigned level, const Digest& hash, std::uint64_t size);

  CompactRange range_;
  std::vector<std::string> levels_;  ///< hashes of each level's tile in progress
  std::string entries_;              ///< bundle in progress
  std::vector<Tile> full_;
};

}  // namespace sb::audit
