/// The whole database in a mirror, so that a restore need not apply every group since the beginning.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/errors.h"
#include "mirror/segment.h"
#include "mirror/target.h"

namespace sb::mirror {

/// Removes a copy of the database, with all that SQLite keeps beside it: it holds keys that an erasure does not reach.
void drop_copy(const std::string& path);

struct Snapshot {
  std::uint64_t group = 0;    ///< of commits: the newest one in it
  std::uint64_t segment = 0;  ///< the newest one when it was begun; a restore goes on with the next
  Digest previous{};          ///< hash of that segment, for the next to continue
  Micros time_us = 0;         ///< when it was begun; 0: not known
  std::uint64_t pieces = 0;
  Digest content{};  ///< over the hashes of its pieces; zero: not known
};

/// Groups of the whole snapshots there are, oldest first: those that have a manifest.
Result<std::vector<std::uint64_t>> list_snapshots(Target& target);
/// Errors: not_found, corrupt (also: another key).
Result<Snapshot> read_snapshot(Target& target, std::string_view key, std::uint64_t group);

/// Makes one, in bounded steps: whoever has something else to send to the mirror does it in between.
class SnapshotJob {
 public:
  /// `segment`, `previous`: the newest segment in the mirror and its hash. Borrows the target. The copy is made by a
  /// thread of its own, and has no data keys and no values behind tenants' placeholders: they lie apart, in lists that
  /// replace those so far, with what a crash kept in them that was erased or sealed anew.
  SnapshotJob(Target& target, std::string key, std::string database, std::uint64_t segment, const Digest& previous);
  ~SnapshotJob();
  SnapshotJob(const SnapshotJob&) = delete;
  SnapshotJob& operator=(const SnapshotJob&) = delete;

  /// One list, one piece, one piece read back. Waits for the copy at most `patience`. True: the snapshot is whole.
  /// After an error the same step can be tried again. Errors: as the target's; corrupt (what is read back differs).
  Result<bool> step(std::chrono::milliseconds patience);
  /// REQUIRES that step() said true.
  const Snapshot& snapshot() const { return snapshot_; }

 private:
  enum class Phase { copy, lists, old_lists, pieces, read_back, manifest, done };
  Result<> copy();
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
  std::future<Result<>> copying_;
  SealedKind kind_ = SealedKind::data_key;
  std::int64_t listed_ = 0;  ///< up to this number
  std::set<std::string> old_lists_;
  std::uint64_t checked_ = 0;  ///< pieces read back
  Digest read_{};
};

/// Writes the newest snapshot to `path`. Errors: not_found (none), corrupt.
Result<Snapshot> fetch_snapshot(Target& target, std::string_view key, const std::string& path);

}  // namespace sb::mirror
