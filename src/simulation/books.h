/// What must be true, by what was acknowledged and what came to the disk.
///
/// It hears of every commit when that is on disk, of every call of the provider and of every acknowledgement, and holds
/// each against the promises of the product: what does not fit is a problem in the history. One thread's.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "simulation/history.h"
#include "store/store.h"

namespace sb::simulation {

class Books {
 public:
  struct Run {
    std::string flow;
    std::string idempotency_key;
    store::RunStatus status = store::RunStatus::pending;
    std::uint64_t epoch = 0;
    MicroMoney cost = 0;
    Micros updated_us = 0;
    std::vector<store::StepRow> steps;
    std::size_t retries = 0;
  };

  Books(const VirtualTime& time, History& history) : time_(time), history_(history) {}

  // The disk.
  void writing(const store::Commit& commit) { doubtful_ = commit; }
  void written(bool on_disk);
  /// The process died; a commit that was being written may be there or not.
  void crashed();
  /// All of it is there, whole and once, and nothing else. REQUIRES that nobody else uses the store.
  void compare(store::Store& disk);
  /// A moment at which timers need not be in time: the wall clock was set, the disk is slow or full, nobody is there.
  void disturbed() { disturbed_us_ = time_.steady_us(); }
  /// As long as the disk is slow it is such a moment.
  void slow_disk(bool is_slow) {
    is_slow_ = is_slow;
    disturbed();
  }
  /// Runs at work are limited: whose time has come waits for a place, for as long as others are at work.
  void queues() { queues_ = true; }

  // The provider.
  void called(std::string_view key, std::string_view body);
  void answered(std::string_view key);
  void found_no_room() { ++recoveries_; }

  // Who uses the server: what was acknowledged is on disk.
  void started(const std::string& key, const RunId& run, bool is_on_disk);
  void decided(const ReviewId& review, store::ReviewState state);
  void suspended(const RunId& run);
  void cancelled(const RunId& run);
  void wants_cancelled(const RunId& run) { may_be_cancelled_.insert(run); }
  /// From an earlier task: calls of it are made again, by other keys.
  void wants_again(const RunId& run) { may_repeat_.insert(run); }
  void retried(const RunId& run);

  /// After all is done. `bill`: the provider's; `failed`: whether a call of that run was refused or lost.
  void close(MicroMoney bill, const std::function<bool(const std::string&)>& failed);
  /// What the day's spending of the key must be, by day.
  const std::map<Micros, MicroMoney>& spending() const { return spending_; }

  const std::map<RunId, Run>& runs() const { return runs_; }
  const Run* find(const RunId& run) const;
  bool all_ended() const;
  std::vector<ReviewId> open_reviews() const;
  std::size_t count_of(std::string_view flow) const;
  std::size_t steps_of(std::string_view flow, std::string_view task) const;

 private:
  void apply(const store::Commit& commit);
  void apply_row(const store::RunRow& row, bool is_new, bool reopens);
  void apply_steps(const RunId& id, Run& run, const std::vector<store::StepRow>& steps);
  void check_wait(const Run& run, const store::StepRow& step);
  void check_children();
  bool is_there(store::Store& disk, const store::Commit& commit);
  void problem(std::string what) { history_.problem(std::move(what)); }

  const VirtualTime& time_;
  History& history_;
  std::map<RunId, Run> runs_;
  std::map<ReviewId, store::ReviewRow> reviews_;
  std::map<std::string, RunId> by_key_;        ///< idempotency keys as they are stored
  std::map<std::string, RunId> acknowledged_;  ///< by idempotency key as it was sent
  std::set<std::string> documents_;
  std::set<std::string> committed_calls_;    ///< "<run>-<task>" of calls whose step is on disk
  std::map<RunId, std::string> unrecorded_;  ///< calls that were answered, and whose step is not on disk
  std::map<std::string, std::size_t> calls_, answers_;
  std::set<RunId> may_be_cancelled_;
  std::set<RunId> may_repeat_;
  std::set<RunId> rejected_;
  std::map<Micros, MicroMoney> spending_;  ///< by UTC day
  MicroMoney spent_ = 0;
  std::optional<store::Commit> doubtful_;
  std::size_t recoveries_ = 0;  ///< crashes, and times that a disk was full
  Micros disturbed_us_ = 0;
  bool queues_ = false;
  bool is_slow_ = false;
};

}  // namespace sb::simulation
