#include "store/sqlite/reader.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>

#include "store/sqlite/codec.h"
#include "store/sqlite/columns.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/writer.h"

namespace sb::store::sqlite {
namespace {

constexpr std::size_t kMaxPage = 1000;

#define SB_RUN_COLUMNS                                                                                           \
  "no, final, id, tenant, key, flow, flow_hash, status, epoch, route, model, cost, cost_all_large, created_us, " \
  "updated_us, ended_us, idempotency_key, request_hash, error, coalesce(rejected_cost, -1), origin, origin_step"
#define SB_REVIEW_COLUMNS                                                                                       \
  "id, run, step, tenant, state, reason, priority, question, claimed_by, claim_until_us, decided_by, verdict, " \
  "created_us, decided_us, due_us"

RunRow thin_run(const Statement& row) {
  RunRow run;
  run.id = RunId(uuid_of(row.bytes(2)));
  run.tenant = row.text(3);
  run.key = row.text(4);
  run.flow = row.text(5);
  run.flow_hash = HexColumn::read(row, 6);
  run.status = static_cast<RunStatus>(row.integer(7));
  run.epoch = static_cast<LeaseEpoch>(row.integer(8));
  run.route = row.text(9);
  run.model = row.text(10);
  run.cost = row.integer(11);
  run.cost_all_large = row.integer(12);
  run.created_us = row.integer(13);
  run.updated_us = row.integer(14);
  run.ended_us = row.integer(15);
  run.idempotency_key = row.text(16);
  run.request_hash = HexColumn::read(row, 17);
  run.error = row.text(18);
  if (row.integer(19) >= 0) run.rejected_cost = row.integer(19);
  if (!row.bytes(20).empty()) {
    run.forked_from = RunId(uuid_of(row.bytes(20)));
    run.forked_at = static_cast<StepIndex>(row.integer(21));
  }
  return run;
}

Result<ReviewRow> review_of(const Statement& row) {
  ReviewRow review;
  std::string buffer;
  review.id = ReviewId(uuid_of(row.bytes(0)));
  review.run = RunId(uuid_of(row.bytes(1)));
  review.step = static_cast<StepIndex>(row.integer(2));
  review.tenant = row.text(3);
  review.state = static_cast<ReviewState>(row.integer(4));
  review.reason = row.text(5);
  review.priority = static_cast<int>(row.integer(6));
  SB_TRY(review.question, unpack(row.bytes(7), buffer));
  review.claimed_by = row.text(8);
  review.claim_until_us = row.integer(9);
  review.decided_by = row.text(10);
  SB_TRY(review.verdict, unpack(row.bytes(11), buffer));
  review.created_us = row.integer(12);
  review.decided_us = row.integer(13);
  review.due_us = row.integer(14);
  return review;
}

// Several statements of one answer see one state of the database.
class Snapshot {
 public:
  Snapshot(Statement& begin, Statement& end) : end_(end) {
    begin.step();
    begin.reset();
  }
  ~Snapshot() {
    end_.step();
    end_.reset();
  }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

