#include <fmt/format.h>
#include <sqlite3.h>

#include "store/sqlite/writer.h"

namespace sb::store::sqlite {
namespace {

// Leaf bytes by index, one row kept: the log reads them in order.
class LeafRows {
 public:
  explicit LeafRows(Statement& read) : read_(read) {}

  Result<std::string> at(LeafIndex index) {
    const auto wanted = static_cast<std::uint64_t>(index);
    if (wanted < first_ || wanted >= first_ + leaves_.size()) SB_CHECK(load(wanted));
    return leaves_[wanted - first_];
  }

 private:
  Result<> load(std::uint64_t wanted) {
    const ResetAtEnd reset(read_);
    if (read_.bind(1, static_cast<std::int64_t>(wanted)).step() != SQLITE_ROW) return gone(wanted);
    first_ = static_cast<std::uint64_t>(read_.integer(0));
    leaves_.clear();
    std::string buffer;
    SB_TRY(std::string_view pack, unpack(read_.bytes(2), buffer));
    while (!pack.empty()) {
      SB_TRY(const std::string_view leaf, take_leaf(pack));
      leaves_.emplace_back(leaf);
    }
    return wanted - first_ < leaves_.size() ? Result<>() : gone(wanted);
  }
  static std::unexpected<Error> gone(std::uint64_t index) {
    return fail(Errc::corrupt, fmt::format("audit leaf {} is missing; run `signalbox audit verify`", index));
  }

