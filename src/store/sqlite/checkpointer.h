/// Moves the write-ahead log into the database file on a thread of its own: in the writer's path a checkpoint stalls
/// every commit behind it for 30 to 170 ms.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "store/sqlite/sql.h"

namespace sb::store::sqlite {

class Checkpointer {
 public:
  /// `gate`: taken for the last few pages, so that the log is empty for a moment and can start over.
  Checkpointer(Database database, std::mutex& gate);
  ~Checkpointer();
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  /// Moves everything and empties the log file. Any thread; waits for the writer. Errors: unavailable (readers are in
  /// the way).
  Result<> truncate();
  /// The log has this many pages now. Any thread.
  void notice(std::size_t log_pages);

 private:
  void run();
  void checkpoint();
  /// Pages that are still only in the log; nothing where the checkpoint failed.
  std::optional<int> passive();

  Database database_;
  std::mutex connection_;  ///< after gate_
  std::mutex& gate_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::size_t log_pages_ = 0;  ///< under mutex_
  std::size_t threshold_;      ///< under mutex_
  bool stopping_ = false;      ///< under mutex_
  std::atomic<bool> idle_{true};
  std::thread thread_;
};

}  // namespace sb::store::sqlite
