#include "store/sqlite/record_reader.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include "store/sqlite/columns.h"
#include "store/sqlite/schema.h"

namespace sb::store::sqlite {
namespace {

constexpr std::size_t kCacheKib = 2048;

}  // namespace

Result<std::unique_ptr<RecordReader>> RecordReader::open(const std::string& path) {
  SB_TRY(Database database, open_for_reading(path, kCacheKib));
  SB_CHECK(database.execute("BEGIN"));
  std::unique_ptr<RecordReader> reader(new RecordReader(std::move(database)));
  SB_TRY(reader->leaves_,
         reader->database_.prepare("SELECT first, count, pack FROM leaves WHERE first >= ? ORDER BY first"));
  SB_TRY(reader->steps_, reader->database_.prepare(
                             "SELECT j.leaf, j.leaves, r.id, j.body FROM journal j LEFT JOIN runs r ON r.no = j.run "
                             "ORDER BY j.no"));
  SB_TRY(reader->run_,
         reader->database_.prepare(
             "SELECT status, cost, model, route, tenant, key, flow, flow_hash, leaf + leaves - 1 FROM runs LEFT "
             "JOIN journal ON journal.no = final WHERE id = ?"));
  SB_TRY(reader->review_, reader->database_.prepare("SELECT run, state, decided_by FROM reviews WHERE id = ?"));
  return reader;
}

Result<> RecordReader::seek(std::uint64_t index) {
  SB_TRY(Statement row, database_.prepare("SELECT coalesce(max(first), 0) FROM leaves WHERE first <= ?"));
  if (row.bind(1, static_cast<std::int64_t>(index)).step() != SQLITE_ROW) {
    return std::unexpected(database_.error("cannot read audit leaves from"));
  }
  leaves_.reset();
  leaves_.bind(1, row.integer(0));
  next_index_ = static_cast<std::uint64_t>(row.integer(0));
  skip_before_ = index;
  seeked_ = true;
  rest_ = {};
  left_ = 0;
  return {};
}

Result<std::optional<RecordReader::StoredLeaf>> RecordReader::next_leaf() {
  if (!seeked_) SB_CHECK(seek(0));
  for (;;) {
    while (left_ == 0) {
      if (!rest_.empty()) {
        return fail(Errc::corrupt,
                    fmt::format("the row of audit leaves before {} holds more than it says", next_index_));
      }
      const int result = leaves_.step();
      if (result == SQLITE_DONE) return std::optional<StoredLeaf>();
      if (result != SQLITE_ROW) return std::unexpected(database_.error("cannot read audit leaves from"));
      const auto first = static_cast<std::uint64_t>(leaves_.integer(0));
      if (first > next_index_) {
        return fail(Errc::corrupt, fmt::format("audit leaves {} to {} are missing", next_index_, first - 1));
      }
      if (first < next_index_) return fail(Errc::corrupt, fmt::format("audit leaf {} is there twice", first));
      left_ = static_cast<std::uint64_t>(leaves_.integer(1));
      SB_TRY(rest_, unpack(leaves_.bytes(2), pack_));
      if (left_ == 0) return fail(Errc::corrupt, fmt::format("the row of audit leaves at {} is empty", first));
    }
    SB_TRY(const std::string_view leaf, take_leaf(rest_));
    --left_;
    const std::uint64_t index = next_index_++;
    if (index >= skip_before_) return std::optional(StoredLeaf{index, leaf});
  }
}

Result<std::optional<StoredSteps>> RecordReader::next_steps() {
  for (;;) {
    const int result = steps_.step();
    if (result == SQLITE_DONE) return std::optional<StoredSteps>();
    if (result != SQLITE_ROW) return std::unexpected(database_.error("cannot read steps from"));
    std::string buffer;
    SB_TRY(const std::string_view content, unpack(steps_.bytes(3), buffer));
    SB_TRY(const Body body, parse_body(content));
    if (body.steps.empty()) continue;
    StoredSteps stored;
    stored.leaf = static_cast<std::uint64_t>(steps_.integer(0));
    stored.leaves = static_cast<std::uint64_t>(steps_.integer(1));
    if (const auto id = steps_.bytes(2); !id.empty()) stored.run = RunId(uuid_of(id));
    for (const std::string_view section : body.steps) {
      SB_TRY(StepRow step, parse_step(section));
      stored.steps.push_back(std::move(step));
    }
    return std::optional(std::move(stored));
  }
}

Result<std::vector<StoredHead>> RecordReader::heads() {
  SB_TRY(Statement rows, database_.prepare("SELECT size, time_us, note FROM tree_heads ORDER BY size"));
  std::vector<StoredHead> heads;
  int result;
  while ((result = rows.step()) == SQLITE_ROW) {
    heads.push_back({static_cast<std::uint64_t>(rows.integer(0)), rows.integer(1), rows.text(2)});
  }
  if (result != SQLITE_DONE) return std::unexpected(database_.error("cannot read tree heads from"));
  return heads;
}

Result<StoredRun> RecordReader::run(const RunId& id) {
  const ResetAtEnd reset(run_);
  const int result = run_.bind_blob(1, blob_of(id.uuid)).step();
  if (result == SQLITE_DONE) return fail(Errc::not_found, fmt::format("no run {}", id.to_string()));
  if (result != SQLITE_ROW) return std::unexpected(database_.error("cannot read a run from"));
  StoredRun run{static_cast<RunStatus>(run_.integer(0)),
                run_.integer(1),
                run_.text(2),
                run_.text(3),
                run_.text(4),
                run_.text(5),
                run_.text(6),
                HexColumn::read(run_, 7),
                {}};
  if (run_.type(8) == SQLITE_INTEGER) run.end_leaf = static_cast<std::uint64_t>(run_.integer(8));
  return run;
}

Result<StoredReview> RecordReader::review(const ReviewId& id) {
  const ResetAtEnd reset(review_);
  const int result = review_.bind_blob(1, blob_of(id.uuid)).step();
  if (result == SQLITE_DONE) return fail(Errc::not_found, fmt::format("no review {}", id.to_string()));
  if (result != SQLITE_ROW) return std::unexpected(database_.error("cannot read a review from"));
  return StoredReview{RunId(uuid_of(review_.bytes(0))), static_cast<ReviewState>(review_.integer(1)), review_.text(2)};
}

Result<RowCounts> RecordReader::counts() {
  SB_TRY(const auto ended, database_.integer("SELECT count(*) FROM runs WHERE status >= 4"));
  SB_TRY(const auto open, database_.integer("SELECT count(*) FROM runs WHERE status < 4"));
  SB_TRY(const auto decided, database_.integer("SELECT count(*) FROM reviews WHERE state BETWEEN 2 AND 4"));
  return RowCounts{static_cast<std::uint64_t>(ended), static_cast<std::uint64_t>(open),
                   static_cast<std::uint64_t>(decided)};
}

Result<std::string> RecordReader::document(std::string_view name) {
  SB_TRY(Statement row, database_.prepare("SELECT body FROM documents WHERE name = ?"));
  const int result = row.bind(1, std::string(name)).step();
  if (result == SQLITE_DONE) return std::string();
  if (result != SQLITE_ROW) return std::unexpected(database_.error("cannot read a document from"));
  std::string buffer;
  SB_TRY(const std::string_view content, unpack(row.bytes(0), buffer));
  return std::string(content);
}

Result<std::vector<RunId>> RecordReader::erased_runs() {
  SB_TRY(Statement rows,
         database_.prepare("SELECT r.id FROM data_keys k JOIN runs r ON r.no = k.run WHERE k.wrapped IS "
                           "NULL"));
  std::vector<RunId> runs;
  int result;
  while ((result = rows.step()) == SQLITE_ROW) runs.push_back(RunId(uuid_of(rows.bytes(0))));
  if (result != SQLITE_DONE) return std::unexpected(database_.error("cannot read erased runs from"));
  return runs;
}

}  // namespace sb::store::sqlite
