#include "mirror/mirror.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/log.h"
#include "mirror/check.h"
#include "mirror/restore.h"
#include "mirror/scratch_folder.h"

namespace sb::mirror {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kCopyWait{20};
constexpr std::size_t kSegmentBytesMax = 16 << 20;
constexpr milliseconds kFirstPause{50};
constexpr milliseconds kLogEvery{1'000};

// What a wait does not mend, and a person must.
bool is_final(Errc code) {
  return code == Errc::conflict || code == Errc::corrupt || code == Errc::unsupported ||
         code == Errc::permission_denied || code == Errc::not_found;
}

}  // namespace

Mirror::Mirror(std::unique_ptr<Target> target, MirrorOptions options)
    : target_(std::move(target)), options_(std::move(options)), spool_(options_.spool_folder) {
  SB_ASSERT(options_.key.size() == 32 && options_.on_end);
}

Result<> Mirror::opened(const CopyState& state) {
  state_ = state;
  {
    const std::lock_guard lock(mutex_);
    stats_.groups_committed = state.groups;
  }
  drop_left_copies(options_.database);
  thread_ = std::thread([this] {
    run();
    const std::lock_guard lock(mutex_);
    finished_ = true;
    done_.notify_all();
  });
  std::unique_lock lock(mutex_);
  const auto is_refused = [&] { return first_attempt_ && !*first_attempt_ && is_final(first_attempt_->error().code); };
  done_.wait_for(lock, options_.first_patience, [&] { return let_go_ || first_attempt_.has_value(); });
  if (is_refused()) return *first_attempt_;
  if (options_.before_ack) {
    if (!first_attempt_ || !*first_attempt_) log_warn("mirror.waited_for", {{"place", target_->name()}});
    done_.wait(lock, [&] {
      return let_go_ || ended_ || is_refused() || (attached_ && stats_.groups_mirrored >= state.groups);
    });
    if (ended_) return std::unexpected(*ended_);
    if (is_refused()) return *first_attempt_;
    if (let_go_)
      return fail(Errc::cancelled, fmt::format("stopped while it waited for the mirror {}", target_->name()));
  }
  in_service_ = true;
  return {};
}

void drop_left_copies(const std::string& database) {
  drop_copy(database + ".snapshot");
  const auto folder = std::filesystem::path(database).parent_path();
  for (const char* left : {kCheckFolder, kRestoreFolder}) ScratchFolder::drop_abandoned((folder / left).string());
}

Mirror::~Mirror() {
  if (!thread_.joinable()) return;
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    give_up_at_ = Steady::now() + (in_service_ ? options_.patience_at_end : milliseconds(0));
    wake_.notify_one();
    done_.wait_until(lock, give_up_at_, [&] { return finished_; });
  }
  target_->interrupt();  // a place that does not answer is waited for no longer
  thread_.join();
}

bool Mirror::committed(Group group) {
  std::unique_lock lock(mutex_);
  const std::uint64_t number = group.number;
  if (options_.before_ack)
    done_.wait(lock, [&] { return let_go_ || queue_bytes_ < options_.queue_bytes_max; });
  else if (queue_bytes_ >= options_.queue_bytes_max)
    overflow(number);
  queue_bytes_ += group.patchset.size();
  stats_.groups_committed = number;
  queue_.push_back({std::move(group), Steady::now()});
  wake_.notify_one();
  if (!options_.before_ack) return true;
  done_.wait(lock, [&] { return let_go_ || stats_.groups_mirrored >= number; });
  return stats_.groups_mirrored >= number;
}

// The place was away for long: memory and disk are not filled for it. Its own lag stays to be seen.
void Mirror::overflow(std::uint64_t before) {
  if (!std::exchange(overflowed_, true)) log_warn("mirror.overflowed", {{"group", before}});
  if (!overflowed_since_) overflowed_since_ = queue_.front().since;
  queue_.clear();
  queue_bytes_ = 0;
  spool_.drop_to(before - 1);
}

