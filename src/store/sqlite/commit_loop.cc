#include "store/sqlite/commit_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/log.h"

namespace sb::store::sqlite {
namespace {

using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

constexpr milliseconds kAsyncWait{20};  // async commits wait this long for company if nobody waits for them
constexpr milliseconds kIdleHead{100};  // then the last leaves get their tree head
constexpr milliseconds kRetryFullDisk{250};
constexpr std::size_t kGroupBytes = 8 << 20;  // the writer's page cache holds a group without spilling

struct Completion {
  CommitHandler handler;
  Result<> result;
};

struct Batch {
  Executor executor;
  std::vector<Completion> completions;
};

}  // namespace

CommitLoop::CommitLoop(std::unique_ptr<Writer> writer, Limits limits, std::mutex& gate, HeldAnswers& answers)
    : writer_(std::move(writer)),
      limits_(std::move(limits)),
      gate_(gate),
      answers_(answers),
      idle_since_(Steady::now()) {
  stats_.leaves = writer_->leaves();
  thread_ = std::thread([this] { run(); });
}

CommitLoop::~CommitLoop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

Result<> CommitLoop::enqueue(std::unique_ptr<Pending>& pending) {
  bool notify;
  {
    const std::lock_guard lock(mutex_);
    const std::size_t size = pending->bytes();
    if (pending->is_commit() && (queue_.size() >= limits_.queue_max || queue_bytes_ + size > limits_.queue_bytes_max)) {
      return fail(Errc::unavailable,
                  fmt::format("the store has {} commits waiting, its limit; try again", queue_.size()));
    }
    if (stalled_ && pending->kind == Kind::async) return std::unexpected(*stalled_);
    const bool was_empty = queue_.empty();
    if (pending->kind != Kind::async)
      ++urgent_;
    else if (was_empty)
      oldest_async_ = Steady::now();
    if (pending->kind == Kind::async) unwritten_async_.fetch_add(1, std::memory_order_release);
    queue_bytes_ += size;
    const bool needed = pending->kind != Kind::async || was_empty || queue_.size() + 1 >= limits_.batch_max;
    queue_.push_back(std::move(pending));
    notify = sleeping_ && needed;
    if (notify) sleeping_ = false;
  }
  if (notify) wake_.notify_one();
  return {};
}

void CommitLoop::push(std::unique_ptr<PreparedCommit> commit, Executor executor, CommitHandler handler) {
  stats_.commits.fetch_add(1, std::memory_order_relaxed);
  auto pending =
      std::make_unique<Pending>(Kind::sync, Writer::Item{std::move(commit), {}}, executor, std::move(handler));
  if (auto queued = enqueue(pending); !queued) {
    asio::post(executor, [done = std::move(pending->handler), result = std::move(queued)]() mutable {
      std::move(done)(std::move(result));
    });
  }
}

std::optional<Result<>> CommitLoop::commit_here(std::unique_ptr<PreparedCommit>& commit) {
  if (!limits_.commits_here || !take_turn()) return std::nullopt;
  stats_.commits.fetch_add(1, std::memory_order_relaxed);
  Group group;
  group.push_back(std::make_unique<Pending>(Kind::sync, Writer::Item{std::move(commit), {}}));
  auto outcome = process(group, false);
  end_turn();
  return outcome ? std::move(group.front()->item.result) : std::move(outcome);
}

bool CommitLoop::take_turn() {
  if (!std::unique_lock(gate_, std::try_to_lock)) return false;  // held for some milliseconds, now and then
  const std::lock_guard lock(mutex_);
  if (caller_writes_ || !sleeping_ || stopping_ || stalled_ || !queue_.empty() || lately_us_ > kQuickSyncUs)
    return false;
  return caller_writes_ = true;
}

void CommitLoop::end_turn() {
  const std::lock_guard lock(mutex_);
  caller_writes_ = false;
  if (awaits_caller_ || !queue_.empty()) wake_.notify_one();
}

Result<> CommitLoop::push_async(std::unique_ptr<PreparedCommit> commit) {
  stats_.commits.fetch_add(1, std::memory_order_relaxed);
  auto pending =
      std::make_unique<Pending>(Kind::async, Writer::Item{std::move(commit), {}}, std::nullopt, CommitHandler());
  return enqueue(pending);
}

void CommitLoop::flush(bool with_head, Executor executor, CommitHandler handler) {
  auto pending =
      std::make_unique<Pending>(with_head ? Kind::head : Kind::barrier, Writer::Item{}, executor, std::move(handler));
  SB_ASSERT(enqueue(pending).has_value());
}

void CommitLoop::run() {
  for (;;) {
    Group group = take();
    const bool idle = group.empty();
    if (idle && !writer_->head_is_behind()) return;  // stopping, and nothing is left to do
    const auto outcome = process(group, idle);
    complete(group, outcome);
    if (give_up()) return;
  }
}

// Nobody will free the disk for us once we are closing: who waits is told, and what async callers lose is said.
bool CommitLoop::give_up() {
  Group group;
  Result<> outcome;
  std::size_t lost = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_ || !stalled_) return false;
    outcome = std::unexpected(*stalled_);
    std::ranges::move(queue_, std::back_inserter(group));
    queue_.clear();
  }
  for (const auto& pending : group) lost += pending->kind == Kind::async ? 1 : 0;
  if (lost > 0) log_error("store.async_commits_lost", {{"commits", lost}, {"code", to_string(outcome.error().code)}});
  complete(group, outcome);
  return true;
}

