// Takes out what must not stay: payloads of runs that have ended and the names of their requests, and a person's values
// out of a tenant's placeholders. Steps, costs and the record stay.
#include <sqlite3.h>

#include "store/sqlite/columns.h"
#include "store/sqlite/writer.h"

namespace sb::store::sqlite {

// Pages that become free are overwritten too, not only what lies in pages that are written anyway.
template <class Change>
Result<> Writer::without_a_trace(Change change) {
  SB_CHECK(database_.execute("PRAGMA secure_delete = ON"));
  const Result<> done = change();
  SB_CHECK(database_.execute("PRAGMA secure_delete = FAST"));
  return done;
}

Result<> Writer::erase(const Commit& commit) {
  if (commit.erase.empty() && commit.erase_tokens.empty() && commit.drop_labels.empty()) return {};
  return without_a_trace([&]() -> Result<> {
    for (const RunId& id : commit.erase) SB_CHECK(erase_run(id));
    for (const std::string& id : commit.drop_labels)
      SB_CHECK(run(sql_.drop_label.bind(1, id), "cannot erase a label in"));
    for (const std::int64_t no : commit.erase_tokens) SB_CHECK(erase_token(no));
    return {};
  });
}

Result<> Writer::rename_requests(const std::vector<RequestName>& names) {
  if (names.empty()) return {};
  return without_a_trace([&]() -> Result<> {
    for (const auto& [id, key, hash] : names) {
      const HexColumn request_hash(hash);
      sql_.rename_request.bind(1, key).bind_blob(3, blob_of(id.uuid));
      request_hash.bind(sql_.rename_request, 2);
      SB_CHECK(run(sql_.rename_request, "cannot rename a request in"));
    }
    return {};
  });
}

Result<> Writer::erase_run(RunId id) {
  std::int64_t no = 0;
  std::int64_t at = 0;
  {
    const ResetAtEnd reset(sql_.find_ended);
    if (sql_.find_ended.bind_blob(1, blob_of(id.uuid)).step() != SQLITE_ROW) return fatal("cannot read a run from");
    no = sql_.find_ended.integer(0);
    at = sql_.find_ended.integer(1);
  }
  SB_CHECK(run(sql_.drop_data_key.bind(1, no), "cannot erase a run's key in"));
  if (sink_) group_keys_.push_back({SealedKind::data_key, no, {}, {}, {}, {}});
  while (at != 0) {
    std::string kept;
    std::int64_t before = 0;
    {
      const ResetAtEnd reset(sql_.read_journal);
      if (sql_.read_journal.bind(1, at).step() != SQLITE_ROW) return fatal("cannot read a run's steps from");
      before = sql_.read_journal.integer(0);
      SB_TRY(kept, without_payloads(sql_.read_journal.bytes(1)));
    }
    SB_CHECK(run(sql_.replace_body.bind_blob(1, kept).bind(2, at), "cannot erase a run's content in"));
    at = before;
  }
  SB_CHECK(run(sql_.drop_state.bind(1, no), "cannot erase a run's state in"));
  SB_CHECK(run(sql_.drop_outbox.bind(1, no), "cannot erase what a run has to tell in"));
  SB_CHECK(run(sql_.drop_notes.bind_blob(1, blob_of(id.uuid)), "cannot erase what was noted in"));
  SB_CHECK(run(sql_.drop_labels.bind_blob(1, blob_of(id.uuid)), "cannot erase labels in"));
  SB_CHECK(run(sql_.scrub_reviews.bind_blob(1, blob_of(id.uuid)), "cannot erase a review in"));
  return run(sql_.scrub_run.bind(1, no), "cannot erase a run's request in");
}

Result<> Writer::erase_token(std::int64_t no) {
  SB_CHECK(run(sql_.drop_token.bind(1, no), "cannot erase a placeholder in"));
  if (sink_) group_keys_.push_back({SealedKind::token, no, {}, {}, {}, {}});
  return {};
}

}  // namespace sb::store::sqlite
