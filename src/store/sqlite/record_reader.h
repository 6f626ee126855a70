/// The record as it lies on disk, for verification: read-only, beside a running server, in one snapshot.
#pragma once

#include <memory>

#include "store/sqlite/codec.h"
#include "store/sqlite/sql.h"

namespace sb::store::sqlite {

struct StoredHead {
  std::uint64_t size = 0;
  Micros time_us = 0;
  std::string note;
};

/// The steps of one commit and where its leaves are.
struct StoredSteps {
  std::uint64_t leaf = 0;
  std::uint64_t leaves = 0;
  std::optional<RunId> run;  ///< nothing: its run is gone
  std::vector<StepRow> steps;
};

/// What its row says of a run.
struct StoredRun {
  RunStatus status{};
  MicroMoney cost = 0;
  std::string model;
  std::string route;
  std::string tenant;
  std::string key;
  std::string flow;
  std::string flow_hash;
  std::optional<std::uint64_t> end_leaf;  ///< of its last end; nothing: it goes on
};

/// What its row says of a review.
struct StoredReview {
  RunId run;
  ReviewState state{};
  std::string decided_by;
};

struct RowCounts {
  std::uint64_t ended_runs = 0;
  std::uint64_t open_runs = 0;
  std::uint64_t decided_reviews = 0;
};

class RecordReader {
 public:
  /// Errors: not_found, unsupported, corrupt, permission_denied.
  static Result<std::unique_ptr<RecordReader>> open(const std::string& path);

  /// Moves the leaf cursor: the next leaf is the first one at or after `index`.
  Result<> seek(std::uint64_t index);
  /// The next leaf in order; nothing at the end. Errors: corrupt (rows overlap, leave a gap or do not hold what they
  /// say).
  struct StoredLeaf {
    std::uint64_t index;
    std::string_view bytes;  ///< until the next call
  };
  Result<std::optional<StoredLeaf>> next_leaf();

  /// The next commit with steps, in order of commits; nothing at the end.
  Result<std::optional<StoredSteps>> next_steps();

  Result<std::vector<StoredHead>> heads();

  /// Errors: not_found.
  Result<StoredRun> run(const RunId& id);
  Result<StoredReview> review(const ReviewId& id);
  Result<RowCounts> counts();
  /// Empty: there is none.
  Result<std::string> document(std::string_view name);
  /// Those whose key is gone.
  Result<std::vector<RunId>> erased_runs();

 private:
  explicit RecordReader(Database database) : database_(std::move(database)) {}

  Database database_;
  Statement leaves_;
  Statement steps_;
  Statement run_;
  Statement review_;
  bool seeked_ = false;
  std::uint64_t skip_before_ = 0;
  std::uint64_t next_index_ = 0;
  std::string pack_;
  std::string_view rest_;
  std::uint64_t left_ = 0;
};

}  // namespace sb::store::sqlite