 private:
  Statement& end_;
};

}  // namespace

Result<std::unique_ptr<Reader>> Reader::open(const std::string& path, std::size_t cache_kib) {
  SB_TRY(Database database, open_for_reading(path, cache_kib));
  std::unique_ptr<Reader> reader(new Reader(std::move(database)));
  SB_CHECK(reader->prepare_statements());
  return reader;
}

Result<> Reader::prepare_statements() {
  const struct {
    Statement& statement;
    std::string_view sql;
  } all[] = {
      {begin_, "BEGIN"},
      {end_, "COMMIT"},
      {run_by_id_, "SELECT " SB_RUN_COLUMNS " FROM runs WHERE id = ?"},
      {run_by_key_, "SELECT " SB_RUN_COLUMNS " FROM runs WHERE tenant = ? AND idempotency_key = ?"},
      {chain_, "SELECT last FROM runs WHERE id = ?"},
      {journal_, "SELECT prev, body FROM journal WHERE no = ?"},
      {state_, "SELECT run, body FROM states WHERE run = ?"},
      {data_key_, "SELECT wrapped, subject FROM data_keys WHERE run = ?"},
      // `status <> 6` is implied, but only said aloud does it let SQLite take the partial index.
      {open_runs_,
       "SELECT " SB_RUN_COLUMNS " FROM runs WHERE status = ? AND status <> 6 AND id > ? ORDER BY id LIMIT ?"},
      {review_, "SELECT " SB_REVIEW_COLUMNS " FROM reviews WHERE id = ?"},
      {costs_,
       // Which sets of tags are told apart is known first, from the index of runs that have any.
       "WITH sets (tags, run) AS MATERIALIZED (SELECT tags, max(id) FROM runs WHERE tags IS NOT NULL AND created_us >= "
       "?1 AND created_us < ?2 AND (?3 = '' OR tenant = ?3) GROUP BY tags ORDER BY sum(cost) DESC, tags LIMIT ?4) "
       "SELECT route, model, count(*), sum(cost), sum(cost_all_large), created_us / 86400000000 AS day, tenant, key, "
       "flow, count(rejected_cost), sum(iif(rejected_cost IS NULL, 0, cost)), coalesce(sum(rejected_cost), 0), "
       "sets.run "
       "AS tagged, runs.tags IS NOT NULL AND sets.run IS NULL AS others "
       "FROM runs LEFT JOIN sets ON sets.tags = runs.tags WHERE created_us >= ?1 AND created_us < ?2 AND (?3 = '' OR "
       "tenant = ?3) GROUP BY day, tenant, key, flow, route, model, tagged, others "
       "ORDER BY day, tenant, key, flow, route, model, tagged, others"},
      {spend_, "SELECT amount FROM spending WHERE key = ? AND day = ?"},
      {token_, "SELECT sealed FROM tenant_tokens WHERE tenant = ? AND token = ? LIMIT 1"},
      {document_, "SELECT body FROM documents WHERE name = ?"},
      {timers_,
       "SELECT due_us, run, id FROM timers CROSS JOIN runs ON no = run WHERE (due_us, run) > (?, ?) ORDER BY due_us, "
       "run LIMIT ?"},
      {listeners_,
       // Two walks of the index, merged in order: neither is read further than the page.
       "SELECT run, (SELECT id FROM runs WHERE no = run) FROM ("
       "SELECT run FROM listeners WHERE tenant = ?1 AND type = ?2 AND run > ?3 "
       "UNION SELECT run FROM listeners WHERE tenant = ?1 AND type = '' AND run > ?3 ORDER BY run LIMIT ?4)"},
      {outbox_,
       "SELECT o.no, r.id, o.seq, o.body FROM outbox o JOIN runs r ON r.no = o.run WHERE o.no > ? "
       "ORDER BY o.no LIMIT ?"},
      {labels_,
       "SELECT l.id, l.run, l.tenant, l.intent, l.route, l.origin, l.author, l.created_us, l.body, d.wrapped FROM "
       "labels l JOIN runs r ON r.id = l.run LEFT JOIN data_keys d ON d.run = r.no "
       "WHERE (?1 = '' OR l.tenant = ?1) AND (l.created_us, l.id) > (?2, ?3) AND (?5 = '' OR "
       "l.id = ?5) ORDER BY l.created_us, l.id LIMIT ?4"},
      {count_labels_, "SELECT count(*) FROM labels"},
      {notes_, "SELECT kind, name, mark, body FROM notes WHERE run = ? ORDER BY kind, name"},
  };
  for (const auto& [statement, sql] : all) {
    SB_TRY(statement, database_.prepare(sql));
  }
  return {};
}

Result<> Reader::fill_payload(RunRow& run, std::int64_t no, std::int64_t final_at) {
  const auto read = [&](Statement& statement, std::int64_t row, bool with_input, bool with_state) -> Result<> {
    const ResetAtEnd reset(statement);
    const int result = statement.bind(1, row).step();
    if (result == SQLITE_DONE) {
      return fail(Errc::corrupt, fmt::format("the stored state of run {} is missing", run.id.to_string()));
    }
    if (result != SQLITE_ROW) return std::unexpected(database_.error("cannot read a run from"));
    std::string buffer;
    SB_TRY(const std::string_view content, unpack(statement.bytes(1), buffer));
    SB_TRY(const Body body, parse_body(content));
    if (with_input) run.input = body.input.value_or("");
    if (with_state && body.state) {
      run.state = body.state->state;
      run.output = body.state->output;
      run.vault = body.state->vault;
    }
    return {};
  };
  {
    const ResetAtEnd reset(data_key_);
    if (data_key_.bind(1, no).step() == SQLITE_ROW) {
      run.data_key = data_key_.bytes(0);
      run.subject = data_key_.text(1);
      run.erased = run.data_key.empty();
    }
  }
  SB_CHECK(read(journal_, no, true, final_at == no));
  if (final_at == no) return {};
  return final_at == 0 ? read(state_, no, false, true) : read(journal_, final_at, false, true);
}

Result<RunRow> Reader::read_whole_run(Statement& statement) {
  const ResetAtEnd reset(statement);
  const int result = statement.step();
  if (result == SQLITE_DONE) return fail(Errc::not_found, "no such run");
  if (result != SQLITE_ROW) return std::unexpected(database_.error("cannot read a run from"));
  RunRow run = thin_run(statement);
  SB_CHECK(fill_payload(run, statement.integer(0), statement.integer(1)));
  return run;
}

Result<RunRow> Reader::load_run(RunId id) {
  const Snapshot snapshot(begin_, end_);
  run_by_id_.bind_blob(1, blob_of(id.uuid));
  auto run = read_whole_run(run_by_id_);
  if (!run && run.error().code == Errc::not_found)
    return fail(Errc::not_found, fmt::format("no run {}", id.to_string()));
  return run;
}

Result<std::optional<RunRow>> Reader::find_idempotent(const std::string& tenant, const std::string& key) {
  const Snapshot snapshot(begin_, end_);
  run_by_key_.bind(1, tenant).bind(2, key);
  auto run = read_whole_run(run_by_key_);
  if (run) return std::optional<RunRow>(*std::move(run));
  if (run.error().code == Errc::not_found) return std::optional<RunRow>();
  return std::unexpected(std::move(run).error());
}

Result<> Reader::walk(RunId id, const std::function<Result<bool>(std::string_view)>& visit) {
  const Snapshot snapshot(begin_, end_);
  std::int64_t at = 0;
  {
    const ResetAtEnd reset(chain_);
    const int result = chain_.bind_blob(1, blob_of(id.uuid)).step();
    if (result == SQLITE_DONE) return fail(Errc::not_found, fmt::format("no run {}", id.to_string()));
    if (result != SQLITE_ROW) return std::unexpected(database_.error("cannot read a run from"));
    at = chain_.integer(0);
  }
  std::string buffer;
  while (at != 0) {
    const ResetAtEnd reset(journal_);
    const int result = journal_.bind(1, at).step();
    if (result == SQLITE_DONE) return fail(Errc::corrupt, fmt::format("steps of run {} are missing", id.to_string()));
    if (result != SQLITE_ROW) return std::unexpected(database_.error("cannot read a run from"));
    SB_TRY(const std::string_view content, unpack(journal_.bytes(1), buffer));
    SB_TRY(const bool more, visit(content));
    const std::int64_t before = journal_.integer(0);
    // A damaged file must not send us in circles.
    if (before >= at)
      return fail(Errc::corrupt, fmt::format("the steps of run {} do not form a chain", id.to_string()));
    at = more ? before : 0;
  }
  return {};
}

Result<std::vector<StepRow>> Reader::load_steps(RunId id) {
  std::vector<StepRow> steps;
  SB_CHECK(walk(id, [&](std::string_view content) -> Result<bool> {
    SB_TRY(const Body body, parse_body(content));
    for (const std::string_view section : body.steps) {
      SB_TRY(StepRow step, parse_step(section));
      steps.push_back(std::move(step));
    }
    return true;
  }));
  std::ranges::sort(steps, {}, [](const StepRow& step) { return std::pair(step.index, step.attempt); });
  return steps;
}

Result<std::vector<StreamChunk>> Reader::load_chunks(RunId id, std::uint64_t from_event) {
  std::vector<StreamChunk> chunks;
  // Newest first: done as soon as a chunk begins at or before the event asked for.
  SB_CHECK(walk(id, [&](std::string_view content) -> Result<bool> {
    SB_TRY(const Body body, parse_body(content));
    bool more = true;
    for (auto section = body.chunks.rbegin(); more && section != body.chunks.rend(); ++section) {
      SB_TRY(StreamChunk chunk, parse_chunk(*section));
      more = chunk.first_event > from_event;
      chunks.push_back(std::move(chunk));
    }
    return more;
  }));
  std::ranges::reverse(chunks);
  return chunks;
}

Result<std::vector<Checkpoint>> Reader::checkpoints(RunId id) {
  std::vector<Checkpoint> all;  // newest first, as the chain is walked
  SB_CHECK(walk(id, [&](std::string_view content) -> Result<bool> {
    SB_TRY(const Body body, parse_body(content));
    for (auto section = body.checkpoints.rbegin(); section != body.checkpoints.rend(); ++section) {
      SB_TRY(Checkpoint checkpoint, parse_checkpoint(*section));
      all.push_back(std::move(checkpoint));
    }
    return true;
  }));
  std::ranges::reverse(all);
  return all;
}

// The index holds a tenant's keys in order: of those with the prefix none is looked at.
Result<std::vector<NamedRequest>> Reader::requests_named_without(const std::string& prefix, std::size_t limit) {
  SB_TRY(Statement list,
         database_.prepare(
             "WITH RECURSIVE tenants (name) AS ("
             "SELECT min(tenant) FROM runs WHERE idempotency_key IS NOT NULL UNION ALL "
             "SELECT (SELECT min(tenant) FROM runs WHERE idempotency_key IS NOT NULL AND tenant > name) "
             "FROM tenants WHERE name IS NOT NULL) "
             "SELECT tenant, id, idempotency_key, request_hash FROM tenants CROSS JOIN runs ON tenant = name AND "
             "idempotency_key < ?1 UNION ALL "
             "SELECT tenant, id, idempotency_key, request_hash FROM tenants CROSS JOIN runs ON tenant = name AND "
             "idempotency_key >= ?2 LIMIT ?3"));
  std::string after = prefix;
  if (!after.empty()) ++after.back();
  list.bind(1, prefix).bind(2, after).bind(3, static_cast<std::int64_t>(std::min(limit, kMaxPage)));
  std::vector<NamedRequest> requests;
  int result;
  while ((result = list.step()) == SQLITE_ROW)
    requests.push_back({list.text(0), {RunId(uuid_of(list.bytes(1))), list.text(2), HexColumn::read(list, 3)}});
  if (result != SQLITE_DONE) return std::unexpected(database_.error("cannot list requests of"));
  return requests;
}

Result<std::vector<RunRow>> Reader::list_runs(const RunFilter& filter) {
  // By a tag: the index of tags has its runs in the order of the list.
  std::string sql = filter.tag.empty() ? "SELECT " SB_RUN_COLUMNS " FROM runs WHERE 1"
                                       : "SELECT " SB_RUN_COLUMNS
                                         " FROM notes CROSS JOIN runs ON id = run WHERE mark = ?7";
  if (!filter.tenant.empty()) sql += " AND tenant = ?1";
  if (!filter.flow.empty()) sql += " AND (flow = ?2 OR substr(flow, 1, length(?2) + 1) = ?2 || '@')";
  if (filter.status)
    sql += *filter.status == RunStatus::completed ? " AND status = ?3" : " AND status = ?3 AND status <> 6";
  if (!filter.route.empty()) sql += " AND route = ?4";
  if (filter.forked_from) sql += " AND origin = ?8";
  const std::string_view order = filter.tag.empty() ? "id" : "run";
  if (filter.before) sql += fmt::format(" AND {} < ?5", order);
  sql += fmt::format(" ORDER BY {} DESC LIMIT ?6", order);
  SB_TRY(Statement list, database_.prepare(sql));
  list.bind(6, static_cast<std::int64_t>(std::min(filter.limit, kMaxPage)));
  if (!filter.tenant.empty()) list.bind(1, filter.tenant);
  if (!filter.flow.empty()) list.bind(2, filter.flow);
  if (filter.status) list.bind(3, static_cast<std::int64_t>(*filter.status));
  if (!filter.route.empty()) list.bind(4, filter.route);
  if (filter.before) list.bind_blob(5, blob_of(filter.before->uuid));
  if (!filter.tag.empty()) list.bind(7, filter.tag);
  if (filter.forked_from) list.bind_blob(8, blob_of(filter.forked_from->uuid));
  std::vector<RunRow> runs;
  int result;
  while ((result = list.step()) == SQLITE_ROW) runs.push_back(thin_run(list));
  if (result != SQLITE_DONE) return std::unexpected(database_.error("cannot list runs of"));
  return runs;
}

Result<std::vector<RunRow>> Reader::open_runs_of(RunStatus status, const Uuid& after, std::size_t limit) {
  const ResetAtEnd reset(open_runs_);
  open_runs_.bind(1, static_cast<std::int64_t>(status))
      .bind_blob(2, blob_of(after))
      .bind(3, static_cast<std::int64_t>(limit));
  std::vector<RunRow> runs;
  int result;
  while ((result = open_runs_.step()) == SQLITE_ROW) {
    runs.push_back(thin_run(open_runs_));
    SB_CHECK(fill_payload(runs.back(), open_runs_.integer(0), open_runs_.integer(1)));
  }
  if (result != SQLITE_DONE) return std::unexpected(database_.error("cannot list open runs of"));
  return runs;
}

Result<std::vector<RunRow>> Reader::open_runs(std::optional<RunId> after, std::size_t limit) {
  const Snapshot snapshot(begin_, end_);
  limit = std::min(limit, kMaxPage);
  const Uuid begin = after ? after->uuid : Uuid();
  SB_TRY(std::vector<RunRow> runs, open_runs_of(RunStatus::pending, begin, limit));
  SB_TRY(std::vector<RunRow> running, open_runs_of(RunStatus::running, begin, limit));
  std::ranges::move(running, std::back_inserter(runs));
  std::ranges::sort(runs, {}, &RunRow::id);
  if (runs.size() > limit) runs.resize(limit);
  return runs;
}

Result<std::vector<Timer>> Reader::timers(const Timer& after, std::size_t limit) {
  const ResetAtEnd reset(timers_);
  timers_.bind(1, after.due_us).bind(2, after.no).bind(3, static_cast<std::int64_t>(limit));
  std::vector<Timer> timers;
  int result;
  while ((result = timers_.step()) == SQLITE_ROW)
    timers.push_back({timers_.integer(0), timers_.integer(1), RunId(uuid_of(timers_.bytes(2)))});
  if (result != SQLITE_DONE) return std::unexpected(database_.error("cannot list timers of"));
  return timers;
}

Result<std::vector<EventListener>> Reader::listeners(const std::string& tenant, const std::string& type,
                                                     std::int64_t after, std::size_t limit) {
  const ResetAtEnd reset(listeners_);
  listeners_.bind(1, tenant).bind(2, type).bind(3, after).bind(4, static_cast<std::int64_t>(limit));
  std::vector<EventListener> found;
  int result;
  while ((result = listeners_.step()) == SQLITE_ROW)
    found.push_back({listeners_.integer(0), RunId(uuid_of(listeners_.bytes(1)))});
  if (result != SQLITE_DONE) return std::unexpected(database_.error("cannot list listeners of"));
  return found;
}

Result<std::vector<NoteRow>> Reader::notes(RunId run) {
  const ResetAtEnd reset(notes_);
  notes_.bind_blob(1, blob_of(run.uuid));
  std::vector<NoteRow> found;
  int result;
  while ((result = notes_.step()) == SQLITE_ROW)
    found.push_back({static_cast<NoteKind>(notes_.integer(0)), notes_.text(1), notes_.text(2), notes_.text(3)});
  if (result != SQLITE_DONE) return std::unexpected(database_.error("cannot read what is noted from"));
  return found;
}

Result<std::vector<LabelRow>> Reader::labels(const LabelFilter& filter) {
  const ResetAtEnd reset(labels_);
  labels_.bind(1, filter.tenant).bind(2, filter.after ? filter.after->first : INT64_MIN);
  labels_.bind(3, filter.after ? std::string_view(filter.after->second) : "");
  labels_.bind(4, static_cast<std::int64_t>(filter.limit)).bind(5, filter.id);
  std::vector<LabelRow> found;
  int result;
  while ((result = labels_.step()) == SQLITE_ROW) {
    found.push_back({.id = labels_.text(0),
                     .run = RunId(uuid_of(labels_.bytes(1))),
                     .tenant = labels_.text(2),
                     .intent = labels_.text(3),
                     .route = static_cast<int>(labels_.integer(4)),
                     .origin = static_cast<LabelOrigin>(labels_.integer(5)),
                     .author = labels_.text(6),
                     .created_us = labels_.integer(7),
                     .sealed = labels_.text(8),
                     .data_key = labels_.text(9)});
  }
  if (result != SQLITE_DONE) return std::unexpected(database_.error("cannot read labels from"));
  return found;
}

Result<std::uint64_t> Reader::count_labels() {
  const ResetAtEnd reset(count_labels_);
  if (count_labels_.step() != SQLITE_ROW) return std::unexpected(database_.error("cannot count labels in"));
  return static_cast<std::uint64_t>(count_labels_.integer(0));
}

Result<ReviewRow> Reader::load_review(ReviewId id) {
  const ResetAtEnd reset(review_);
  const int result = review_.bind_blob(1, blob_of(id.uuid)).step();
  if (result == SQLITE_DONE) return fail(Errc::not_found, fmt::format("no review {}", id.to_string()));
  if (result != SQLITE_ROW) return std::unexpected(database_.error("cannot read a review from"));
  return review_of(review_);
}

Result<std::vector<ReviewRow>> Reader::list_reviews(const ReviewFilter& filter) {
  std::string sql = "SELECT " SB_REVIEW_COLUMNS " FROM reviews WHERE 1";
  if (!filter.tenant.empty()) sql += " AND tenant = ?1";
  if (filter.state) sql += " AND state = ?2";
  sql += " ORDER BY priority DESC, created_us, id LIMIT ?3";
  SB_TRY(Statement list, database_.prepare(sql));
  list.bind(3, static_cast<std::int64_t>(std::min(filter.limit, kMaxPage)));
  if (!filter.tenant.empty()) list.bind(1, filter.tenant);
  if (filter.state) list.bind(2, static_cast<std::int64_t>(*filter.state));
  std::vector<ReviewRow> reviews;
  int result;
  while ((result = list.step()) == SQLITE_ROW) {
    SB_TRY(ReviewRow review, review_of(list));
    reviews.push_back(std::move(review));
  }
  if (result != SQLITE_DONE) return std::unexpected(database_.error("cannot list reviews of"));
  return reviews;
}

Result<std::vector<CostRow>> Reader::costs(const std::string& tenant, Micros from_us, Micros to_us) {
  const ResetAtEnd reset(costs_);
  costs_.bind(1, from_us).bind(2, to_us).bind(3, tenant).bind(4, static_cast<std::int64_t>(kMaxTagSets));
  std::vector<CostRow> rows;
  int result;
  while ((result = costs_.step()) == SQLITE_ROW) {
    CostRow row;
    row.route = costs_.text(0);
    row.model = costs_.text(1);
    row.runs = static_cast<std::uint64_t>(costs_.integer(2));
    row.cost = costs_.integer(3);
    row.cost_all_large = costs_.integer(4);
    row.day_us = costs_.integer(5) * 86'400'000'000;
    row.tenant = costs_.text(6);
    row.key = costs_.text(7);
    row.flow = costs_.text(8);
    row.passed_on_runs = static_cast<std::uint64_t>(costs_.integer(9));
    row.passed_on_cost = costs_.integer(10);
    row.rejected_cost = costs_.integer(11);
    if (!costs_.bytes(12).empty()) row.tagged = RunId(uuid_of(costs_.bytes(12)));
    row.other_tags = costs_.integer(13) != 0;
    rows.push_back(std::move(row));
  }
  if (result != SQLITE_DONE) return std::unexpected(database_.error("cannot sum up costs of"));
  return rows;
}

Result<std::vector<OutboxRow>> Reader::outbox(std::int64_t after, std::size_t limit) {
  const ResetAtEnd reset(outbox_);
  outbox_.bind(1, after).bind(2, static_cast<std::int64_t>(limit));
  std::vector<OutboxRow> rows;
  std::size_t bytes = 0;
  int result;
  while ((result = outbox_.step()) == SQLITE_ROW) {
    rows.push_back({outbox_.integer(0), RunId{uuid_of(outbox_.bytes(1))},
                    static_cast<std::uint64_t>(outbox_.integer(2)), std::string(outbox_.bytes(3))});
    bytes += rows.back().sealed.size();
    if (bytes >= kOutboxPageBytes) return rows;
  }
  if (result != SQLITE_DONE) return std::unexpected(database_.error("cannot read what is to be told from"));
  return rows;
}

Result<MicroMoney> Reader::spend_of(const std::string& key, Micros day_us) {
  const ResetAtEnd reset(spend_);
  const int result = spend_.bind(1, key).bind(2, day_of(day_us)).step();
  if (result == SQLITE_DONE) return MicroMoney{0};
  if (result != SQLITE_ROW) return std::unexpected(database_.error("cannot read spending from"));
  return spend_.integer(0);
}

Result<std::optional<std::string>> Reader::load_document(const std::string& name) {
  const ResetAtEnd reset(document_);
  const int result = document_.bind(1, name).step();
  if (result == SQLITE_DONE) return std::optional<std::string>();
  if (result != SQLITE_ROW) return std::unexpected(database_.error("cannot read a document from"));
  std::string buffer;
  SB_TRY(const std::string_view content, unpack(document_.bytes(0), buffer));
  return std::optional<std::string>(content);
}

}  // namespace sb::store::sqlite
