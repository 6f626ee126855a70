#include "audit/log.h"

#include <fmt/format.h>

#include "audit/leaf.h"
#include "base/log.h"

namespace sb::audit {

Result<std::unique_ptr<AuditLog>> AuditLog::create(std::string_view seed, AuditLogOptions options) {
  SB_TRY(SigningKey key, SigningKey::from_seed(seed));
  if (options.origin.empty()) options.origin = default_origin(key.public_key());
  if (options.origin.find_first_of(" +\t\r\n") != std::string::npos) {
    return fail(Errc::invalid_argument, "the audit log's origin must not hold blanks or plus signs", "audit.origin");
  }
  NoteSigner signer(options.origin, std::move(key));
  return std::unique_ptr<AuditLog>(new AuditLog(std::move(signer), std::move(options)));
}

void AuditLog::encode(std::string& out, LeafIndex index, const store::LeafDraft& draft) {
  append_leaf_text(out, index, draft);
}

std::optional<store::StoredTreeHead> AuditLog::take_head(std::uint64_t wait_for) {
  if (!publisher_) return std::nullopt;
  auto head = publisher_->head(wait_for);
  if (!head || (taken_size_ && head->size <= *taken_size_)) return std::nullopt;
  taken_size_ = head->size;
  return store::StoredTreeHead{head->size, std::move(head->note)};
}

// Whoever saw one of these may come back with it: the stored one and those in the folder need not be the same.
Result<std::vector<TreeHead>> AuditLog::promised(const std::optional<std::string>& stored,
                                                 const TileFiles* files) const {
  std::vector<std::string> notes{stored.value_or("")};
  if (files) {
    notes.push_back(files->read_note(TileFiles::kCheckpoint));
    notes.push_back(files->read_note(TileFiles::kWitnessed));
    for (const WitnessPlace& place : options_.witness.places)
      notes.push_back(files->read_note(witness_file(place.key)));
  }
  std::vector<TreeHead> heads;
  for (const std::string& note : notes) {
    // None, or cut short or ending in zeros: what is shown is not synced, and power loss tears it. The stored one is
    // whole.
    if (!note.ends_with('\n')) continue;
    auto head = open_tree_head(note, verifier());
    if (!head) {
      // The same key under another name: nothing is wrong with the record.
      const std::string name = note.substr(0, note.find('\n'));
      if (name != verifier().name() && name.find_first_of(" +\t\r") == std::string::npos &&
          NoteVerifier(name, verifier().public_key()).open(note)) {
        return fail(Errc::conflict,
                    fmt::format("this data directory's log is called {}, audit.origin makes it {}: a log keeps its "
                                "name; set audit.origin to {}, or begin a log of the new name in a new data directory",
                                name, verifier().name(), name),
                    "audit.origin");
      }
      return fail(Errc::corrupt, fmt::format("the record was not signed with this data directory's key ({}); restore "
                                             "keys/audit.seed, or the database that belongs to it",
                                             head.error().detail));
    }
    heads.push_back(*std::move(head));
  }
  std::ranges::sort(heads, {}, &TreeHead::size);
  return heads;
}

Result<TileEdge> AuditLog::replay(TileEdge edge, std::uint64_t size, const LeafAt& leaf_at,
                                  const std::vector<TreeHead>& promised) const {
  auto next = promised.begin();
  const auto keeps_promises = [&] {
    while (next != promised.end() && next->size < edge.size()) ++next;  // under full tiles that lead to a later one
    for (; next != promised.end() && next->size == edge.size(); ++next) {
      if (next->root != edge.root()) return false;
    }
    return true;
  };
  bool kept = keeps_promises();
  while (kept && edge.size() < size) {
    SB_TRY(const std::string leaf, leaf_at(static_cast<LeafIndex>(edge.size())));
    edge.append(leaf);
    kept = keeps_promises();
  }
  if (kept && next == promised.end()) return edge;
  return fail(Errc::corrupt,
              fmt::format("the audit log does not lead to its tree head at {} leaves; run `signalbox audit verify`",
                          next->size));
}

Result<> AuditLog::open(std::uint64_t size, const LeafAt& leaf_at, std::optional<std::string> last_tree_head) {
  if (!options_.sign) return {};
  std::optional<TileFiles> files;
  if (!options_.folder.empty()) {
    SB_TRY(files, TileFiles::open(options_.folder));
  }
  SB_TRY(const std::vector<TreeHead> heads, promised(last_tree_head, files ? &*files : nullptr));
  if (!heads.empty() && heads.back().size > size) {
    return fail(Errc::corrupt,
                fmt::format("the database has {} audit leaves, but a tree head was shown for {}: it is older than its "
                            "record; restore the newest one",
                            size, heads.back().size));
  }
  const std::uint64_t synced = files ? std::min(files->synced(), size / kTileWidth * kTileWidth) : 0;
  Result<TileEdge> edge = fail(Errc::not_found, "no tiles");
  if (synced > 0) {
    edge = TileEdge::restore(synced, [&](const TileId& id) { return files->read(id); });
    if (edge) edge = replay(*std::move(edge), size, leaf_at, heads);
    if (!edge) log_warn("audit.tiles_rebuilt", {{"leaves", size}, {"why", edge.error().detail}});
  }
  if (!edge) edge = replay(TileEdge(), size, leaf_at, heads);
  if (!edge) return std::unexpected(edge.error());
  taken_size_.reset();
  witnesses_.reset();
  timestamps_.reset();
  publisher_ = std::make_unique<Publisher>(signer_, *std::move(edge), std::move(files), options_.publish);
  if (!options_.witness.places.empty()) {
    SB_TRY(witnesses_, Witnesses::start(options_.witness, verifier(), options_.folder, *publisher_));
  }
  if (options_.timestamp.url) {
    SB_TRY(timestamps_, Timestamps::start(options_.timestamp, options_.folder, *publisher_));
  }
  return {};
}

}  // namespace sb::audit
