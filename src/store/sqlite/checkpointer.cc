#include "store/sqlite/checkpointer.h"

#include <sqlite3.h>

#include "base/log.h"

namespace sb::store::sqlite {
namespace {

constexpr std::size_t kStartPages = 2048;  // 16 MiB of 8 KiB pages
constexpr int kFewPages = 256;             // 2 MiB: some milliseconds of the writer's time
constexpr int kMaxRounds = 4;
constexpr int kTruncatePatienceMs = 20;

}  // namespace

Checkpointer::Checkpointer(Database database, std::mutex& gate)
    : database_(std::move(database)), gate_(gate), threshold_(kStartPages) {
  thread_ = std::thread([this] { run(); });
}

Checkpointer::~Checkpointer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Checkpointer::notice(std::size_t log_pages) {
  if (log_pages < kStartPages || !idle_.load(std::memory_order_relaxed)) return;
  {
    const std::lock_guard lock(mutex_);
    log_pages_ = log_pages;
    if (log_pages < threshold_) return;
  }
  wake_.notify_one();
}

void Checkpointer::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stopping_ || log_pages_ >= threshold_; });
      if (stopping_) return;
      idle_ = false;
    }
    checkpoint();
    idle_ = true;
  }
}

std::optional<int> Checkpointer::passive() {
  const std::lock_guard connection(connection_);
  int in_log = 0;
  int moved = 0;
  const int result = sqlite3_wal_checkpoint_v2(database_.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
  if (result != SQLITE_OK) {
    log_warn("store.checkpoint_failed", {{"detail", database_.error("cannot checkpoint").detail}});
    return std::nullopt;
  }
  return in_log - moved;
}

Result<> Checkpointer::truncate() {
  const std::lock_guard gate(gate_);
  const std::lock_guard connection(connection_);
  sqlite3_busy_timeout(database_.handle(), kTruncatePatienceMs);  // the writer stands still meanwhile
  const int result =
      sqlite3_wal_checkpoint_v2(database_.handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  if (result == SQLITE_OK) return {};
  return fail(Errc::unavailable, "a long read keeps old pages in the write-ahead log; try again when it has ended");
}

// The writer goes on appending while pages are moved, so a round never ends at an empty log. Rounds make the rest
// small; then the writer waits for that rest alone, and begins the log anew with its next commit.
void Checkpointer::checkpoint() {
  std::optional<int> left;
  for (int round = 0; round < kMaxRounds; ++round) {
    left = passive();
    if (!left || *left <= kFewPages) break;
  }
  if (left && *left > 0) {
    const std::lock_guard gate(gate_);
    left = passive();
  }
  const std::lock_guard lock(mutex_);
  // A long read (a report, a verification) keeps pages in the log: try again when it has grown, not in a loop.
  threshold_ = left == 0 ? kStartPages : log_pages_ + kStartPages;
  log_pages_ = 0;
}

}  // namespace sb::store::sqlite
