// When a mirror gets a new snapshot, and what goes for it.
#include "base/log.h"
#include "mirror/mirror.h"
#include "mirror/prune.h"

namespace sb::mirror {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRotationQuiet{1'000};  // no batch of a rotation came for so long: it has ended
constexpr milliseconds kRetry{5'000};

}  // namespace

bool Mirror::snapshot_is_due() const {
  if (last_group_ <= snapshot_group_) return false;
  return system_clock().now_us() - snapshot_time_ >= options_.snapshot_after_us ||
         bytes_since_snapshot_ > options_.snapshot_after_bytes ||
         (sealed_anew_at_ && Steady::now() - *sealed_anew_at_ > kRotationQuiet);
}

// What fails is tried again after a pause; segments are sent meanwhile.
void Mirror::advance_snapshot() {
  if (Steady::now() < retry_at_ || (!job_ && !snapshot_is_due())) return;
  const auto done = step_snapshot(milliseconds(0));
  if (done) return;
  log_warn("mirror.failed", {{"code", to_string(done.error().code)}, {"detail", done.error().detail}});
  retry_at_ = Steady::now() + kRetry;
  const std::lock_guard lock(mutex_);
  ++stats_.failures;
}

Result<> Mirror::step_snapshot(milliseconds patience) {
  if (!job_) {
    job_ = std::make_unique<SnapshotJob>(*target_, options_.key, options_.database, segment_, previous_);
    job_began_ = Steady::now();
    bytes_before_job_ = bytes_since_snapshot_;
  }
  const auto done = job_->step(patience);
  if (!done && done.error().code == Errc::corrupt) job_.reset();  // it must be written again, not read again
  if (!done) return std::unexpected(done.error());
  if (!*done) return {};
  snapshot_time_ = job_->snapshot().time_us;
  snapshot_group_ = job_->snapshot().group;
  last_group_ = std::max(last_group_, snapshot_group_);
  behind_ = false;
  job_.reset();
  // What came while it was made may not be in it.
  bytes_since_snapshot_ -= bytes_before_job_;
  if (sealed_anew_at_ && *sealed_anew_at_ < job_began_) sealed_anew_at_.reset();
  {
    const std::lock_guard lock(mutex_);
    stats_.groups_mirrored = std::max(stats_.groups_mirrored, snapshot_group_);
  }
  done_.notify_all();
  prune_old();
  return {};
}

// A place may refuse (Object Lock, rights): then they stay, and nothing else suffers.
void Mirror::prune_old() {
  const auto gone = prune(*target_, options_.key, system_clock().now_us() - options_.keep_us);
  if (!gone)
    log_warn("mirror.not_pruned", {{"code", to_string(gone.error().code)}, {"detail", gone.error().detail}});
  else if (*gone > 0)
    log_info("mirror.pruned", {{"objects", *gone}});
}

}  // namespace sb::mirror
