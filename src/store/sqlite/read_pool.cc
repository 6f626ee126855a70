#include "store/sqlite/read_pool.h"

namespace sb::store::sqlite {
namespace {

constexpr std::size_t kMaxJobs = 4096;

}  // namespace

ReadPool::ReadPool(std::vector<std::unique_ptr<Reader>> readers) : readers_(std::move(readers)) {
  threads_.reserve(readers_.size());
  for (const auto& reader : readers_) threads_.emplace_back([this, &reader] { run(*reader); });
}

ReadPool::~ReadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ReadPool::push(Job job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

bool ReadPool::is_full() {
  const std::lock_guard lock(mutex_);
  return jobs_.size() >= kMaxJobs;
}

void ReadPool::run(Reader& reader) {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job(reader);
  }
}

}  // namespace sb::store::sqlite
