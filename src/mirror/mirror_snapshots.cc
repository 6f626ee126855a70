// When a mirror gets a new snapshot, and what goes for it.
#include <algorithm>

#include "base/log.h"
#include "mirror/mirror.h"
#include "mirror/prune.h"

namespace sb::mirror {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRotationQuiet{1'000};  // no batch of a rotation came for so long: it has ended
constexpr milliseconds kRetry{5'000};
constexpr std::size_t kRemovalsInStep = 32;

}  // namespace

bool Mirror::snapshot_is_due() const {
  if (last_group_ <= snapshot_.group) return false;
  return system_clock().now_us() - snapshot_time_ >= options_.snapshot_after_us ||
         bytes_since_snapshot_ > options_.snapshot_after_bytes ||
         (sealed_anew_at_ && Steady::now() - *sealed_anew_at_ > kRotationQuiet);
}

// What fails is tried again after a pause; segments are sent meanwhile.
void Mirror::advance_snapshot() {
  if (Steady::now() < retry_at_ || (!job_ && !snapshot_is_due())) return;
  const auto done = step_snapshot(milliseconds(0));
  if (done) return;
  if (done.error().code == Errc::conflict) return end(done.error());
  note_failure(done.error());
  retry_at_ = Steady::now() + kRetry;
}

// It is made; a segment says that it counts; what it stands in for goes.
Result<> Mirror::step_snapshot(milliseconds patience) {
  if (!job_) {
    job_ = std::make_unique<SnapshotJob>(*target_, options_.key, options_.database, tag_of(state_.lineage), segment_,
                                         previous_);
    job_began_ = Steady::now();
    bytes_before_job_ = bytes_since_snapshot_;
    const std::lock_guard lock(mutex_);
    stats_.making_snapshot = true;
  }
  const auto done = job_->step(patience);
  if (!done && done.error().code == Errc::corrupt) job_.reset();  // it must be written again, not read again
  if (!done) return std::unexpected(done.error());
  if (!*done) return {};
  if (snapshot_ != job_->snapshot().id) {
    SB_CHECK(begin_to_count());
    stale_known_ = false;
  }
  if (!stale_known_) SB_CHECK(find_stale_lists());
  stale_known_ = true;
  SB_CHECK(remove_stale_lists(kRemovalsInStep));
  if (stale_lists_.empty()) finish_snapshot();
  return {};
}

// Before, a manifest that a replaced server wrote is only that: what counts is in the chain.
Result<> Mirror::begin_to_count() {
  const Snapshot& made = job_->snapshot();
  const SnapshotId before = std::exchange(snapshot_, made.id);
  Outgoing mark;
  seal_segment(mark);
  if (!keep_trying([&] { return send_segment(mark); })) {  // no other segment can come before it
    snapshot_ = before;
    return fail(Errc::cancelled, "the mirror is closed");
  }
  snapshot_segment_ = made.segment;
  snapshot_time_ = made.time_us;
  last_group_ = std::max(last_group_, made.id.group);
  return {};
}

void Mirror::finish_snapshot() {
  behind_ = false;
  job_.reset();
  // What came while it was made may not be in it.
  bytes_since_snapshot_ -= bytes_before_job_;
  if (sealed_anew_at_ && *sealed_anew_at_ < job_began_) sealed_anew_at_.reset();
  spool_.drop_to(last_group_);
  {
    const std::lock_guard lock(mutex_);
    stats_.groups_mirrored = std::max(stats_.groups_mirrored, last_group_);
    if (!overflowed_) overflowed_since_.reset();
  }
  done_.notify_all();
  if (const auto found = find_old(); !found) note_failure(found.error());  // the next snapshot looks again
  const std::lock_guard lock(mutex_);
  stats_.making_snapshot = !old_objects_.empty();
}

Result<> Mirror::find_old() {
  SB_TRY(old_objects_, prunable(*target_, options_.key, snapshot_, system_clock().now_us() - options_.keep_us));
  std::ranges::reverse(old_objects_);
  return {};
}

// Some at a time: others wait for this thread. A place may refuse (Object Lock, rights): then they stay, and nothing
// else suffers.
void Mirror::remove_some_old() {
  if (!job_) (void)remove_stale_lists(kRemovalsInStep);
  if (old_objects_.empty()) return;
  Result<> done;
  for (std::size_t i = 0; done && i < kRemovalsInStep && !old_objects_.empty(); ++i) {
    done = target_->remove(old_objects_.back());
    if (done) old_objects_.pop_back();
  }
  if (!done) log_warn("mirror.not_pruned", {{"code", to_string(done.error().code)}, {"detail", done.error().detail}});
  if (!done) old_objects_.clear();
  if (!old_objects_.empty()) return;
  const std::lock_guard lock(mutex_);
  stats_.making_snapshot = job_ != nullptr;
}

}  // namespace sb::mirror