  Statement& read_;
  std::uint64_t first_ = 0;
  std::vector<std::string> leaves_;
};

}  // namespace

Result<std::unique_ptr<Writer>> Writer::open(Database database, LeafLog& log, const Clock& clock, GroupSink* sink) {
  std::unique_ptr<Writer> writer(new Writer(std::move(database), log, clock));
  SB_CHECK(writer->prepare_statements());
  SB_TRY(const auto last,
         writer->database_.integer(
             "SELECT max(coalesce(max(no), 0), (SELECT coalesce(max(no), 0) FROM runs)) FROM journal"));
  writer->next_journal_ = last + 1;
  SB_CHECK(writer->copy_to(sink));  // before the log: no leaf is shown that a copy must have first
  SB_CHECK(writer->open_log());
  return writer;
}

Result<> Writer::copy_to(GroupSink* sink) {
  if (!sink) return database_.execute("UPDATE mirror_state SET groups = groups + 1, mark = x'' WHERE groups > 0");
  SB_TRY(const GroupSink::CopyState state, copy_state());
  groups_ = state.groups;
  group_mark_ = state.mark;
  SB_CHECK(sink->opened(state));
  SB_TRY(recorder_, GroupRecorder::begin(database_));
  sink_ = sink;
  return {};
}

Result<GroupSink::CopyState> Writer::copy_state() {
  SB_CHECK(database_.execute(
      "BEGIN IMMEDIATE;"
      "INSERT INTO mirror_lineages (lineage, base_segment, base_hash) VALUES (randomblob(16), 0, x'');"
      "DELETE FROM mirror_lineages WHERE base_segment = 0 AND no <= (SELECT max(no) FROM mirror_lineages) - 1000;"
      "COMMIT"));
  GroupSink::CopyState state;
  SB_TRY(Statement now, database_.prepare("SELECT groups, mark FROM mirror_state"));
  if (now.step() != SQLITE_ROW) return std::unexpected(database_.error("cannot read of its copies from"));
  state.groups = static_cast<std::uint64_t>(now.integer(0));
  state.mark = now.text(1);
  SB_TRY(Statement rows, database_.prepare("SELECT lineage, base_segment, base_hash FROM mirror_lineages ORDER BY no"));
  int result;
  while ((result = rows.step()) == SQLITE_ROW) {
    state.lineage = rows.text(0);
    state.lineages.push_back(state.lineage);
    if (rows.integer(1) == 0) continue;
    state.base_segment = static_cast<std::uint64_t>(rows.integer(1));
    state.base_hash = rows.text(2);
  }
  if (result != SQLITE_DONE) return std::unexpected(database_.error("cannot read of its copies from"));
  return state;
}

Result<> Writer::open_log() {
  SB_TRY(const auto size,
         database_.integer("SELECT coalesce((SELECT first + count FROM leaves ORDER BY first DESC LIMIT 1), 0)"));
  next_leaf_ = static_cast<std::uint64_t>(size);
  std::optional<std::string> note;
  SB_TRY(Statement head, database_.prepare("SELECT size, time_us, note FROM tree_heads ORDER BY size DESC LIMIT 1"));
  if (head.step() == SQLITE_ROW) {
    head_size_ = static_cast<std::uint64_t>(head.integer(0));
    head_time_ = head.integer(1);
    note = head.text(2);
  }
  if (head_size_ > next_leaf_) {
    return fail(Errc::corrupt,
                fmt::format("the audit log has {} leaves, but a tree head was signed for {}; run `signalbox audit "
                            "verify`",
                            next_leaf_, head_size_));
  }
  SB_TRY(Statement read,
         database_.prepare("SELECT first, count, pack FROM leaves WHERE first <= ? ORDER BY first DESC LIMIT 1"));
  LeafRows rows(read);
  return log_.open(next_leaf_, [&](LeafIndex index) { return rows.at(index); }, std::move(note));
}

Result<> Writer::prepare_statements() {
  const struct {
    Statement& statement;
    std::string_view sql;
  } all[] = {
      {sql_.begin, "BEGIN IMMEDIATE"},
      {sql_.commit, "COMMIT"},
      {sql_.rollback, "ROLLBACK"},
      {sql_.insert_run,
       "INSERT INTO runs (no, id, tenant, key, flow, flow_hash, status, epoch, route, model, cost, cost_all_large, "
       "created_us, "
       "updated_us, ended_us, steps, last, final, idempotency_key, request_hash, error, rejected_cost, "
       "origin, origin_step) "
       "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
      {sql_.find_run, "SELECT no, last, epoch, status, steps FROM runs WHERE id = ?"},
      {sql_.find_idempotent, "SELECT id FROM runs WHERE tenant = ? AND idempotency_key = ?"},
      // Two forms: naming `status` makes SQLite rewrite the partial index's entry even where nothing changes.
      {sql_.update_run,
       "UPDATE runs SET epoch = ?1, route = ?2, model = ?3, cost = ?4, cost_all_large = ?5, updated_us = ?6, ended_us "
       "= ?7, "
       "steps = ?8, last = ?9, final = ?10, error = ?11, rejected_cost = ?14 WHERE no = ?12"},
      {sql_.update_run_status,
       "UPDATE runs SET epoch = ?1, route = ?2, model = ?3, cost = ?4, cost_all_large = ?5, updated_us = ?6, ended_us "
       "= ?7, "
       "steps = ?8, last = ?9, final = ?10, error = ?11, status = ?13, rejected_cost = ?14 WHERE no = ?12"},
      {sql_.update_chain, "UPDATE runs SET last = ?1, steps = ?2 WHERE no = ?3"},
      {sql_.insert_journal, "INSERT INTO journal (no, run, prev, leaf, leaves, body) VALUES (?, ?, ?, ?, ?, ?)"},
      {sql_.read_journal, "SELECT prev, body FROM journal WHERE no = ?"},
      {sql_.put_state, "INSERT OR REPLACE INTO states (run, body) VALUES (?, ?)"},
      {sql_.drop_state, "DELETE FROM states WHERE run = ?"},
      {sql_.put_timer, "INSERT INTO timers (run, due_us) VALUES (?, ?)"},
      {sql_.drop_timer, "DELETE FROM timers WHERE run = ?"},
      {sql_.put_listener, "INSERT OR IGNORE INTO listeners (run, type, tenant) VALUES (?, ?, ?)"},
      {sql_.drop_listeners, "DELETE FROM listeners WHERE run = ?"},
      {sql_.put_outbox, "INSERT INTO outbox (run, seq, body) VALUES (?, ?, ?)"},
      {sql_.drop_told, "DELETE FROM outbox WHERE no = ?"},
      {sql_.drop_outbox, "DELETE FROM outbox WHERE run = ?"},
      {sql_.put_note, "INSERT OR REPLACE INTO notes (run, kind, name, mark, body) VALUES (?, ?, ?, ?, ?)"},
      {sql_.drop_notes, "DELETE FROM notes WHERE run = ?"},
      {sql_.put_label,
       "INSERT OR REPLACE INTO labels (id, run, tenant, intent, route, origin, author, created_us, body) VALUES (?, ?, "
       "?, ?, ?, ?, ?, ?, ?)"},
      {sql_.drop_label, "DELETE FROM labels WHERE id = ?"},
      {sql_.drop_labels, "DELETE FROM labels WHERE run = ?"},
      {sql_.list_marks, "SELECT mark FROM notes WHERE run = ? AND kind = 0 ORDER BY mark"},
      {sql_.set_tags, "UPDATE runs SET tags = ? WHERE no = ?"},
      {sql_.find_erased, "SELECT 1 FROM data_keys WHERE run = ? AND wrapped IS NULL"},
      {sql_.insert_review,
       "INSERT INTO reviews (id, state, reason, priority, claimed_by, claim_until_us, decided_by, decided_us, due_us, "
       "question, "
       "verdict, run, step, tenant, created_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
      {sql_.find_review, "SELECT state, claimed_by FROM reviews WHERE id = ?"},
      {sql_.update_review,
       "UPDATE reviews SET state = ?2, reason = ?3, priority = ?4, claimed_by = ?5, claim_until_us = ?6, decided_by = "
       "?7, "
       "decided_us = ?8, due_us = ?9, question = ?10, verdict = ?11 WHERE id = ?1"},
      {sql_.expire_reviews, "UPDATE reviews SET state = 5 WHERE run = ? AND state IN (0, 1)"},
      {sql_.add_spending,
       "INSERT INTO spending (key, day, amount) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET amount = amount + "
       "excluded.amount"},
      {sql_.put_document, "INSERT OR REPLACE INTO documents (name, body) VALUES (?, ?)"},
      {sql_.insert_token,
       "INSERT INTO tenant_tokens (tenant, token, subject, sealed) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"},
      {sql_.drop_token, "DELETE FROM tenant_tokens WHERE no = ?"},
      {sql_.reseal_key, "UPDATE data_keys SET wrapped = ? WHERE run = ? AND wrapped = ? RETURNING subject"},
      {sql_.reseal_token,
       "UPDATE tenant_tokens SET sealed = ? WHERE no = ? AND sealed = ? RETURNING subject, tenant, token"},
      // The unary plus keeps SQLite on the row numbers: few come after those that were seen to already.
      {sql_.find_other_key,
       "SELECT 1 FROM data_keys k CROSS JOIN runs r ON r.no = k.run WHERE k.run > ?1 AND r.tenant = ?2 AND k.wrapped "
       "IS NOT NULL AND substr(k.wrapped, 1, 1) <> ?3 LIMIT 1"},
      {sql_.find_other_token,
       "SELECT 1 FROM tenant_tokens WHERE no > ?1 AND +tenant = ?2 AND substr(sealed, 1, 1) <> ?3 LIMIT 1"},
      {sql_.insert_data_key, "INSERT INTO data_keys (run, subject, wrapped) VALUES (?, ?, ?)"},
      {sql_.find_ended, "SELECT no, last, status FROM runs WHERE id = ?"},
      {sql_.drop_data_key,
       "INSERT INTO data_keys (run, subject, wrapped) VALUES (?, NULL, NULL) ON CONFLICT (run) DO UPDATE SET subject = "
       "NULL, wrapped = NULL"},
      {sql_.replace_body, "UPDATE journal SET body = ? WHERE no = ?"},
      {sql_.scrub_run,
       "UPDATE runs SET request_hash = '', idempotency_key = NULL, error = NULL, tags = NULL WHERE no = ?"},
      {sql_.rename_request, "UPDATE runs SET idempotency_key = ?1, request_hash = ?2 WHERE id = ?3"},
      {sql_.scrub_reviews, "UPDATE reviews SET question = x'00', verdict = x'00', reason = '' WHERE run = ?"},
      {sql_.count_group, "UPDATE mirror_state SET groups = groups + 1, mark = randomblob(8) RETURNING mark"},
      {sql_.insert_leaves, "INSERT INTO leaves (first, count, pack) VALUES (?, ?, ?)"},
      {sql_.insert_head, "INSERT OR REPLACE INTO tree_heads (size, time_us, note) VALUES (?, ?, ?)"},
      {sql_.drop_head, "DELETE FROM tree_heads WHERE size = ?"},
  };
  for (const auto& [statement, sql] : all) {
    SB_TRY(statement, database_.prepare(sql));
  }
  return {};
}

}  // namespace sb::store::sqlite
