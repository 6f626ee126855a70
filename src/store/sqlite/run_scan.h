/// Many runs with what they did, for reports: newest first, read-only, beside a running server or without one.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/sqlite/sql.h"
#include "store/store.h"

namespace sb::store::sqlite {

struct ScanFilter {
  std::string tenant{};              ///< empty: all
  std::string flow{};                ///< "namespace/name"; empty: all
  std::optional<Micros> since_us{};  ///< begun then or later
  std::optional<Micros> until_us{};  ///< exclusive
  std::uint64_t limit = UINT64_MAX;
};

/// Of `run` what the thin row says: no payloads, no key.
struct ScannedRun {
  RunRow run;
  std::vector<StepRow> steps;         ///< in order of index
  std::optional<ReviewState> review;  ///< of its newest review; none: nobody was asked
};

/// Each page of runs is a read of its own, so that a server's write-ahead log does not wait for it; runs that begin
/// meanwhile are not read. One thread at a time.
class RunScan {
 public:
  /// Errors: not_found, unsupported, corrupt, permission_denied.
  static Result<std::unique_ptr<RunScan>> open(const std::string& path, ScanFilter filter);

  /// Nothing at the end. Errors: corrupt (names the run).
  Result<std::optional<ScannedRun>> next();

 private:
  RunScan(Database database, ScanFilter filter) : database_(std::move(database)), filter_(std::move(filter)) {}

  Result<> prepare_statements();
  Result<> read_page();
  Result<> read_steps(ScannedRun& run, std::int64_t last);
  Result<> read_review(ScannedRun& run);

  Database database_;
  ScanFilter filter_;
  Statement runs_, journal_, review_;
  std::deque<ScannedRun> page_;
  std::int64_t before_ = INT64_MAX;  ///< number of the run that was read last
  std::uint64_t read_ = 0;
  bool more_ = true;
};

}  // namespace sb::store::sqlite
