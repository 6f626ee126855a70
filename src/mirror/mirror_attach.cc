// Whose a mirror is, and what it lacks: at the start, or when its place can be reached at last.
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>

#include "base/log.h"
#include "mirror/mirror.h"
#include "store/sqlite/sql.h"

namespace sb::mirror {

using store::sqlite::Database;

// Nothing is changed before claim(), and by then nobody else writes there.
Result<> Mirror::attach() {
  SB_TRY(const auto end, read_chain_end(*target_, options_.key));
  if (end) SB_CHECK(check_owner(*end));
  SB_CHECK(claim(end));
  if (end) SB_CHECK(drop_erased(end->segment.erased));  // a kill may have come before
  SB_CHECK(find_stale_lists());
  if (const auto done = target_->clean_up(); !done)
    log_warn("mirror.not_tidied", {{"code", to_string(done.error().code)}, {"detail", done.error().detail}});
  SB_CHECK(put_secrets());
  SB_CHECK(queue_missing());
  const std::lock_guard lock(mutex_);
  attached_ = true;
  stats_.groups_mirrored = last_group_;
  return {};
}

Result<> Mirror::check_owner(const ChainEnd& end) const {
  const Segment& newest = end.segment;
  const std::string_view hash(reinterpret_cast<const char*>(end.hash.data()), end.hash.size());
  const bool is_base = newest.number == state_.base_segment && hash == state_.base_hash;
  const bool is_ours = std::ranges::find(state_.lineages, newest.lineage) != state_.lineages.end();
  if (!is_ours && !is_base) {
    return fail(
        Errc::conflict,
        fmt::format("the mirror {} {}: this one must not go on with its runs. Make it anew (signalbox restore), or "
                    "name another place",
                    target_->name(),
                    state_.base_segment > 0 ? "went on after this database was made from it"
                                            : "belongs to another database: one that a restore made, or a copy of "
                                              "this one that was started"));
  }
  const std::uint64_t groups = std::max(newest.last_group, newest.snapshot.group);
  if (groups > state_.groups) {
    return fail(Errc::conflict,
                fmt::format("the mirror {} holds {} groups of commits, this database {}: restore the database from it "
                            "(signalbox restore), or name another place",
                            target_->name(), groups, state_.groups));
  }
  return {};
}

Result<> Mirror::claim(const std::optional<ChainEnd>& end) {
  Segment segment;
  segment.number = 1;
  segment.lineage = state_.lineage;
  if (end) {
    segment.number = end->segment.number + 1;
    segment.previous = end->hash;
    segment.snapshot = end->segment.snapshot;
    segment.erased = end->segment.erased;
    segment.resealed = end->segment.resealed;
    segment.published = end->segment.published;
    segment.last_group = std::max(end->segment.last_group, segment.snapshot.group);
    segment.first_group = segment.last_group;
  }
  const std::string name = segment_name(segment.number);
  const std::string sealed = seal_object(options_.key, name, encode_segment(segment), system_entropy());
  if (const auto put = target_->put_new(name, sealed); !put) {
    if (put.error().code != Errc::already_exists) return put;
    return fail(Errc::unavailable, fmt::format("mirror: somebody wrote {} at this moment", name));
  }
  if (const auto again = target_->put_new(name, sealed); again || again.error().code != Errc::already_exists) {
    if (!again) return again;
    return fail(Errc::unsupported, fmt::format("the mirror {} lets an object be written twice (If-None-Match: * is not "
                                               "honoured there): it cannot tell one server from another",
                                               target_->name()));
  }
  snapshot_time_ = 0;
  snapshot_segment_ = 0;
  if (!segment.snapshot.none()) {
    SB_TRY(const Snapshot snapshot, read_snapshot(*target_, options_.key, segment.snapshot));
    snapshot_time_ = snapshot.time_us;
    snapshot_segment_ = snapshot.segment;
  }
  if (!end && state_.groups > 0) log_info("mirror.begun", {{"place", target_->name()}});
  segment_ = segment.number;
  previous_ = sha256(sealed);
  last_group_ = segment.last_group;
  snapshot_ = segment.snapshot;
  published_ = segment.published;
  sealed_anew_at_.reset();
  if (segment.resealed) sealed_anew_at_ = Steady::now();
  return {};
}

Result<> Mirror::put_secrets() {
  std::string secrets;
  for (const auto& [name, bytes] : options_.secrets)
    secrets += encode_list(SealedKind::data_key, {{0, name, bytes, {}, {}}});
  return put_object("secrets", secrets);
}

// What was committed and not sent before the last stop is in the spool; else in the database, and so in a snapshot of
// it.
Result<> Mirror::queue_missing() {
  behind_ = snapshot_.none();
  if (behind_ || last_group_ >= state_.groups) return {};
  auto groups = spool_.read(last_group_ + 1, state_.groups, state_.mark);
  const auto replaces = [](const Group& group) { return std::ranges::any_of(group.keys, &KeyChange::replaces); };
  // Keys are sent as they are now: where they were sealed anew, half of the way there would not open.
  behind_ = !groups || std::ranges::any_of(*groups, replaces);
  if (behind_) return {};
  SB_CHECK(fill_keys(*groups));
  const std::lock_guard lock(mutex_);
  for (auto group = groups->rbegin(); group != groups->rend(); ++group) {
    queue_bytes_ += group->patchset.size();
    queue_.push_front({std::move(*group), Steady::now()});
  }
  return {};
}

// As they are now: what went since is erased, what was sealed anew counts as it is.
Result<> Mirror::fill_keys(std::vector<Group>& groups) const {
  SB_TRY(Database live, Database::open(options_.database, Database::Access::read_only));
  SB_TRY(auto key, live.prepare("SELECT subject, wrapped, '', '' FROM data_keys WHERE run = ?"));
  SB_TRY(auto token, live.prepare("SELECT subject, sealed, tenant, token FROM tenant_tokens WHERE no = ?"));
  for (Group& group : groups) {
    for (KeyChange& change : group.keys) {
      auto& row = change.kind == SealedKind::token ? token : key;
      const store::sqlite::ResetAtEnd reset(row);
      const int found = row.bind(1, change.no).step();
      if (found == SQLITE_DONE) continue;
      if (found != SQLITE_ROW) return std::unexpected(live.error("cannot read keys of"));
      change.subject = row.text(0);
      change.sealed = row.text(1);
      change.tenant = row.text(2);
      change.token = row.text(3);
    }
  }
  return {};
}

}  // namespace sb::mirror
