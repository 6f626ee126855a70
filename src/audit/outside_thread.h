/// A thread with an event loop and an HTTP client of its own, for talks with others that nobody here waits for.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/cancel.h"
#include "base/task.h"
#include "http/client.h"

namespace sb::audit {

/// Between two attempts to reach somebody who does not answer.
constexpr std::chrono::milliseconds kLongestPause = std::chrono::minutes(1);

class OutsideThread {
 public:
  struct Answer {
    int status = 0;
    std::string body;
  };
  struct Question {
    http::Url url;
    std::string path;  ///< after the URL's own
    std::string content_type;
    std::string body;
    std::chrono::milliseconds timeout{5'000};  ///< for the whole exchange
  };

  OutsideThread();
  /// Cancels what is under way and waits until the work has ended.
  ~OutsideThread();
  OutsideThread(const OutsideThread&) = delete;
  OutsideThread& operator=(const OutsideThread&) = delete;

  /// Runs `work` on the thread; it ends soon after sleep() says so. REQUIRES: called once; what the work and its tasks
  /// refer to outlives this object.
  void start(std::function<Task<void>()> work);

  // For the work, on the thread.
  /// False: stop now.
  Task<bool> sleep(std::chrono::milliseconds duration);
  /// A POST. Errors: unavailable, upstream_timeout, upstream_invalid, too_large (an answer above 64 KiB), cancelled.
  Task<Result<Answer>> ask(Question question);
  /// Runs a task beside the work. Both are waited for at the end.
  void spawn(Task<void> task);
  std::size_t spawned() const { return spawned_; }  ///< tasks that have not ended

 private:
  Task<void> run(std::function<Task<void>()> work);

  using Timer =
      asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

  asio::io_context io_{1};
  Timer ended_{io_.get_executor(), Timer::time_point::max()};  ///< cancelled when a task has ended
  std::size_t spawned_ = 0;
  CancelSource cancel_;  ///< fired on the thread
  std::unique_ptr<http::Client> client_;
  std::thread thread_;
};

}  // namespace sb::audit
