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

Checkpointer::Checkpointer(Database database, std::mutex& gate, std::chrono::milliseconds again)
    : database_(std::move(database)), gate_(gate), again_(again), threshold_(kStartPages) {
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
    bool is_full = false;
    {
      std::unique_lock lock(mutex_);
      const auto due = [&] { return stopping_ || log_pages_ >= threshold_; };
      if (owed_)
        wake_.wait_for(lock, again_, due);
      else
        wake_.wait(lock, [&] { return due() || owed_; });
      if (stopping_) return;
      is_full = log_pages_ >= threshold_;
      if (!is_full && !owed_) continue;
      idle_ = false;
    }
    if (is_full) checkpoint();
    if (owed_ && truncate()) log_info("store.scrubbed");
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
  auto done = try_truncate();
  {
    const std::lock_guard lock(mutex_);
    if (!done && !owed_) log_warn("store.scrub_owed", {{"detail", done.error().detail}});
    owed_ = !done;
  }
  if (!done) wake_.notify_one();
  return done;
}

Result<> Checkpointer::try_truncate() {
  const std::lock_guard gate(gate_);
  const std::lock_guard connection(connection_);
  sqlite3_busy_timeout(database_.handle(), kTruncatePatienceMs);  // the writer stands still meanwhile
  const int result =
      sqlite3_wal_checkpoint_v2(database_.handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  if (result == SQLITE_OK) return {};
  if ((result & 0xff) != SQLITE_BUSY) return std::unexpected(database_.error("cannot empty the write-ahead log of"));
  return fail(Errc::unavailable, "a long read keeps old pages in the write-ahead log until it ends");
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
