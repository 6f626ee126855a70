#include "mirror/mirror.h"

#include <fmt/format.h>

#include <algorithm>

#include "audit/checkpoint_note.h"
#include "audit/tile_files.h"
#include "audit/timestamps.h"
#include "base/log.h"

namespace sb::mirror {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kCopyWait{20};
constexpr std::size_t kQueueBytesMax = 128 << 20;  // beyond it the writer waits
constexpr std::size_t kSegmentBytesMax = 16 << 20;
constexpr milliseconds kFirstPause{50};
constexpr milliseconds kLongestPause{5'000};
constexpr milliseconds kLogEvery{1'000};

// What stays of an erased data key says that it was erased: a restored database knows it too. Whether something went.
bool take_out(SealedKind kind, std::vector<ListEntry>& entries, const std::set<std::int64_t>& numbers) {
  if (kind == SealedKind::token)
    return std::erase_if(entries, [&](const ListEntry& entry) { return numbers.contains(entry.no); }) > 0;
  bool changed = false;
  for (ListEntry& entry : entries) {
    if (entry.sealed.empty() || !numbers.contains(entry.no)) continue;
    entry = ListEntry{entry.no, {}, {}, {}, {}};
    changed = true;
  }
  return changed;
}

// Leaves whose full tiles lead to the tree head that the mirror has: they were sent before it.
std::uint64_t tiles_sent(Target& target) {
  const auto note = target.get("audit/checkpoint");
  if (!note) return 0;
  const auto parts = audit::parse_note(*note);
  const auto head =
      parts ? audit::parse_tree_head(parts->text) : Result<audit::TreeHead>(std::unexpected(parts.error()));
  return head ? head->size / audit::kTileWidth * audit::kTileWidth : 0;
}

}  // namespace

Result<std::unique_ptr<Mirror>> Mirror::open(std::unique_ptr<Target> target, MirrorOptions options) {
  SB_ASSERT(options.key.size() == 32);
  std::unique_ptr<Mirror> mirror(new Mirror(std::move(target), std::move(options)));
  drop_copy(mirror->options_.database + ".snapshot");  // which a killed process was making
  mirror->sent_tiles_ = tiles_sent(*mirror->target_);
  SB_TRY(const auto segments, mirror->target_->list("segments/"));
  if (!segments.empty()) {
    SB_TRY(const std::string sealed, mirror->target_->get(segments.back()));
    SB_TRY(const std::string plain, open_object(mirror->options_.key, segments.back(), sealed));
    SB_TRY(const Segment newest, parse_segment(plain));
    mirror->segment_ = newest.number;
    mirror->previous_ = sha256(sealed);
    mirror->last_group_ = newest.last_group;
  }
  SB_TRY(const auto snapshots, list_snapshots(*mirror->target_));
  mirror->behind_ = snapshots.empty();
  if (snapshots.empty()) return mirror;
  SB_TRY(const Snapshot snapshot, read_snapshot(*mirror->target_, mirror->options_.key, snapshots.back()));
  mirror->snapshot_time_ = snapshot.time_us;
  mirror->snapshot_group_ = snapshot.group;
  mirror->last_group_ = std::max(mirror->last_group_, snapshot.group);
  if (snapshot.segment > mirror->segment_) {  // all up to it were pruned
    mirror->segment_ = snapshot.segment;
    mirror->previous_ = snapshot.previous;
  }
  return mirror;
}

Result<> Mirror::opened(std::uint64_t groups) {
  if (last_group_ > groups) {
    return fail(Errc::conflict,
                fmt::format("the mirror {} holds {} groups of commits, this database {}: restore the database from it "
                            "(signalbox restore), or name another place",
                            target_->name(), last_group_, groups));
  }
  // What was committed and not sent before the last stop is in the database, and so in a snapshot of it.
  behind_ |= last_group_ < groups;
  stats_.groups_committed = groups;
  stats_.groups_mirrored = last_group_;
  thread_ = std::thread([this] { run(); });
  return {};
}

Mirror::~Mirror() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    give_up_at_ = Steady::now() + options_.patience_at_end;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Mirror::committed(Group group) {
  std::unique_lock lock(mutex_);
  const std::uint64_t number = group.number;
  done_.wait(lock, [&] { return let_go_ || queue_bytes_ < kQueueBytesMax; });
  queue_bytes_ += group.patchset.size();
  stats_.groups_committed = number;
  queue_.push_back({std::move(group), Steady::now()});
  wake_.notify_one();
  if (options_.before_ack) done_.wait(lock, [&] { return let_go_ || stats_.groups_mirrored >= number; });
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
  const auto oldest = sending_since_   ? sending_since_
                      : queue_.empty() ? std::nullopt
                                       : std::optional(queue_.front().since);
  if (oldest) stats.lag_seconds = std::chrono::duration<double>(Steady::now() - *oldest).count();
  return stats;
}

std::vector<store::sqlite::GroupSink::Group> Mirror::take() {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, job_ ? kCopyWait : kLogEvery, [&] { return stopping_ || !queue_.empty(); });
  std::vector<Group> groups;
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

template <class Work>
bool Mirror::keep_trying(Work work) {
  milliseconds pause = kFirstPause;
  for (bool first = true;; first = false) {
    const Result<> done = work();
    if (done) return true;
    if (first) log_warn("mirror.failed", {{"code", to_string(done.error().code)}, {"detail", done.error().detail}});
    std::unique_lock lock(mutex_);
    ++stats_.failures;
    if (stopping_ && Steady::now() > give_up_at_) return false;
    wake_.wait_for(lock, pause, [&] { return stopping_ && Steady::now() > give_up_at_; });
    pause = std::min(pause * 2, kLongestPause);
  }
}

bool Mirror::out_of_patience() const {
  const std::lock_guard lock(mutex_);
  return stopping_ && Steady::now() > give_up_at_;
}

void Mirror::run() {
  if (!options_.secrets.empty()) {
    std::string secrets;
    for (const auto& [name, bytes] : options_.secrets)
      secrets += encode_list(SealedKind::data_key, {{0, name, bytes, {}, {}}});
    if (!keep_trying([&] { return put_object("secrets", secrets); })) return;
  }
  if (const auto done = target_->clean_up(); !done)
    log_warn("mirror.not_tidied", {{"code", to_string(done.error().code)}, {"detail", done.error().detail}});
  for (;;) {
    // Segments after a gap are of no use before the snapshot that fills it; else it is made between them.
    while (behind_) {
      if (!keep_trying([&] { return step_snapshot(kCopyWait); }) || out_of_patience()) return;
    }
    advance_snapshot();
    const std::vector<Group> groups = take();
    if (!groups.empty()) {
      std::string sealed;  // the same bytes each time: an attempt whose answer was lost may have succeeded
      if (!keep_trying([&] { return send_segment(groups, sealed); })) {
        log_error("mirror.groups_not_sent", {{"groups", groups.size()}});
        return;
      }
      const std::lock_guard lock(mutex_);
      stats_.groups_mirrored = last_group_;
      sending_since_.reset();
    }
    done_.notify_all();
    if (Steady::now() - log_sent_ >= kLogEvery) {
      if (const auto sent = send_log(); !sent)
        log_warn("mirror.failed", {{"code", to_string(sent.error().code)}, {"detail", sent.error().detail}});
      log_sent_ = Steady::now();
    }
    const std::lock_guard lock(mutex_);
    if (stopping_ && queue_.empty()) return;
  }
}

Result<> Mirror::put_object(const std::string& name, std::string_view plain) {
  const std::string sealed = seal_object(options_.key, name, plain, system_entropy());
  SB_CHECK(target_->put(name, sealed));
  const std::lock_guard lock(mutex_);
  stats_.bytes += sealed.size();
  return {};
}

// Keys before what they open, and erased keys away before the segment that says so: at no time does the mirror hold a
// segment whose keys it has not, or a key that the database has no more.
Result<> Mirror::send_segment(const std::vector<Group>& groups, std::string& sealed) {
  const std::string name = segment_name(segment_ + 1);
  if (sealed.empty()) {
    Segment segment;
    segment.number = segment_ + 1;
    segment.first_group = groups.front().number;
    segment.last_group = groups.back().number;
    segment.previous = previous_;
    for (const Group& group : groups) segment.patchsets.push_back(group.patchset);
    sealed = seal_object(options_.key, name, encode_segment(segment), system_entropy());
  }
  for (const auto kind : {SealedKind::data_key, SealedKind::token})
    SB_CHECK(send_list(kind, padded(segment_ + 1), groups));
  if (auto put = target_->put_new(name, sealed); !put) {
    if (put.error().code != Errc::already_exists) return put;
    SB_TRY(const std::string there, target_->get(name));
    if (there != sealed)
      return fail(Errc::conflict,
                  fmt::format("{} is in the mirror already, and not from here: another server writes to "
                              "this mirror, or wrote to it",
                              name));
  }
  segment_ += 1;
  previous_ = sha256(sealed);
  last_group_ = groups.back().number;
  bytes_since_snapshot_ += sealed.size();
  const std::lock_guard lock(mutex_);
  stats_.bytes += sealed.size();
  return {};
}

Result<> Mirror::send_list(SealedKind kind, const std::string& stem, const std::vector<Group>& groups) {
  std::map<std::int64_t, ListEntry> came;  // of what came and went in one segment nothing sealed is written
  std::set<std::int64_t> went;
  for (const Group& group : groups) {
    for (const KeyChange& change : group.keys) {
      if (change.kind != kind) continue;
      // Older lists have it as it was before: the newest one counts, and a snapshot takes the older away. Thousands of
      // them, rewritten now, would keep those waiting who wait for this segment.
      if (change.replaces) sealed_anew_at_ = Steady::now();
      if (change.sealed.empty()) {
        went.insert(change.no);
        if (const auto it = came.find(change.no); it != came.end() && kind == SealedKind::data_key)
          it->second = ListEntry{change.no, {}, {}, {}, {}};
        else if (it != came.end())
          came.erase(it);
      } else {
        came[change.no] = {change.no, change.subject, change.sealed, change.tenant, change.token};
      }
    }
  }
  if (!came.empty()) {
    std::vector<ListEntry> entries;
    for (auto& [no, entry] : came) entries.push_back(std::move(entry));
    SB_CHECK(put_object(list_name(kind, stem, entries), encode_list(kind, entries)));
  }
  return went.empty() ? Result<>() : drop_listed(kind, went);
}

Result<> Mirror::drop_listed(SealedKind kind, const std::set<std::int64_t>& numbers) {
  SB_TRY(const auto names, target_->list(list_prefix(kind)));
  for (const std::string& name : names) {
    const auto range = range_of_list(name);
    if (!range) continue;
    const auto first = numbers.lower_bound(range->first);
    if (first == numbers.end() || *first > range->last) continue;
    SB_TRY(const std::string sealed, target_->get(name));
    SB_TRY(const std::string plain, open_object(options_.key, name, sealed));
    SB_TRY(auto entries, parse_list(kind, plain));
    if (!take_out(kind, entries, numbers)) continue;
    SB_CHECK(entries.empty() ? target_->remove(name) : put_object(name, encode_list(kind, entries)));
    forget_or_tell(*target_, name);
  }
  return {};
}

// For those who verify the log, not for a restore: that makes it from the leaves.
Result<> Mirror::send_log() {
  if (options_.audit_folder.empty()) return {};
  SB_TRY(const auto files, audit::TileFiles::open(options_.audit_folder));
  // First what others said of tree heads: then `checkpoint` is none older.
  const std::string witnessed = files.read_note(audit::TileFiles::kWitnessed);
  SB_TRY(const auto stamped, audit::newest_timestamp(*audit::open_log_folder(options_.audit_folder)));
  const std::string note = files.read_note(audit::TileFiles::kCheckpoint);
  if (note.empty()) return {};
  {
    // A tree head over leaves that the mirror lacks would be one that a restore cannot continue.
    const std::lock_guard lock(mutex_);
    if (stats_.groups_mirrored < stats_.groups_committed) return {};
  }
  if (note != sent_checkpoint_) SB_CHECK(send_tree(files, note));
  if (witnessed != sent_witnessed_) {
    SB_CHECK(target_->put(std::string("audit/") + audit::TileFiles::kWitnessed, witnessed));
    sent_witnessed_ = witnessed;
  }
  if (stamped && *stamped != sent_timestamp_) {
    for (const std::string& name :
         {audit::stamped_file(*stamped), audit::timestamp_file(*stamped), std::string(audit::kNewestTimestamp)})
      SB_CHECK(target_->put("audit/" + name, files.read_note(name)));
    sent_timestamp_ = *stamped;
  }
  return {};
}

// Tiles before the tree head.
Result<> Mirror::send_tree(const audit::TileFiles& files, const std::string& note) {
  SB_TRY(const audit::NoteParts parts, audit::parse_note(note));
  SB_TRY(const audit::TreeHead head, audit::parse_tree_head(parts.text));
  for (const audit::TileId& id : audit::tiles_since(sent_tiles_, head.size)) {
    SB_TRY(const std::string tile, files.read(id));
    SB_CHECK(target_->put("audit/" + id.path(), tile));
  }
  SB_CHECK(target_->put("audit/checkpoint", note));
  sent_checkpoint_ = note;
  sent_tiles_ = head.size / audit::kTileWidth * audit::kTileWidth;
  return {};
}

}  // namespace sb::mirror