// True: there is a group to take. False: nothing came for so long that the log's last leaves want their tree head.
bool CommitLoop::wait_for_work(std::unique_lock<std::mutex>& lock) {
  for (;;) {
    if (caller_writes_) {
      awaits_caller_ = true;
      wake_.wait(lock, [this] { return !caller_writes_; });
      awaits_caller_ = false;
    }
    if (stopping_ || urgent_ > 0 || (!stalled_ && queue_.size() >= limits_.batch_max)) return !queue_.empty();
    std::optional<Deadline> deadline;
    if (!queue_.empty())
      deadline = stalled_ ? retry_at_ : oldest_async_ + kAsyncWait;
    else if (writer_->head_is_behind())
      deadline = idle_since_ + kIdleHead;
    if (deadline && Steady::now() >= *deadline) return !queue_.empty();
    sleeping_ = true;
    if (deadline)
      wake_.wait_until(lock, *deadline);
    else
      wake_.wait(lock);
    sleeping_ = false;
  }
}

CommitLoop::Group CommitLoop::take() {
  std::unique_lock lock(mutex_);
  Group group;
  if (!wait_for_work(lock)) return group;
  std::size_t bytes = 0;
  while (!queue_.empty() && group.size() < limits_.batch_max && bytes < kGroupBytes) {
    std::unique_ptr<Pending> next = std::move(queue_.front());
    queue_.pop_front();
    bytes += next->bytes();
    if (next->kind != Kind::async) --urgent_;
    group.push_back(std::move(next));
  }
  queue_bytes_ -= bytes;
  return group;
}

Result<> CommitLoop::check_disk() {
  const auto now = Steady::now();
  if (now - disk_checked_ < limits_.disk_check_every) return {};
  const std::uint64_t free_bytes = limits_.free_disk_bytes();
  if (free_bytes < limits_.min_free_disk_bytes) {
    return fail(Errc::disk_full,
                fmt::format("{} MiB are free where the database is, {} MiB must be; free space, work goes on "
                            "by itself",
                            free_bytes >> 20, limits_.min_free_disk_bytes >> 20));
  }
  disk_checked_ = now;
  return {};
}

