/// Answers of readers that may tell of a group which the sink has not taken in yet: held until it has.
#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "base/errors.h"
#include "base/task.h"

namespace sb::store::sqlite {

/// One coroutine that waits for another thread, but not for ever. On one executor.
class Patience {
 public:
  explicit Patience(const Executor& executor) : executor_(executor), timer_(executor) {}
  /// What is waited for has come.
  void end();
  /// False: it did not come within `limit`.
  Task<bool> wait(std::chrono::milliseconds limit);
  const Executor& executor() const { return executor_; }

 private:
  const Executor executor_;
  asio::steady_timer timer_;
  bool ended_ = false;
};

class HeldAnswers {
 public:
  /// `limit`: how long an answer is held. Zero: none ever is, hold() and wait() do nothing.
  explicit HeldAnswers(std::chrono::milliseconds limit) : limit_(limit) {}

  /// From here on readers may see what nobody may hear of. On the writer thread.
  void hold();
  /// Whatever readers have seen may be told. On the writer thread.
  void release();
  /// Asked after a read: it may have seen what is held.
  bool held() const { return held_.load(std::memory_order_acquire); }
  /// Then its answer waits, on any executor. Errors: unavailable (not within the limit).
  Task<Result<>> wait();
  /// Zero: nobody waits for the sink.
  std::chrono::milliseconds limit() const { return limit_; }
  static std::unexpected<Error> too_late();

 private:
  const std::chrono::milliseconds limit_;
  std::atomic<bool> held_{false};  ///< written under mutex_
  std::mutex mutex_;
  std::unordered_set<std::shared_ptr<Patience>> waiting_;  ///< under mutex_
};

}  // namespace sb::store::sqlite
