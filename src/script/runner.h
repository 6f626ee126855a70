/// Runs scripts on one shard: templates and jq in place, JavaScript in a small pool of sandboxed worker processes.
///
/// A worker is this program started again as `script-worker` (script/worker.h), connected by a socket pair. Workers
/// start when first needed, serve one call at a time, and are replaced after a number of calls, or when they hang, die
/// or answer nonsense; the call that suffered gets an error, others do not notice.
///
/// Belongs to one shard: construct, call and destroy it on that shard's thread. The registry outlives it, and it
/// outlives the calls in flight; destroying it kills its workers.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/task.h"
#include "script/registry.h"

namespace sb::script {

struct RunnerOptions {
  std::string program = "/proc/self/exe";
  std::vector<std::string> arguments{"script-worker"};
  std::size_t workers_max = 2;
  std::size_t queue_max = 256;                 ///< calls waiting for a worker; more are refused
  std::chrono::milliseconds queue_wait{2000};  ///< longest wait for a worker
  std::chrono::milliseconds grace{500};        ///< after a script's own timeout, before its worker is killed
  std::size_t calls_per_worker = 1000;
  std::size_t input_bytes_max = 1024 * 1024;
  std::size_t result_bytes_max = 1024 * 1024;
};

struct RunnerCounters {
  std::uint64_t calls = 0;  ///< of JavaScript
  std::uint64_t workers_started = 0;
  std::uint64_t workers_killed = 0;  ///< hung, died or answered nonsense
  std::uint64_t refused = 0;         ///< for want of a worker
};

class WorkerProcess;

class ScriptRunner {
 public:
  ScriptRunner(Executor executor, const ScriptRegistry& registry, RunnerOptions options = {});
  ~ScriptRunner();
  ScriptRunner(const ScriptRunner&) = delete;
  ScriptRunner& operator=(const ScriptRunner&) = delete;

  /// The script's result. Retriable: unavailable (no worker in time, or the worker died). Not retriable: not_found (the
  /// name; or a jq script without output), invalid_argument (the script threw, or has no value for this input),
  /// deadline_exceeded (its timeout_ms), too_large (its memory_mib, or input or result over the limits).
  Task<Result<json::value>> run(std::string name, json::value input);
  /// The same for a JavaScript script that is not in the registry.
  Task<Result<json::value>> run_javascript(Script script, json::value input);

  /// Compiles every JavaScript script in a worker, so that a mistake is found at start and not at the first customer.
  /// Errors: invalid_argument (names script and line), unavailable.
  Task<Result<>> verify();

  const RunnerCounters& counters() const { return counters_; }

 private:
  class Lease;
  struct Waiter;

  Task<Result<Lease>> acquire();
  Task<Result<std::string>> call(const Script& script, std::string input);
  Result<std::shared_ptr<WorkerProcess>> take_worker();
  void give_back(std::shared_ptr<WorkerProcess> worker);

  Executor executor_;
  const ScriptRegistry& registry_;
  RunnerOptions options_;
  RunnerCounters counters_;
  std::vector<std::shared_ptr<WorkerProcess>> idle_;
  std::size_t leased_ = 0;
  std::deque<Waiter*> waiting_;
};

}  // namespace sb::script