void Mirror::let_go() {
  {
    const std::lock_guard lock(mutex_);
    let_go_ = true;
  }
  done_.notify_all();
}

MirrorStats Mirror::stats() const {
  const std::lock_guard lock(mutex_);
  MirrorStats stats = stats_;
  const auto oldest = sending_since_      ? sending_since_
                      : overflowed_since_ ? overflowed_since_
                      : queue_.empty()    ? std::nullopt
                                          : std::optional(queue_.front().since);
  if (oldest) stats.lag_seconds = std::chrono::duration<double>(Steady::now() - *oldest).count();
  return stats;
}

std::vector<store::sqlite::GroupSink::Group> Mirror::take() {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, has_to_hurry() ? kCopyWait : kLogEvery, [&] { return stopping_ || !queue_.empty(); });
  std::vector<Group> groups;
  if (overflowed_) return groups;  // first the snapshot: a segment with a gap before it could not be restored
  std::size_t bytes = 0;
  if (!queue_.empty()) sending_since_ = queue_.front().since;
  while (!queue_.empty() && bytes < kSegmentBytesMax) {
    bytes += queue_.front().group.patchset.size();
    groups.push_back(std::move(queue_.front().group));
    queue_.pop_front();
  }
  queue_bytes_ -= bytes;
  return groups;
}

void Mirror::note_failure(const Error& error) {
  log_warn("mirror.failed", {{"code", to_string(error.code)}, {"detail", error.detail}});
  const std::lock_guard lock(mutex_);
  ++stats_.failures;
}

// Until it works. False: the mirror is another's, or is closed and out of patience.
bool Mirror::keep_trying(const std::function<Result<>()>& work) {
  milliseconds pause = kFirstPause;
  for (bool first = true;; first = false) {
    const Result<> done = work();
    if (done) return true;
    if (done.error().code == Errc::conflict) {
      end(done.error());
      return false;
    }
    if (first) log_warn("mirror.failed", {{"code", to_string(done.error().code)}, {"detail", done.error().detail}});
    std::unique_lock lock(mutex_);
    ++stats_.failures;
    if (stopping_ && Steady::now() > give_up_at_) return false;
    wake_.wait_for(lock, pause, [&] { return stopping_ && Steady::now() > give_up_at_; });
    pause = std::min(pause * 2, options_.longest_pause);
  }
}

bool Mirror::out_of_patience() const {
  const std::lock_guard lock(mutex_);
  return stopping_ && Steady::now() > give_up_at_;
}

void Mirror::end(Error error) {
  bool in_service = false;
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    in_service = in_service_;
    ended_ = error;
  }
  done_.notify_all();
  if (in_service) options_.on_end(error);
}

// False: opened() says why, or has said that it is another's.
bool Mirror::attach_first() {
  const Result<> first = attach();
  bool refused = false;
  {
    const std::lock_guard lock(mutex_);
    first_attempt_ = first;
    refused = !first && is_final(first.error().code) && !in_service_;
  }
  done_.notify_all();
  if (first) return true;
  note_failure(first.error());
  return !refused && keep_trying([&] { return attach(); });
}

// Something is done between segments, in steps.
bool Mirror::has_to_hurry() const {
  return job_ || !old_objects_.empty() || !stale_lists_.empty() || log_goes_on_;
}

