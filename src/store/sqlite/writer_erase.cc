// Takes the payloads out of runs that have ended, and a person's values out of a tenant's placeholders; steps, costs
// and the record stay.
#include <sqlite3.h>

#include "store/sqlite/columns.h"
#include "store/sqlite/writer.h"

namespace sb::store::sqlite {

// Pages that become free are overwritten too, not only what lies in pages that are written anyway.
Result<> Writer::erase(const Commit& commit) {
  if (commit.erase.empty() && commit.erase_tokens.empty()) return {};
  SB_CHECK(database_.execute("PRAGMA secure_delete = ON"));
  Result<> done;
  for (std::size_t i = 0; done && i < commit.erase.size(); ++i) done = erase_run(commit.erase[i]);
  for (std::size_t i = 0; done && i < commit.erase_tokens.size(); ++i) done = erase_token(commit.erase_tokens[i]);
  SB_CHECK(database_.execute("PRAGMA secure_delete = FAST"));
  return done;
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
  SB_CHECK(run(sql_.scrub_reviews.bind_blob(1, blob_of(id.uuid)), "cannot erase a review in"));
  return run(sql_.scrub_run.bind(1, no), "cannot erase a run's request in");
}

Result<> Writer::erase_token(std::int64_t no) {
  SB_CHECK(run(sql_.drop_token.bind(1, no), "cannot erase a placeholder in"));
  if (sink_) group_keys_.push_back({SealedKind::token, no, {}, {}, {}, {}});
  return {};
}

}  // namespace sb::store::sqlite
