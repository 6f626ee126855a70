#include "audit/tile.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>

#include "base/crypto.h"
#include "store/sqlite/codec.h"

namespace sb::audit {
namespace {

Digest digest_at(std::string_view hashes, std::size_t index) {
  Digest digest;
  std::memcpy(digest.data(), hashes.data() + index * digest.size(), digest.size());
  return digest;
}

// Decimal without leading zeroes. Nothing on anything else.
template <class Integer>
std::optional<Integer> number(std::string_view text) {
  Integer value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return value;
}

// "x001/x234/067" of 1234067.
std::string index_path(std::uint64_t index) {
  std::string path = fmt::format("{:03}", index % 1000);
  while ((index /= 1000) > 0) path.insert(0, fmt::format("x{:03}/", index % 1000));
  return path;
}

std::optional<std::uint64_t> parse_index(std::string_view path) {
  constexpr std::size_t kMaxParts = 7;
  std::uint64_t index = 0;
  for (std::size_t part = 0; part < kMaxParts; ++part) {
    const bool last = !path.starts_with('x');
    if (!last) path.remove_prefix(1);
    if (path.size() < 3) return std::nullopt;
    for (const char c : path.substr(0, 3)) {
      if (c < '0' || c > '9') return std::nullopt;
      index = index * 10 + static_cast<std::uint64_t>(c - '0');
    }
    path.remove_prefix(3);
    if (last) return path.empty() ? std::optional(index) : std::nullopt;
    if (!path.starts_with('/')) return std::nullopt;
    path.remove_prefix(1);
  }
  return std::nullopt;
}

}  // namespace

std::string TileId::path() const {
  std::string path = level == kEntries ? "tile/entries/" : fmt::format("tile/{}/", level);
  path += index_path(index);
  if (width < kTileWidth) path += fmt::format(".p/{}", width);
  return path;
}

std::optional<TileId> TileId::parse(std::string_view path) {
  constexpr std::string_view kPrefix = "tile/";
  constexpr int kMaxLevel = 63;
  if (!path.starts_with(kPrefix)) return std::nullopt;
  path.remove_prefix(kPrefix.size());
  const auto slash = path.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  TileId id;
  const auto level = path.substr(0, slash);
  if (level == "entries") {
    id.level = kEntries;
  } else {
    const auto value = number<unsigned>(level);
    if (!value || *value > kMaxLevel) return std::nullopt;
    id.level = static_cast<int>(*value);
  }
  path.remove_prefix(slash + 1);
  if (const auto partial = path.find(".p/"); partial != std::string_view::npos) {
    const auto width = number<unsigned>(path.substr(partial + 3));
    if (!width || *width == 0 || *width >= kTileWidth) return std::nullopt;
    id.width = *width;
    path = path.substr(0, partial);
  }
  const auto index = parse_index(path);
  if (!index || index_path(*index) != path) return std::nullopt;
  id.index = *index;
  return id;
}

Digest tile_root(std::string_view hashes) {
  CompactRange range;
  for (std::size_t i = 0; i < hashes.size() / sizeof(Digest); ++i) range.append(digest_at(hashes, i));
  return range.root();
}

void TileEdge::push(unsigned level, const Digest& hash, std::uint64_t size) {
  if (level == levels_.size()) levels_.emplace_back().reserve(kTileBytes);
  std::string& hashes = levels_[level];
  hashes += view_of(hash);
  if (hashes.size() < kTileBytes) return;
  full_.push_back({{static_cast<int>(level), hashes_at(size, level) / kTileWidth - 1}, std::move(hashes)});
  hashes.clear();
  hashes.reserve(kTileBytes);
}

void TileEdge::append(std::string_view leaf) {
  const std::uint64_t size = range_.size() + 1;
  store::sqlite::append_leaf(entries_, leaf);
  if (size % kTileWidth == 0) {
    full_.push_back({{TileId::kEntries, size / kTileWidth - 1}, std::move(entries_)});
    entries_.clear();
  }
  range_.append(leaf_hash(leaf), [&](unsigned height, const Digest& root) {
    if (height % kTileHeight == 0) push(height / kTileHeight, root, size);
  });
}

std::vector<Tile> TileEdge::partial() const {
  std::vector<Tile> tiles;
  if (const auto width = static_cast<unsigned>(size() % kTileWidth); width > 0)
    tiles.push_back({{TileId::kEntries, size() / kTileWidth, width}, entries_});
  for (unsigned level = 0; level < levels_.size(); ++level) {
    const std::uint64_t hashes = hashes_at(size(), level);
    if (const auto width = static_cast<unsigned>(hashes % kTileWidth); width > 0)
      tiles.push_back({{static_cast<int>(level), hashes / kTileWidth, width}, levels_[level]});
  }
  return tiles;
}

// A level's tile in progress is made of the roots of full tiles below it, so that full tiles are all that is needed.
Result<TileEdge> TileEdge::restore(std::uint64_t size, const Read& read) {
  SB_ASSERT(size % kTileWidth == 0);
  TileEdge edge;
  std::vector<Digest> roots;  // of the tree's perfect subtrees, smallest first
  for (unsigned level = 0; hashes_at(size, level) > 0; ++level) {
    const std::uint64_t hashes = hashes_at(size, level);
    std::string& progress = edge.levels_.emplace_back();
    progress.reserve(kTileBytes);
    for (std::uint64_t i = hashes - hashes % kTileWidth; i < hashes; ++i) {
      SB_TRY(const std::string below, read(TileId{static_cast<int>(level) - 1, i}));
      if (below.size() != kTileBytes) return fail(Errc::corrupt, "a full tile does not have 8,192 bytes");
      progress += view_of(tile_root(below));
    }
    CompactRange part;
    for (std::size_t i = 0; i < progress.size() / sizeof(Digest); ++i) part.append(digest_at(progress, i));
    const std::string subtrees = part.serialize();
    for (std::size_t i = subtrees.size() / sizeof(Digest); i-- > 0;) roots.push_back(digest_at(subtrees, i));
  }
  std::string serialized;
  for (auto root = roots.rbegin(); root != roots.rend(); ++root) serialized += view_of(*root);
  const auto range = CompactRange::parse(size, serialized);
  SB_ASSERT(range.has_value());
  edge.range_ = *range;
  return edge;
}

}  // namespace sb::audit