void Mirror::run() {
  if (!attach_first()) return;
  done_.notify_all();
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      behind_ |= std::exchange(overflowed_, false);
    }
    // Segments after a gap are of no use before the snapshot that fills it; else it is made between them.
    while (behind_) {
      if (!keep_trying([&] { return step_snapshot(kCopyWait); }) || out_of_patience()) return;
    }
    advance_snapshot();
    remove_some_old();
    Outgoing outgoing{.groups = take()};
    if (!outgoing.groups.empty()) {
      if (!keep_trying([&] { return send_segment(outgoing); })) {
        log_error("mirror.groups_not_sent", {{"groups", outgoing.groups.size()}});
        return;
      }
      spool_.drop_to(last_group_);
      const std::lock_guard lock(mutex_);
      stats_.groups_mirrored = std::max(stats_.groups_mirrored, last_group_);
      sending_since_.reset();
    }
    done_.notify_all();
    if (const auto sent = send_log(); !sent && sent.error().code == Errc::conflict)
      return end(sent.error());
    else if (!sent)
      note_failure(sent.error());
    const std::lock_guard lock(mutex_);
    if (ended_ || (stopping_ && queue_.empty() && !overflowed_)) return;
  }
}

Result<> Mirror::put_object(const std::string& name, std::string_view plain) {
  const std::string sealed = seal_object(options_.key, name, plain, system_entropy());
  SB_CHECK(target_->put(name, sealed));
  const std::lock_guard lock(mutex_);
  stats_.bytes += sealed.size();
  return {};
}

// Keys before what they open; what is erased after the segment that says so, before anybody hears that it is: whoever
// goes on from here, if it is not us, finishes it.
Result<> Mirror::send_segment(Outgoing& outgoing) {
  if (outgoing.sealed.empty()) seal_segment(outgoing);
  if (!outgoing.in_place) {
    for (const Object& list : outgoing.lists) SB_CHECK(target_->put(list.name, list.bytes));
    SB_CHECK(put_segment(outgoing));
    outgoing.in_place = true;
    segment_ += 1;
    previous_ = sha256(outgoing.sealed);
    if (!outgoing.groups.empty()) last_group_ = std::max(last_group_, outgoing.groups.back().number);
    bytes_since_snapshot_ += outgoing.sealed.size();
    const std::lock_guard lock(mutex_);
    for (const Object& list : outgoing.lists) stats_.bytes += list.bytes.size();
    stats_.bytes += outgoing.sealed.size();
  }
  return drop_erased(outgoing.erased);
}

void Mirror::seal_segment(Outgoing& outgoing) {
  Segment segment;
  segment.number = segment_ + 1;
  segment.first_group = outgoing.groups.empty() ? last_group_ : outgoing.groups.front().number;
  segment.last_group = outgoing.groups.empty() ? last_group_ : outgoing.groups.back().number;
  segment.previous = previous_;
  segment.lineage = state_.lineage;
  segment.snapshot = snapshot_;
  segment.published = published_;
  seal_lists(segment, outgoing);
  segment.resealed = sealed_anew_at_.has_value();
  for (const Group& group : outgoing.groups) {
    segment.patchsets.push_back(group.patchset);
    for (const KeyChange& change : group.keys) {
      if (change.sealed.empty()) segment.erased.push_back({change.kind, change.no});
    }
  }
  outgoing.erased = segment.erased;
  outgoing.sealed = seal_object(options_.key, segment_name(segment.number), encode_segment(segment), system_entropy());
}

Result<> Mirror::put_segment(const Outgoing& outgoing) {
  const std::string name = segment_name(segment_ + 1);
  const auto put = target_->put_new(name, outgoing.sealed);
  if (put || put.error().code != Errc::already_exists) return put;
  SB_TRY(const std::string there, target_->get(name));
  if (there == outgoing.sealed) return {};  // an answer was lost
  return fail(Errc::conflict,
              fmt::format("{} of the mirror {} is not from here: another server has this mirror now, and "
                          "goes on with what was in it",
                          name, target_->name()));
}

// The published log is written over, which nobody is refused: who was replaced must not show what it has.
Result<> Mirror::still_ours() {
  const auto next = target_->get(segment_name(segment_ + 1));
  if (next) return fail(Errc::conflict, fmt::format("another server has the mirror {} now", target_->name()));
  return next.error().code == Errc::not_found ? Result<>() : std::unexpected(next.error());
}

}  // namespace sb::mirror