Result<> CommitLoop::write(const Group& group, bool idle) {
  std::vector<Writer::Item*> items;
  items.reserve(group.size());
  bool want_head = idle;
  for (const auto& pending : group) {
    if (pending->is_commit()) items.push_back(&pending->item);
    want_head |= pending->kind == Kind::head;
  }
  if (items.empty() && !(want_head && writer_->head_is_behind())) return {};
  SB_CHECK(check_disk());
  if (!items.empty()) {
    const auto apply = [&] {
      const std::lock_guard gate(gate_);
      answers_.hold();
      return writer_->apply(items);
    };
    SB_CHECK(apply());
    writer_->tell();
  }
  if (want_head) {
    // What the items brought is on disk; a tree head that cannot be stored now is stored with the next group.
    const auto store_head = [&] {
      const std::lock_guard gate(gate_);
      answers_.hold();
      return writer_->store_head();
    };
    (void)store_head();
    writer_->tell();
  }
  stats_.groups.fetch_add(1, std::memory_order_relaxed);
  stats_.group_sizes.add(items.size());
  stats_.sync_us.add(writer_->last_commit_us());
  lately_us_ = (15 * lately_us_ + writer_->last_commit_us()) / 16;
  stats_.leaves.store(writer_->leaves(), std::memory_order_relaxed);
  return {};
}

Result<> CommitLoop::process(Group& group, bool idle) {
  const Result<> outcome = write(group, idle);
  answers_.release();
  idle_since_ = Steady::now();
  if (!outcome) {
    settle_failure(group, outcome.error());
  } else {
    std::uint64_t async_done = 0;
    for (const auto& pending : group) {
      if (pending->kind != Kind::async) continue;
      ++async_done;
      if (pending->item.result) continue;
      stats_.rejected_async.fetch_add(1, std::memory_order_relaxed);
      log_warn("store.async_commit_rejected", {{"run", pending->item.prepared->commit.run.to_string()},
                                               {"code", to_string(pending->item.result.error().code)}});
    }
    unwritten_async_.fetch_sub(async_done, std::memory_order_release);
    const std::lock_guard lock(mutex_);
    stalled_.reset();
  }
  if (limits_.after_group) limits_.after_group();
  return outcome;
}

// Nobody who waits is told a lie; what was acknowledged before is held and tried again until there is room.
void CommitLoop::settle_failure(Group& group, const Error& error) {
  stats_.failed_groups.fetch_add(1, std::memory_order_relaxed);
  disk_checked_ = {};
  const std::lock_guard lock(mutex_);
  if (!std::exchange(stalled_, error))
    log_error("store.write_failed", {{"code", to_string(error.code)}, {"detail", error.detail}});
  retry_at_ = Steady::now() + kRetryFullDisk;
  for (auto pending = group.rbegin(); pending != group.rend(); ++pending) {
    if ((*pending)->kind != Kind::async) continue;
    queue_bytes_ += (*pending)->bytes();
    queue_.push_front(std::move(*pending));
  }
  std::erase(group, nullptr);
}

// One post for each io_context: a wake-up a group and shard, not one a commit.
void CommitLoop::complete(Group& group, const Result<>& outcome) {
  std::vector<Batch> batches;
  for (auto& pending : group) {
    if (!pending->handler) continue;
    auto batch = std::ranges::find(batches, *pending->executor, &Batch::executor);
    if (batch == batches.end()) {
      batches.push_back({*pending->executor, {}});
      batch = batches.end() - 1;
    }
    Result<> result = !outcome ? outcome : std::move(pending->item.result);
    batch->completions.push_back({std::move(pending->handler), std::move(result)});
  }
  for (auto& [executor, completions] : batches) {
    asio::post(executor, [done = std::move(completions)]() mutable {
      for (Completion& completion : done) std::move(completion.handler)(std::move(completion.result));
    });
  }
}

StoreStats CommitLoop::stats() const {
  StoreStats stats;
  stats.commits = stats_.commits.load(std::memory_order_relaxed);
  stats.groups = stats_.groups.load(std::memory_order_relaxed);
  stats.failed_groups = stats_.failed_groups.load(std::memory_order_relaxed);
  stats.leaves = stats_.leaves.load(std::memory_order_relaxed);
  stats.rejected_async = stats_.rejected_async.load(std::memory_order_relaxed);
  stats.group_sizes = stats_.group_sizes.snapshot();
  stats.sync_us = stats_.sync_us.snapshot();
  stats.queue_max = limits_.queue_max;
  const std::lock_guard lock(mutex_);
  stats.queued = queue_.size();
  return stats;
}

}  // namespace sb::store::sqlite
