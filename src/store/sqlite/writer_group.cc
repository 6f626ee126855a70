// What a commit brings beside its run, and what a group writes once for all its commits.
#include <fmt/format.h>
#include <sqlite3.h>

#include "base/crypto.h"
#include "store/sqlite/columns.h"
#include "store/sqlite/writer.h"

namespace sb::store::sqlite {
namespace {

constexpr Micros kDayUs = 86'400'000'000;
constexpr Micros kHeadBucketUs = 10'000'000;  // one old tree head is kept for each
// A row of leaves stays small enough to read one of them without reading a megabyte.
constexpr std::size_t kMaxPackLeaves = 256;
constexpr std::size_t kMaxPackBytes = 64 * 1024;

std::int64_t floor_divide(std::int64_t value, std::int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

}  // namespace

std::int64_t day_of(Micros time_us) {
  return floor_divide(time_us, kDayUs);
}

Result<> Writer::write_rest(Work& work) {
  const Commit& commit = work.prepared.commit;
  if (commit.review_create || commit.review_change) SB_CHECK(write_review(work.prepared));
  if (commit.update && (is_final(commit.update->status) || commit.update->status == RunStatus::suspended))
    SB_CHECK(run(sql_.expire_reviews.bind_blob(1, blob_of(commit.update->id.uuid)), "cannot store a review in"));
  if (!commit.spend_key.empty()) group_spending_[{commit.spend_key, day_of(commit.spend_at_us)}] += commit.spend;
  SB_CHECK(write_outbox(work));
  SB_CHECK(write_notes(work));
  SB_CHECK(write_labels(work));
  SB_CHECK(erase(commit));
  SB_CHECK(write_keys(commit));
  SB_CHECK(rename_requests(commit.rename));
  for (const auto& [name, text] : commit.documents) {
    const std::string packed = pack_column(text);
    SB_CHECK(run(sql_.put_document.bind(1, name).bind_blob(2, packed), "cannot store a document in"));
  }
  return {};
}

Result<> Writer::write_outbox(const Work& work) {
  const Commit& commit = work.prepared.commit;
  for (const OutboxRow& row : commit.outbox) {
    sql_.put_outbox.bind(1, work.run->no).bind(2, static_cast<std::int64_t>(row.seq)).bind_blob(3, row.sealed);
    SB_CHECK(run(sql_.put_outbox, "cannot store what a run has to tell in"));
  }
  for (const std::int64_t no : commit.told)
    SB_CHECK(run(sql_.drop_told.bind(1, no), "cannot take what was told out of"));
  return {};
}

// Sealed under a key that is gone, and found by its mark all the same: nothing may be added to a run that was erased,
// nor does it go on.
Result<> Writer::check_not_erased(const Work& work) {
  const Commit& commit = work.prepared.commit;
  if ((commit.notes.empty() && commit.labels.empty() && !commit.reopen) || !work.run) return {};
  const ResetAtEnd reset(sql_.find_erased);
  const int found = sql_.find_erased.bind(1, work.run->no).step();
  if (found == SQLITE_DONE) return {};
  if (found != SQLITE_ROW) return fatal("cannot read a run's key from");
  return fail(Errc::conflict, fmt::format("the content of run {} was erased", commit.run.to_string()));
}

Result<> Writer::write_notes(const Work& work) {
  const Commit& commit = work.prepared.commit;
  bool tagged = false;
  for (const NoteRow& note : commit.notes) {
    sql_.put_note.bind_blob(1, blob_of(commit.run.uuid)).bind(2, static_cast<std::int64_t>(note.kind));
    sql_.put_note.bind(3, note.name);
    if (note.mark.empty())
      sql_.put_note.bind_null(4);
    else
      sql_.put_note.bind(4, note.mark);
    SB_CHECK(run(sql_.put_note.bind_blob(5, note.sealed), "cannot store what is noted in"));
    tagged |= note.kind == NoteKind::tag;
  }
  return tagged ? set_tags(work) : Result<>();
}

Result<> Writer::write_labels(const Work& work) {
  const Commit& commit = work.prepared.commit;
  for (const LabelRow& label : commit.labels) {
    sql_.put_label.bind(1, label.id).bind_blob(2, blob_of(commit.run.uuid)).bind(3, label.tenant);
    sql_.put_label.bind(4, label.intent).bind(5, label.route).bind(6, static_cast<std::int64_t>(label.origin));
    sql_.put_label.bind(7, label.author).bind(8, label.created_us).bind_blob(9, label.sealed);
    SB_CHECK(run(sql_.put_label, "cannot store a label in"));
  }
  return {};
}

Result<> Writer::set_tags(const Work& work) {
  std::string marks;
  {
    const ResetAtEnd reset(sql_.list_marks);
    sql_.list_marks.bind_blob(1, blob_of(work.prepared.commit.run.uuid));
    int result;
    while ((result = sql_.list_marks.step()) == SQLITE_ROW) (marks += sql_.list_marks.bytes(0)) += '\n';
    if (result != SQLITE_DONE) return fatal("cannot read tags from");
  }
  const Digest hash = sha256(marks);
  constexpr std::size_t kBytes = 16;  // sets of tags are as far apart as runs are
  sql_.set_tags.bind_blob(1, {reinterpret_cast<const char*>(hash.data()), kBytes}).bind(2, work.run->no);
  return run(sql_.set_tags, "cannot store tags in");
}

Result<> Writer::write_review(const PreparedCommit& prepared) {
  const bool born = prepared.commit.review_create.has_value();
  const ReviewRow& row = born ? *prepared.commit.review_create : prepared.commit.review_change->row;
  Statement& put = born ? sql_.insert_review : sql_.update_review;
  put.bind_blob(1, blob_of(row.id.uuid)).bind(2, static_cast<std::int64_t>(row.state)).bind(3, row.reason);
  put.bind(4, row.priority).bind(5, row.claimed_by).bind(6, row.claim_until_us).bind(7, row.decided_by);
  put.bind(8, row.decided_us).bind(9, row.due_us).bind_blob(10, prepared.question).bind_blob(11, prepared.verdict);
  if (born) {
    put.bind_blob(12, blob_of(row.run.uuid)).bind(13, static_cast<std::int64_t>(row.step)).bind(14, row.tenant);
    put.bind(15, row.created_us);
  }
  return run(put, "cannot store a review in");
}

Result<> Writer::write_group() {
  for (const auto& [key_day, amount] : group_spending_) {
    sql_.add_spending.bind(1, key_day.first).bind(2, key_day.second).bind(3, amount);
    SB_CHECK(run(sql_.add_spending, "cannot store spending in"));
  }
  if (group_leaves_ > 0) SB_CHECK(write_leaves());
  const auto head = log_.take_head(0);
  return head ? write_head(*head) : Result<>();
}

Result<> Writer::write_leaves() {
  std::string_view rest = group_bundle_;
  std::uint64_t first = next_leaf_;
  std::string pack;
  while (!rest.empty()) {
    std::string_view after = rest;
    std::uint64_t count = 0;
    while (!after.empty() && count < kMaxPackLeaves && rest.size() - after.size() < kMaxPackBytes) {
      SB_CHECK(take_leaf(after));
      ++count;
    }
    pack.assign(1, '\0');
    pack += rest.substr(0, rest.size() - after.size());
    pack = compress_record(std::move(pack));
    sql_.insert_leaves.bind(1, static_cast<std::int64_t>(first))
        .bind(2, static_cast<std::int64_t>(count))
        .bind_blob(3, pack);
    SB_CHECK(run(sql_.insert_leaves, "cannot append audit leaves to"));
    first += count;
    rest = after;
  }
  return {};
}

Result<> Writer::write_head(const StoredTreeHead& head) {
  const Micros now = clock_.now_us();
  if (head_size_ > 0 && head_size_ != head.size &&
      floor_divide(now, kHeadBucketUs) == floor_divide(head_time_, kHeadBucketUs)) {
    SB_CHECK(run(sql_.drop_head.bind(1, static_cast<std::int64_t>(head_size_)), "cannot store a tree head in"));
  }
  sql_.insert_head.bind(1, static_cast<std::int64_t>(head.size)).bind(2, now).bind(3, head.note);
  SB_CHECK(run(sql_.insert_head, "cannot store a tree head in"));
  group_head_ = GroupHead{head.size, now};
  return {};
}

}  // namespace sb::store::sqlite
