/// One worker process as its runner sees it.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/task.h"
#include "script/protocol.h"

namespace sb::script {

using WorkerSocket = asio::basic_stream_socket<asio::local::stream_protocol, Executor>;
using ShardTimer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

struct WorkerAnswer {
  Outcome outcome = Outcome::result;
  std::string text;
};

/// Starts a process and speaks script/protocol.h with it. Killed and reaped when destroyed. Used on one thread.
class WorkerProcess : public std::enable_shared_from_this<WorkerProcess> {
 public:
  /// Errors: unavailable (no process or descriptor to be had).
  static Result<std::shared_ptr<WorkerProcess>> start(Executor executor, const std::string& program,
                                                      const std::vector<std::string>& arguments);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  /// Sends one frame and reads the answer. After an error the worker is of no more use.
  /// Errors: unavailable (it died, or answered what is no frame), deadline_exceeded (killed after `limit`).
  Task<Result<WorkerAnswer>> exchange(std::string frame, std::chrono::milliseconds limit, std::size_t answer_bytes_max);

  std::size_t calls() const { return turns_ / 2; }

 private:
  WorkerProcess(Executor executor, WorkerSocket socket, pid_t pid);
  void kill_now();

  WorkerSocket socket_;
  ShardTimer timer_;
  pid_t pid_;
  std::size_t turns_ = 0;  ///< odd during a call, even between calls
  bool killed_ = false;
};

}  // namespace sb::script
