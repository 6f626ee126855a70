/// A few threads with a read-only connection each, and a bounded queue in front of them.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "store/sqlite/reader.h"

namespace sb::store::sqlite {

class ReadPool {
 public:
  using Job = std::move_only_function<void(Reader&)>;

  explicit ReadPool(std::vector<std::unique_ptr<Reader>> readers);
  /// Runs what is queued, then ends.
  ~ReadPool();
  ReadPool(const ReadPool&) = delete;
  ReadPool& operator=(const ReadPool&) = delete;

  void push(Job job);
  /// Ask before push(): so many jobs wait that the next one must be refused.
  bool is_full();

 private:
  void run(Reader& reader);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;   ///< under mutex_
  bool stopping_ = false;  ///< under mutex_
  std::vector<std::unique_ptr<Reader>> readers_;
  std::vector<std::thread> threads_;
};

}  // namespace sb::store::sqlite
