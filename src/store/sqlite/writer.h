/// Applies groups of commits, one transaction a group. Lives on the writer thread.
#pragma once

#include <algorithm>
#include <map>
#include <span>
#include <unordered_map>
#include <unordered_set>

#include "store/sqlite/group_recorder.h"
#include "store/sqlite/group_sink.h"
#include "store/sqlite/prepared_commit.h"
#include "store/sqlite/sql.h"
#include "store/store.h"

namespace sb::store::sqlite {

class Writer {
 public:
  /// Reads where the log stands and opens `log` (borrowed, as are `clock` and `sink`). `sink` hears of every group;
  /// null: nobody, and a copy that there was is behind from here on. Errors: corrupt, disk_full, as the log's open()
  /// and the sink's opened().
  static Result<std::unique_ptr<Writer>> open(Database database, LeafLog& log, const Clock& clock, GroupSink* sink);

  struct Item {
    std::unique_ptr<PreparedCommit> prepared;
    Result<> result;  ///< why this one was left out, where the group as a whole succeeded
  };

  /// All of `items` in one transaction, those with a bad precondition left out. Fails as a whole (nothing is stored,
  /// results mean nothing) where the disk or the file fails: disk_full, corrupt, unavailable.
  Result<> apply(std::span<Item*> items);
  /// A tree head over all leaves, if the log has one to give.
  Result<> store_head();
  /// Tells the sink, which may wait, and then the log, what apply() or store_head() has stored. Call it after each.
  void tell();

  std::uint64_t leaves() const { return next_leaf_; }
  /// Whether asking the log for a tree head may bring one.
  bool head_is_behind() const { return std::max(head_size_, asked_size_) < next_leaf_; }
  std::uint64_t last_commit_us() const { return last_commit_us_; }  ///< write and fsync of the newest group
  Database& database() { return database_; }

 private:
  /// What the writer remembers of a run that is going on, so that a step costs no look-up.
  struct OpenRun {
    std::int64_t no = 0;
    std::int64_t last = 0;
    std::uint64_t epoch = 0;
    RunStatus status = RunStatus::pending;
    std::uint32_t steps = 0;                                 ///< highest index + 1
    std::optional<std::unordered_set<std::uint64_t>> known;  ///< stored steps; read when a repetition is possible
  };
  struct Statements {
    Statement begin, commit, rollback;
    Statement insert_run, find_run, find_idempotent, update_run, update_run_status, update_chain;
    Statement insert_journal, read_journal, put_state, drop_state;
    Statement put_timer, drop_timer, put_listener, drop_listeners;
    Statement put_outbox, drop_told, drop_outbox;
    Statement put_note, drop_notes, list_marks, set_tags, find_erased;
    Statement put_label, drop_label, drop_labels;
    Statement insert_review, find_review, update_review;
    Statement add_spending, put_document;
    Statement insert_token, drop_token, reseal_key, reseal_token, find_other_key, find_other_token;
    Statement insert_data_key, find_ended, drop_data_key, replace_body, scrub_run, rename_request, scrub_reviews;
    Statement expire_reviews;
    Statement insert_leaves, insert_head, drop_head, count_group;
  };
  /// One commit on its way through apply_one().
  struct Work {
    PreparedCommit& prepared;
    OpenRun* run = nullptr;
    std::vector<StepKey> repeated = {};  ///< steps that are stored already
    std::uint64_t leaves = 0;
    std::uint32_t steps = 0;  ///< highest index + 1, with this commit's
  };

  Writer(Database database, LeafLog& log, const Clock& clock)
      : database_(std::move(database)), log_(log), clock_(clock) {}

  Result<> prepare_statements();
  Result<> open_log();
  Result<> copy_to(GroupSink* sink);
  Result<GroupSink::CopyState> copy_state();

  void roll_back();
  void keep_head();
  Result<> make_group();
  Result<> apply_one(PreparedCommit& prepared);
  Result<> check(Work& work);
  Result<> check_end(const Work& work);
  Result<> check_reviews(const Commit& commit);
  Result<> find_repeated_steps(Work& work);
  Result<> load_known_steps(OpenRun& run);
  Result<> encode_leaves(Work& work);
  Result<> create_run(Work& work);
  Result<> append_journal(Work& work);
  Result<> update_run(Work& work);
  Result<> run_state(std::int64_t run_no, std::string_view state);
  Result<> rest(const OpenRun& run, const std::string& tenant, const WakeUp& wake);
  Result<> rouse(const OpenRun& run);
  Result<> write_rest(Work& work);
  Result<> write_outbox(const Work& work);
  Result<> check_not_erased(const Work& work);
  Result<> write_notes(const Work& work);
  Result<> write_labels(const Work& work);
  Result<> set_tags(const Work& work);
  Result<> check_keys(const Commit& commit);
  Result<> write_keys(const Commit& commit);
  Result<> keep_token(const TenantToken& token);
  Result<> reseal(const Reseal& change);
  Result<> erase(const Commit& commit);
  Result<> erase_token(std::int64_t no);
  Result<> erase_run(RunId run);
  template <class Change>
  Result<> without_a_trace(Change change);
  Result<> rename_requests(const std::vector<RequestName>& names);
  Result<> write_review(const PreparedCommit& prepared);
  Result<> write_group();
  Result<> write_leaves();
  Result<> write_head(const StoredTreeHead& head);

  OpenRun* find_run(RunId id);
  /// Runs a statement that gives no rows; where the database fails, the group fails.
  Result<> run(Statement& statement, std::string_view what);
  std::unexpected<Error> fatal(std::string_view what);

  Database database_;
  LeafLog& log_;
  const Clock& clock_;
  Statements sql_;
  std::unordered_map<RunId, OpenRun> open_runs_;
  OpenRun scratch_;  ///< of a run that was created and ended in one commit

  std::int64_t next_journal_ = 1;
  std::uint64_t next_leaf_ = 0;
  std::uint64_t head_size_ = 0;
  Micros head_time_ = 0;
  std::uint64_t asked_size_ = 0;  ///< the log had no head to give for this many leaves
  std::uint64_t last_commit_us_ = 0;

  GroupSink* sink_ = nullptr;
  std::optional<GroupRecorder> recorder_;
  std::map<std::string, unsigned char> oldest_keys_;  ///< by tenant, after a rotation: older ones seal nothing any more
  std::uint64_t groups_ = 0;
  std::string group_mark_;  ///< of the newest
  bool silent_ =
      false;  ///< there is a group that the copy does not have, and will not: the log shows nothing from it on

  // Of the group in progress.
  std::vector<GroupSink::KeyChange> group_keys_;
  std::optional<GroupSink::Group> group_;  ///< for the sink
  std::string stored_bundle_;              ///< for the log
  std::optional<Error> fatal_;
  std::int64_t group_journal_ = 1;
  std::string group_bundle_;  ///< the group's leaves, as an entry bundle
  std::uint64_t group_leaves_ = 0;
  std::map<std::pair<std::string, std::int64_t>, MicroMoney> group_spending_;
  struct GroupHead {
    std::uint64_t size;
    Micros time_us;
  };
  std::optional<GroupHead> group_head_;
};

/// Days since the Unix epoch, UTC.
std::int64_t day_of(Micros time_us);

}  // namespace sb::store::sqlite
