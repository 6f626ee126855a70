/// Copies every group of commits to another place, so that a lost machine is made again from there.
///
/// With `before_ack` nobody hears of a commit before it is in the mirror (recovery point 0); else the mirror follows as
/// fast as it can, and `stats()` says how far behind it is. Faults of the place only add lag: everything is tried
/// again.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "audit/tile_files.h"
#include "base/clock.h"
#include "mirror/segment.h"
#include "mirror/snapshot.h"
#include "mirror/target.h"
#include "store/sqlite/group_sink.h"

namespace sb::mirror {

struct MirrorOptions {
  std::string key;  ///< 32 bytes; seals everything in the mirror
  bool before_ack = false;
  std::string database;                        ///< path, for snapshots
  std::string audit_folder;                    ///< the published log; empty: none
  std::map<std::string, std::string> secrets;  ///< the data directory's key files by name
  /// A snapshot is made after so many bytes of segments, and when the last one is so old: both bound a restore's time.
  std::uint64_t snapshot_after_bytes = std::uint64_t{256} << 20;
  Micros snapshot_after_us = Micros{86'400} * 1'000'000;
  Micros keep_us = Micros{30} * 86'400 * 1'000'000;   ///< older snapshots and segments stay for so long
  std::chrono::milliseconds patience_at_end{10'000};  ///< what waits is tried so long when the mirror is closed
};

struct MirrorStats {
  std::uint64_t groups_committed = 0;
  std::uint64_t groups_mirrored = 0;  ///< the watermark
  std::uint64_t failures = 0;         ///< attempts that failed and are made again
  std::uint64_t bytes = 0;            ///< sent since the start
  double lag_seconds = 0;             ///< age of the oldest group that is not in the mirror
};

class Mirror final : public store::sqlite::GroupSink {
 public:
  /// Looks at what is there. Errors: as the target's; corrupt (another key).
  static Result<std::unique_ptr<Mirror>> open(std::unique_ptr<Target> target, MirrorOptions options);
  /// Sends what waits, for `patience_at_end` at most.
  ~Mirror() override;

  Result<> opened(std::uint64_t groups) override;
  void committed(Group group) override;
  /// Nobody hears of commits any more (the server stops): committed() waits no longer for the mirror.
  void let_go();
  MirrorStats stats() const;

 private:
  using Steady = std::chrono::steady_clock;
  using milliseconds = std::chrono::milliseconds;
  struct Waiting {
    Group group;
    Steady::time_point since;
  };

  Mirror(std::unique_ptr<Target> target, MirrorOptions options)
      : target_(std::move(target)), options_(std::move(options)) {}
  void run();
  std::vector<Group> take();
  /// Until it works, or the mirror is closed and out of patience.
  template <class Work>
  bool keep_trying(Work work);
  Result<> send_segment(const std::vector<Group>& groups, std::string& sealed);
  Result<> send_list(SealedKind kind, const std::string& stem, const std::vector<Group>& groups);
  Result<> drop_listed(SealedKind kind, const std::set<std::int64_t>& numbers);
  Result<> put_object(const std::string& name, std::string_view plain);
  bool snapshot_is_due() const;
  void advance_snapshot();
  Result<> step_snapshot(milliseconds patience);
  void prune_old();
  bool out_of_patience() const;
  Result<> send_log();
  Result<> send_tree(const audit::TileFiles& files, const std::string& note);

  const std::unique_ptr<Target> target_;
  const MirrorOptions options_;
  // Of the thread:
  std::uint64_t segment_ = 0;  ///< number of the newest one
  Digest previous_{};          ///< its hash
  std::uint64_t last_group_ = 0;
  std::uint64_t bytes_since_snapshot_ = 0;
  Micros snapshot_time_ = 0;                          ///< of the newest one
  std::uint64_t snapshot_group_ = 0;                  ///< of the newest one
  std::optional<Steady::time_point> sealed_anew_at_;  ///< lists hold what was sealed by a key that is gone or will be
  bool behind_ = false;                               ///< there are groups that only a snapshot can bring
  std::unique_ptr<SnapshotJob> job_;                  ///< the one in the making
  Steady::time_point job_began_;
  std::uint64_t bytes_before_job_ = 0;
  Steady::time_point retry_at_;  ///< not before, after a step failed
  std::string sent_checkpoint_;
  std::uint64_t sent_tiles_ = 0;  ///< leaves whose full tiles are there
  std::string sent_witnessed_;
  std::uint64_t sent_timestamp_ = 0;  ///< leaves under the newest
  Steady::time_point log_sent_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  // Under mutex_:
  std::deque<Waiting> queue_;
  std::size_t queue_bytes_ = 0;
  std::optional<Steady::time_point> sending_since_;
  MirrorStats stats_;
  bool stopping_ = false;
  bool let_go_ = false;
  Steady::time_point give_up_at_;
  std::thread thread_;
};

}  // namespace sb::mirror
