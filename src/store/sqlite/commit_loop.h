/// The writer thread: a bounded queue in front of it, everything that waits becomes one transaction.
#pragma once

#include <boost/asio/any_completion_handler.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/task.h"
#include "store/sqlite/held_answers.h"
#include "store/sqlite/loop_stats.h"
#include "store/sqlite/writer.h"

namespace sb::store::sqlite {

using CommitHandler = asio::any_completion_handler<void(Result<>)>;

class CommitLoop {
 public:
  struct Limits {
    std::size_t batch_max;
    std::size_t queue_max;
    std::size_t queue_bytes_max;
    std::uint64_t min_free_disk_bytes;
    std::chrono::milliseconds disk_check_every;
    std::function<std::uint64_t()> free_disk_bytes;
    std::function<void()> after_group;  ///< on the thread that wrote it, outside the gate
    bool commits_here = false;          ///< callers may write themselves
  };

  /// `gate` is held while a transaction is open: who holds it keeps the writer waiting. `answers` are held from before
  /// a transaction until the sink has taken it in.
  CommitLoop(std::unique_ptr<Writer> writer, Limits limits, std::mutex& gate, HeldAnswers& answers);
  /// Writes what is queued, completes everybody, then ends.
  ~CommitLoop();
  CommitLoop(const CommitLoop&) = delete;
  CommitLoop& operator=(const CommitLoop&) = delete;

  /// `handler` is called on `executor` when the group is on disk, or with the reason why not.
  void push(std::unique_ptr<PreparedCommit> commit, Executor executor, CommitHandler handler);
  /// The same on the caller's own thread, which stands still meanwhile, so that no thread is woken twice for one
  /// commit. Nothing, and `commit` is as it was: others wait or write, or the disk is not quick.
  std::optional<Result<>> commit_here(std::unique_ptr<PreparedCommit>& commit);
  /// Done when queued. Errors: unavailable (queue full), disk_full.
  Result<> push_async(std::unique_ptr<PreparedCommit> commit);
  /// As push(), for all that was queued before. `with_head`: also a signed tree head over it.
  void flush(bool with_head, Executor executor, CommitHandler handler);

  /// Whether a commit was acknowledged that readers cannot see yet.
  bool has_unwritten_async() const { return unwritten_async_.load(std::memory_order_acquire) > 0; }
  StoreStats stats() const;

 private:
  enum class Kind : std::uint8_t { sync, async, barrier, head };
  struct Pending {
    Kind kind;
    Writer::Item item;
    std::optional<Executor> executor;
    CommitHandler handler;
    bool is_commit() const { return kind == Kind::sync || kind == Kind::async; }
    std::size_t bytes() const { return item.prepared ? item.prepared->size_bytes : 0; }
  };
  using Group = std::vector<std::unique_ptr<Pending>>;
  static constexpr std::uint64_t kQuickSyncUs = 1000;  ///< so long a caller's thread may stand still
  using Deadline = std::chrono::steady_clock::time_point;

  Result<> enqueue(std::unique_ptr<Pending>& pending);
  void run();
  Group take();
  bool wait_for_work(std::unique_lock<std::mutex>& lock);
  Result<> process(Group& group, bool idle);
  bool take_turn();
  void end_turn();
  bool give_up();
  Result<> write(const Group& group, bool idle);
  Result<> check_disk();
  void settle_failure(Group& group, const Error& error);
  static void complete(Group& group, const Result<>& outcome);

  std::unique_ptr<Writer> writer_;
  const Limits limits_;
  std::mutex& gate_;
  HeldAnswers& answers_;
  LoopStats stats_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // Under mutex_:
  std::deque<std::unique_ptr<Pending>> queue_;
  std::size_t queue_bytes_ = 0;
  std::size_t urgent_ = 0;  ///< queued entries somebody waits for
  Deadline oldest_async_;   ///< when the first of a quiet queue came
  bool sleeping_ = false;
  bool stopping_ = false;
  bool caller_writes_ = false;  ///< what is of the writer is its own meanwhile
  bool awaits_caller_ = false;
  std::optional<Error> stalled_;  ///< the disk is full or fails: acknowledged async commits are held, no more are taken

  std::atomic<std::uint64_t> unwritten_async_{0};
  // Of who writes:
  Deadline retry_at_;
  Deadline idle_since_;
  Deadline disk_checked_;
  std::uint64_t lately_us_ = 0;  ///< what a commit takes: a mean in which the last ones count most
  std::thread thread_;
};

}  // namespace sb::store::sqlite
