#include "audit/tile_tree.h"

#include <algorithm>
#include <bit>

namespace sb::audit {

Result<Digest> TileTree::root(std::uint64_t begin, std::uint64_t end) {
  const std::uint64_t count = end - begin;
  if (std::has_single_bit(count)) return perfect(begin, static_cast<unsigned>(std::countr_zero(count)));
  const std::uint64_t middle = begin + std::bit_floor(count - 1);
  SB_TRY(const Digest left, root(begin, middle));
  SB_TRY(const Digest right, root(middle, end));
  return node_hash(left, right);
}

Result<std::vector<Digest>> TileTree::inclusion_proof(std::uint64_t index) {
  std::vector<Digest> proof;
  std::uint64_t begin = 0;
  std::uint64_t end = size_;
  while (end - begin > 1) {
    const std::uint64_t middle = begin + std::bit_floor(end - begin - 1);
    const bool left = index < middle;
    SB_TRY(const Digest other, left ? root(middle, end) : root(begin, middle));
    proof.push_back(other);
    (left ? end : begin) = middle;
  }
  std::ranges::reverse(proof);
  return proof;
}

// RFC 6962, 2.1.2, from the root down: the recursion's hashes, last first.
Result<std::vector<Digest>> TileTree::consistency_proof(std::uint64_t old_size) {
  std::vector<Digest> proof;
  if (old_size == 0) return proof;
  std::uint64_t begin = 0;
  std::uint64_t end = size_;
  while (end != old_size) {
    const std::uint64_t middle = begin + std::bit_floor(end - begin - 1);
    const bool left = old_size <= middle;
    SB_TRY(const Digest other, left ? root(middle, end) : root(begin, middle));
    proof.push_back(other);
    (left ? end : begin) = middle;
  }
  // The old tree itself is known to who asks; a part of it is not.
  if (begin != 0) {
    SB_TRY(const Digest part, root(begin, end));
    proof.push_back(part);
  }
  std::ranges::reverse(proof);
  return proof;
}

// Of 2^height leaves: so many hashes of the tile at the level below.
Result<Digest> TileTree::perfect(std::uint64_t begin, unsigned height) {
  const unsigned level = height / kTileHeight;
  const std::uint64_t first = begin >> (level * kTileHeight);
  const std::size_t count = std::size_t{1} << (height % kTileHeight);
  const std::uint64_t at_level = hashes_at(size_, level);
  const std::uint64_t tile = first / kTileWidth;
  const auto width = static_cast<unsigned>(std::min(kTileWidth, at_level - tile * kTileWidth));
  const TileId id{static_cast<int>(level), tile, width};
  auto found = tiles_.find(id.path());
  if (found == tiles_.end()) {
    SB_TRY(std::string bytes, log_.tile(id));
    if (bytes.size() != width * sizeof(Digest)) return fail(Errc::corrupt, id.path() + ": of a wrong length");
    found = tiles_.emplace(id.path(), std::move(bytes)).first;
  }
  return tile_root(std::string_view(found->second).substr(first % kTileWidth * sizeof(Digest), count * sizeof(Digest)));
}

}  // namespace sb::audit
