/// The whole database in a mirror, so that a restore need not apply every group since the beginning.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "mirror/key_lists.h"
#include "mirror/segment.h"
#include "mirror/target.h"

namespace sb::mirror {

/// Removes a copy of the database, with all that SQLite keeps beside it: it holds keys that an erasure does not reach.
void drop_copy(const std::string& path);

struct Snapshot {
  SnapshotId id;
  std::uint64_t segment = 0;  ///< the newest one when it was begun; a restore goes on with the next
  Digest previous{};          ///< hash of that segment, for the next to continue
  Micros time_us = 0;         ///< when it was begun
  std::uint64_t pieces = 0;
  Digest content{};  ///< over the hashes of its pieces
  std::vector<ListSpan> lists;
  std::uint64_t keyless = 0;  ///< runs that never had a key of their own
};

/// Runs with neither a key nor a mark that they were erased: what they hold was sealed before runs had keys.
inline constexpr const char* kKeylessRuns =
    "SELECT count(*) FROM runs r WHERE NOT EXISTS (SELECT 1 FROM data_keys k WHERE k.run = r.no)";

/// Those that have a manifest, oldest first. Which one counts the chain of segments says.
Result<std::vector<SnapshotId>> list_snapshots(Target& target);
/// Errors: corrupt.
Result<Snapshot> parse_manifest(const SnapshotId& id, std::string_view text);
/// The snapshot that an object is part of.
std::optional<SnapshotId> snapshot_of(std::string_view object);
/// Errors: not_found, corrupt (also: another key).
Result<Snapshot> read_snapshot(Target& target, std::string_view key, const SnapshotId& id);

/// Makes one, in bounded steps: whoever has something else to send to the mirror does it in between.
class SnapshotJob {
 public:
  /// `newest`: the end of the chain. `tag`: of whoever makes it. Borrows the target. The copy is made by a thread of
  /// its own, and has no data keys and no values behind tenants' placeholders: they lie apart, in lists.
  SnapshotJob(Target& target, std::string key, std::string database, std::string tag, std::uint64_t newest,
              const Digest& hash);
  ~SnapshotJob();
  SnapshotJob(const SnapshotJob&) = delete;
  SnapshotJob& operator=(const SnapshotJob&) = delete;

  /// One list, one piece, one piece read back. Waits for the copy at most `patience`. True: the snapshot is whole; it
  /// counts when a segment says so. After an error the same step can be tried again. Errors: as the target's; corrupt
  /// (what is read back differs).
  Result<bool> step(std::chrono::milliseconds patience);
  /// These went since the copy was made, and must not come back with it.
  void erased(SealedKind kind, const std::set<std::int64_t>& numbers);
  /// REQUIRES that step() said true.
  const Snapshot& snapshot() const { return snapshot_; }

 private:
  enum class Phase { copy, lists, strip, pieces, read_back, manifest, done };
  /// `work` in a thread of its own; true when it is done.
  Result<bool> in_thread(Result<> (SnapshotJob::*work)(), std::chrono::milliseconds patience);
  Result<> copy();
  Result<> strip();
  Result<bool> send_list();
  Result<bool> send_piece();
  Result<bool> read_back();
  Result<> send_manifest();

  Target& target_;
  const std::string key_;
  const std::string database_;
  const std::string path_;  ///< of the copy
  Snapshot snapshot_;
  Phase phase_ = Phase::copy;
  std::atomic<bool> stop_ = false;
  std::future<Result<>> working_;
  SealedKind kind_ = SealedKind::data_key;
  std::int64_t listed_ = 0;  ///< up to this number
  std::set<std::int64_t> erased_keys_;
  std::set<std::int64_t> erased_tokens_;
  std::uint64_t checked_ = 0;  ///< pieces read back
  Digest read_{};
};

/// Writes it to `path`. Errors: not_found, corrupt (also where the pieces are not those that were written), disk_full.
Result<Snapshot> fetch_snapshot(Target& target, std::string_view key, const SnapshotId& id, const std::string& path);

}  // namespace sb::mirror
