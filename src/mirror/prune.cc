#include "mirror/prune.h"

#include <algorithm>
#include <optional>
#include <ranges>

#include "mirror/snapshot.h"

namespace sb::mirror {
namespace {

Result<std::optional<Snapshot>> oldest_needed(Target& target, std::string_view key, const SnapshotId& current,
                                              Micros since_us) {
  SB_TRY(const auto snapshots, list_snapshots(target));
  for (const SnapshotId& id : snapshots | std::views::reverse) {
    if (id.group > current.group) continue;
    SB_TRY(Snapshot snapshot, read_snapshot(target, key, id));
    if (snapshot.time_us <= since_us) return snapshot;
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<std::string>> prunable(Target& target, std::string_view key, const SnapshotId& current,
                                          Micros since_us) {
  std::vector<std::string> old;
  SB_TRY(const auto oldest, oldest_needed(target, key, current, since_us));
  if (!oldest) return old;
  SB_TRY(const auto segments, target.list("segments/"));
  for (const std::string& name : segments) {
    if (number_at_end(name).value_or(UINT64_MAX) <= oldest->segment && &name != &segments.back()) old.push_back(name);
  }
  // The manifest first: without it the pieces are no snapshot. In one folder it sorts behind them.
  SB_TRY(const auto pieces, target.list("snapshots/"));
  for (const std::string& name : pieces | std::views::reverse) {
    const auto id = snapshot_of(name);
    if (id && id->group < oldest->id.group) old.push_back(name);
  }
  return old;
}

}  // namespace sb::mirror
