/// Copies every group of commits to another place, so that a lost machine is made again from there.
///
/// With `before_ack` nobody hears of a commit before it is in the mirror (recovery point 0); else the mirror follows as
/// fast as it can, and `stats()` says how far behind it is. Faults of the place only add lag: everything is tried
/// again.
///
/// A mirror belongs to one database. Every start writes a segment that says so, and nobody can write a segment twice:
/// so whoever was replaced, by a database that a restore made, finds out with the next thing it writes, and has changed
/// nothing by then.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "audit/tile_files.h"
#include "base/clock.h"
#include "mirror/chain.h"
#include "mirror/key_lists.h"
#include "mirror/segment.h"
#include "mirror/snapshot.h"
#include "mirror/spool.h"
#include "mirror/target.h"
#include "store/sqlite/group_sink.h"

namespace sb::mirror {

struct MirrorOptions {
  std::string key;  ///< 32 bytes; seals everything in the mirror
  bool before_ack = false;
  std::string database;                        ///< path, for snapshots
  std::string audit_folder;                    ///< the published log; empty: none
  std::string spool_folder;                    ///< for what is not in the mirror yet (spool.h)
  std::map<std::string, std::string> secrets;  ///< the data directory's key files by name
  /// A snapshot is made after so many bytes of segments, and when the last one is so old: both bound a restore's time.
  std::uint64_t snapshot_after_bytes = std::uint64_t{256} << 20;
  Micros snapshot_after_us = Micros{86'400} * 1'000'000;
  Micros keep_us = Micros{30} * 86'400 * 1'000'000;   ///< older snapshots and segments stay for so long
  std::size_t queue_bytes_max = 128 << 20;            ///< beyond it the writer waits, or only a snapshot can bring it
  std::chrono::milliseconds longest_pause{5'000};     ///< between attempts
  std::chrono::milliseconds first_patience{5'000};    ///< for the first attempt to reach the place, at a start
  std::chrono::milliseconds patience_at_end{10'000};  ///< what waits is tried so long when the mirror is closed
  /// The mirror is another's now (conflict): nothing that is committed from here on gets there. On the mirror's thread.
  std::function<void(const Error&)> on_end;
};

/// Takes away copies of the database that a killed process was making: an erasure does not reach what is in them.
/// REQUIRES that the caller has the database's lock.
void drop_left_copies(const std::string& database);

struct MirrorStats {
  std::uint64_t groups_committed = 0;
  std::uint64_t groups_mirrored = 0;  ///< the watermark
  std::uint64_t failures = 0;         ///< attempts that failed and are made again
  std::uint64_t bytes = 0;            ///< sent since the start
  double lag_seconds = 0;             ///< age of the oldest group that is not in the mirror
  bool making_snapshot = false;
};

class Mirror final : public store::sqlite::GroupSink {
 public:
  /// Does nothing before opened(), which the store calls. REQUIRES options.on_end.
  Mirror(std::unique_ptr<Target> target, MirrorOptions options);
  /// Sends what waits, for `patience_at_end` at most.
  ~Mirror() override;

  /// Where the place cannot be reached: with `before_ack` waits until it can, and has what the database has; else goes
  /// on without. Errors: conflict (the mirror is ahead of the database, or another's), corrupt (also: another key),
  /// unsupported, permission_denied, not_found (the bucket), cancelled (let_go()).
  /// Whoever has the mirror is told so by the first attempt, if that takes a few seconds at most.
  Result<> opened(const CopyState& state) override;
  void committing(const Group& group) override { spool_.append(group); }
  bool committed(Group group) override;
  /// Nobody hears of commits any more (the server stops): committed() and opened() wait no longer for the mirror.
  void let_go();
  MirrorStats stats() const;

 private:
  using Steady = std::chrono::steady_clock;
  using milliseconds = std::chrono::milliseconds;
  struct Waiting {
    Group group;
    Steady::time_point since;
  };
  /// A segment on its way. Made once: an attempt whose answer was lost may have succeeded.
  struct Outgoing {
    std::vector<Group> groups = {};
    std::vector<Object> lists = {};  ///< keys and values that come with it, sealed
    std::string sealed = {};
    std::vector<Erased> erased = {};
    bool in_place = false;
  };

  // mirror.cc: the thread, and what it sends.
  void run();
  bool attach_first();
  void overflow(std::uint64_t before);
  std::vector<Group> take();
  bool keep_trying(const std::function<Result<>()>& work);
  void note_failure(const Error& error);
  bool has_to_hurry() const;
  bool out_of_patience() const;
  void end(Error error);
  Result<> send_segment(Outgoing& outgoing);
  void seal_segment(Outgoing& outgoing);
  Result<> put_segment(const Outgoing& outgoing);
  Result<> put_object(const std::string& name, std::string_view plain);
  Result<> still_ours();

  // mirror_log.cc: the published log.
  struct ShownHead {
    std::string note;
    std::uint64_t groups = 0;  ///< committed when it was shown: its leaves are in them
  };
  Result<> send_log();
  Result<> send_tree(const audit::TileFiles& files);
  Result<> send_tiles(const audit::TileFiles& files, std::uint64_t from, std::uint64_t to, bool only_full);

  // mirror_attach.cc: whose the mirror is, and what it lacks.
  Result<> attach();
  Result<> check_owner(const ChainEnd& end) const;
  Result<> claim(const std::optional<ChainEnd>& end);
  Result<> put_secrets();
  Result<> queue_missing();
  Result<> fill_keys(std::vector<Group>& groups) const;

  // mirror_lists.cc: keys, and what was erased.
  std::vector<ListEntry> listed(SealedKind kind, const std::vector<Group>& groups);
  void seal_lists(Segment& segment, Outgoing& outgoing);
  Result<> drop_erased(const std::vector<Erased>& erased);
  Result<> drop_listed(SealedKind kind, const std::set<std::int64_t>& numbers);
  Result<> give_up_list(const std::string& name, const Error& why);
  Result<> rewrite_lists(SealedKind kind, const std::set<std::int64_t>& numbers, std::span<const std::string> names);
  Result<> find_stale_lists();
  Result<> remove_stale_lists(std::size_t max);

  // mirror_snapshots.cc
  bool snapshot_is_due() const;
  void advance_snapshot();
  Result<> step_snapshot(milliseconds patience);
  Result<> begin_to_count();
  void finish_snapshot();
  Result<> find_old();
  void remove_some_old();

  const std::unique_ptr<Target> target_;
  const MirrorOptions options_;
  Spool spool_;
  CopyState state_;  ///< as opened() was told
  // Of the thread:
  std::uint64_t segment_ = 0;  ///< number of the newest one
  Digest previous_{};          ///< its hash
  std::uint64_t last_group_ = 0;
  PublishedTree published_;  ///< the mirror's, as far as segments say it
  std::uint64_t bytes_since_snapshot_ = 0;
  SnapshotId snapshot_;                               ///< the one that counts
  std::uint64_t snapshot_segment_ = 0;                ///< with which it began
  Micros snapshot_time_ = 0;                          ///< when
  std::optional<Steady::time_point> sealed_anew_at_;  ///< lists hold what was sealed by a key that is gone or will be
  bool behind_ = false;                               ///< there are groups that only a snapshot can bring
  std::unique_ptr<SnapshotJob> job_;                  ///< the one in the making
  Steady::time_point job_began_;
  std::uint64_t bytes_before_job_ = 0;
  bool stale_known_ = false;
  std::vector<std::string> stale_lists_;  ///< to be taken away
  std::vector<std::string> old_objects_;  ///< that too, when there is time: a snapshot stands in for them
  Steady::time_point retry_at_;           ///< not before, after a step failed
  bool log_goes_on_ = false;              ///< there are more steps
  std::optional<ShownHead> next_head_;    ///< to be sent when its leaves are in the mirror
  std::string sent_checkpoint_;
  std::optional<std::uint64_t> sent_tiles_;  ///< leaves whose full tiles are there
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
  std::optional<Result<>> first_attempt_;  ///< to attach
  bool attached_ = false;
  std::optional<Steady::time_point> overflowed_since_;  ///< the first of what was dropped
  bool overflowed_ = false;                             ///< groups were dropped that only a snapshot can bring now
  bool in_service_ = false;                             ///< opened() has returned
  std::optional<Error> ended_;
  bool stopping_ = false;
  bool finished_ = false;  ///< the thread has nothing more to do
  bool let_go_ = false;
  Steady::time_point give_up_at_;
  std::thread thread_;
};

}  // namespace sb::mirror
