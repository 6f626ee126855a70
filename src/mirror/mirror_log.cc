// The published log in a mirror: for those who verify it, not for a restore, which makes it from the leaves.
#include <fmt/format.h>

#include <algorithm>

#include "audit/checkpoint_note.h"
#include "audit/log_source.h"
#include "audit/tile_files.h"
#include "audit/timestamps.h"
#include "mirror/mirror.h"
#include "mirror/mirrored_log.h"
#include "store/sqlite/codec.h"

namespace sb::mirror {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSayEvery{1'000};
constexpr std::uint64_t kLeavesInStep = 64 * audit::kTileWidth;  // a log that was there before the mirror is long

// Leaves whose full tiles lead to the tree head that the mirror has: they were sent before it.
Result<std::uint64_t> tiles_sent(Target& target) {
  const auto note = target.get("audit/checkpoint");
  if (!note && note.error().code != Errc::not_found) return std::unexpected(note.error());
  return note ? leaves_under(*note) / audit::kTileWidth * audit::kTileWidth : 0;
}

// A full tile takes the place of its partial ones.
Result<std::string> read_tile(const audit::TileFiles& files, const audit::TileId& id) {
  auto tile = files.read(id);
  if (tile || id.width == audit::kTileWidth) return tile;
  SB_TRY(std::string full, files.read({id.level, id.index}));
  return audit::cut_tile(id, std::move(full));
}

// The tree of `to` leaves, from those in the files that come after `from`, a multiple of 256.
Result<audit::TileEdge> grown(const audit::TileFiles& files, std::uint64_t from, std::uint64_t to) {
  const auto read = [&](const audit::TileId& id) { return read_tile(files, id); };
  SB_TRY(audit::TileEdge edge, audit::TileEdge::restore(from, read));
  while (edge.size() < to) {
    const auto width = static_cast<unsigned>(std::min(audit::kTileWidth, to - edge.size()));
    SB_TRY(const std::string bundle, read({audit::TileId::kEntries, edge.size() / audit::kTileWidth, width}));
    std::string_view rest = bundle;
    for (unsigned leaf = 0; leaf < width; ++leaf) {
      SB_TRY(const std::string_view bytes, store::sqlite::take_leaf(rest));
      edge.append(bytes);
    }
  }
  return edge;
}

}  // namespace

Result<> Mirror::send_log() {
  if (options_.audit_folder.empty() || (!log_goes_on_ && Steady::now() - log_sent_ < kSayEvery)) return {};
  log_sent_ = Steady::now();
  log_goes_on_ = false;
  SB_TRY(const auto files, audit::TileFiles::open(options_.audit_folder));
  // First what others said of tree heads: then `checkpoint` is none older.
  const std::string witnessed = files.read_note(audit::TileFiles::kWitnessed);
  // One that a power failure tore is none: the next one replaces it.
  const auto stamped = audit::newest_timestamp(*audit::open_log_folder(options_.audit_folder)).value_or(std::nullopt);
  std::uint64_t mirrored = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!next_head_ || next_head_->note == sent_checkpoint_)
      next_head_ = ShownHead{files.read_note(audit::TileFiles::kCheckpoint), stats_.groups_committed};
    mirrored = stats_.groups_mirrored;
  }
  const bool has_news =
      next_head_->note != sent_checkpoint_ || witnessed != sent_witnessed_ || (stamped && *stamped != sent_timestamp_);
  // A tree head over leaves that the mirror lacks would be one that a restore cannot continue.
  if (next_head_->note.empty() || mirrored < next_head_->groups || !has_news) return {};
  SB_CHECK(still_ours());
  if (next_head_->note != sent_checkpoint_) SB_CHECK(send_tree(files));
  if (next_head_->note != sent_checkpoint_) return {};  // more steps
  // Nothing that others said is of a newer tree head than the one that is shown beside it.
  if (witnessed != sent_witnessed_ && leaves_under(witnessed) <= leaves_under(sent_checkpoint_) && !witnessed.empty()) {
    SB_CHECK(target_->put(std::string("audit/") + audit::TileFiles::kWitnessed, witnessed));
    sent_witnessed_ = witnessed;
  }
  if (stamped && *stamped != sent_timestamp_ && *stamped <= leaves_under(sent_checkpoint_)) {
    for (const std::string& name :
         {audit::stamped_file(*stamped), audit::timestamp_file(*stamped), std::string(audit::kNewestTimestamp)})
      SB_CHECK(target_->put("audit/" + name, files.read_note(name)));
    sent_timestamp_ = *stamped;
  }
  return {};
}

// Tiles before the tree head, some at a time: others wait for this thread.
Result<> Mirror::send_tree(const audit::TileFiles& files) {
  SB_TRY(const audit::NoteParts parts, audit::parse_note(next_head_->note));
  SB_TRY(const audit::TreeHead head, audit::parse_tree_head(parts.text));
  if (!sent_tiles_) {
    SB_TRY(sent_tiles_, tiles_sent(*target_));
  }
  const std::uint64_t next = *sent_tiles_ + kLeavesInStep;
  if (next < head.size) {
    SB_CHECK(send_tiles(files, *sent_tiles_, next, true));
    sent_tiles_ = next;
    log_goes_on_ = true;
    return {};
  }
  SB_CHECK(send_tiles(files, *sent_tiles_, head.size, false));
  SB_CHECK(target_->put("audit/checkpoint", next_head_->note));
  sent_checkpoint_ = next_head_->note;
  published_ = {head.size, head.root};
  sent_tiles_ = head.size / audit::kTileWidth * audit::kTileWidth;
  return {};
}

// What a power failure tore is made again by the log's start, which may come after ours: until then it is not sent.
Result<> Mirror::send_tiles(const audit::TileFiles& files, std::uint64_t from, std::uint64_t to, bool only_full) {
  SB_TRY(const audit::NoteParts parts, audit::parse_note(next_head_->note));
  SB_TRY(const audit::TreeHead head, audit::parse_tree_head(parts.text));
  auto tree = grown(files, from, to);
  if (!tree || (to == head.size && tree->root() != head.root)) {
    sent_tiles_.reset();  // nor may what was sent on the way here stay
    return fail(Errc::unavailable,
                fmt::format("the files of the published log do not lead to its tree head of {} leaves{}", head.size,
                            tree ? "" : ": " + tree.error().detail));
  }
  std::vector<Object> objects;
  std::vector<audit::Tile> tiles = tree->take_full();
  if (!only_full) std::ranges::move(tree->partial(), std::back_inserter(tiles));
  for (audit::Tile& tile : tiles) objects.push_back({"audit/" + tile.id.path(), std::move(tile.bytes)});
  return target_->put_all(objects);
}

}  // namespace sb::mirror
