#include "store/sqlite/run_scan.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>

#include "store/sqlite/codec.h"
#include "store/sqlite/columns.h"
#include "store/sqlite/schema.h"

namespace sb::store::sqlite {
namespace {

constexpr std::size_t kScanCacheKib = 4096;
constexpr std::int64_t kPage = 1000;

}  // namespace

Result<std::unique_ptr<RunScan>> RunScan::open(const std::string& path, ScanFilter filter) {
  SB_TRY(Database database, open_for_reading(path, kScanCacheKib));
  std::unique_ptr<RunScan> scan(new RunScan(std::move(database), std::move(filter)));
  SB_CHECK(scan->prepare_statements());
  return scan;
}

Result<> RunScan::prepare_statements() {
  SB_TRY(runs_,
         database_.prepare("SELECT no, last, id, tenant, flow, status, route, model, cost, cost_all_large, created_us, "
                           "ended_us, k.run IS NOT NULL AND k.wrapped IS NULL FROM runs LEFT JOIN data_keys k ON "
                           "k.run = no WHERE no < ?1 AND (?2 = '' OR tenant = ?2) AND "
                           "(?3 = '' OR flow = ?3 OR substr(flow, 1, length(?3) + 1) = ?3 || '@') AND "
                           "created_us >= ?4 AND created_us < ?5 ORDER BY no DESC LIMIT ?6"));
  SB_TRY(journal_, database_.prepare("SELECT prev, body FROM journal WHERE no = ?"));
  SB_TRY(review_, database_.prepare("SELECT state FROM reviews WHERE run = ? ORDER BY created_us DESC LIMIT 1"));
  return {};
}

Result<std::optional<ScannedRun>> RunScan::next() {
  if (page_.empty() && more_) SB_CHECK(read_page());
  if (page_.empty()) return std::optional<ScannedRun>();
  std::optional<ScannedRun> run(std::move(page_.front()));
  page_.pop_front();
  return run;
}

Result<> RunScan::read_page() {
  const auto limit = std::min<std::uint64_t>(kPage, filter_.limit - read_);
  SB_CHECK(database_.execute("BEGIN"));
  runs_.bind(1, before_).bind(2, filter_.tenant).bind(3, filter_.flow).bind(4, filter_.since_us.value_or(0));
  runs_.bind(5, filter_.until_us.value_or(INT64_MAX)).bind(6, static_cast<std::int64_t>(limit));
  Result<> result;
  {
    const ResetAtEnd reset(runs_);
    int row = SQLITE_DONE;
    while (result && (row = runs_.step()) == SQLITE_ROW) {
      before_ = runs_.integer(0);
      ++read_;
      auto& scanned = page_.emplace_back();
      auto& run = scanned.run;
      run.id = RunId(uuid_of(runs_.bytes(2)));
      run.tenant = runs_.text(3);
      run.flow = runs_.text(4);
      run.status = static_cast<RunStatus>(runs_.integer(5));
      run.route = runs_.text(6);
      run.model = runs_.text(7);
      run.cost = runs_.integer(8);
      run.cost_all_large = runs_.integer(9);
      run.created_us = runs_.integer(10);
      run.ended_us = runs_.integer(11);
      run.erased = runs_.integer(12) != 0;
      result = read_steps(scanned, runs_.integer(1));
      if (result && run.route == "human") result = read_review(scanned);
    }
    if (result && row != SQLITE_DONE) result = std::unexpected(database_.error("cannot list runs of"));
  }
  more_ = page_.size() == kPage && read_ < filter_.limit;
  SB_CHECK(database_.execute("COMMIT"));
  return result;
}

Result<> RunScan::read_steps(ScannedRun& run, std::int64_t last) {
  std::string buffer;
  for (std::int64_t at = last; at != 0;) {
    const ResetAtEnd reset(journal_);
    const int row = journal_.bind(1, at).step();
    if (row == SQLITE_DONE)
      return fail(Errc::corrupt, fmt::format("steps of run {} are missing", run.run.id.to_string()));
    if (row != SQLITE_ROW) return std::unexpected(database_.error("cannot read a run from"));
    SB_TRY(const std::string_view content, unpack(journal_.bytes(1), buffer));
    SB_TRY(const Body body, parse_body(content));
    for (const std::string_view section : body.steps) {
      SB_TRY(StepRow step, parse_step(section));
      run.steps.push_back(std::move(step));
    }
    const std::int64_t before = journal_.integer(0);
    // A damaged file must not send us in circles.
    if (before >= at)
      return fail(Errc::corrupt, fmt::format("the steps of run {} do not form a chain", run.run.id.to_string()));
    at = before;
  }
  std::ranges::sort(run.steps, {}, [](const StepRow& step) { return std::pair(step.index, step.attempt); });
  return {};
}

Result<> RunScan::read_review(ScannedRun& run) {
  const ResetAtEnd reset(review_);
  const int row = review_.bind_blob(1, blob_of(run.run.id.uuid)).step();
  if (row == SQLITE_DONE) return {};
  if (row != SQLITE_ROW) return std::unexpected(database_.error("cannot read reviews of"));
  run.review = static_cast<ReviewState>(review_.integer(0));
  return {};
}

}  // namespace sb::store::sqlite
