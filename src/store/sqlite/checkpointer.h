/// Moves the write-ahead log into the database file on a thread of its own: in the writer's path a checkpoint stalls
/// every commit behind it for 30 to 170 ms.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "store/sqlite/sql.h"

namespace sb::store::sqlite {

class Checkpointer {
 public:
  /// `gate`: taken for the last few pages, so that the log is empty for a moment and can start over. `again`: pause
  /// before an emptying that failed is tried anew.
  Checkpointer(Database database, std::mutex& gate, std::chrono::milliseconds again);
  ~Checkpointer();
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  /// Moves everything and empties the log file. Any thread; waits for the writer. What fails is owed from then on, and
  /// tried again until it is done. Errors: unavailable (readers are in the way), disk_full.
  Result<> truncate();
  bool owes_truncation() const { return owed_; }
  /// The log has this many pages now. Any thread.
  void notice(std::size_t log_pages);

 private:
  void run();
  Result<> try_truncate();
  void checkpoint();
  /// Pages that are still only in the log; nothing where the checkpoint failed.
  std::optional<int> passive();

  Database database_;
  std::mutex connection_;  ///< after gate_
  std::mutex& gate_;
  const std::chrono::milliseconds again_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::size_t log_pages_ = 0;      ///< under mutex_
  std::size_t threshold_;          ///< under mutex_
  bool stopping_ = false;          ///< under mutex_
  std::atomic<bool> owed_{false};  ///< set under mutex_
  std::atomic<bool> idle_{true};
  std::thread thread_;
};

}  // namespace sb::store::sqlite
