#include "simulation/staged_store.h"

#include <algorithm>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>

namespace sb::simulation {
namespace {

constexpr Micros kNever = 1'000'000'000'000'000;
constexpr Micros kAgain = 250'000;  // as the real store's, after a group that found no room
constexpr std::size_t kGroupMost = 6;

}  // namespace

Task<> StagedStore::pause(Micros delay_us) {
  const Executor executor = co_await asio::this_coro::executor;
  auto start = [&](auto handler) {
    parts_.agenda.in(delay_us,
                     [executor, done = std::move(handler)]() mutable { asio::post(executor, std::move(done)); });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(start, use_task);
}

Task<> StagedStore::for_ever() {
  co_await pause(kNever);
}

Task<Result<>> StagedStore::queued(Queued entry) {
  entry.executor = co_await asio::this_coro::executor;
  auto start = [&](auto handler) {
    entry.answer = Answer(std::move(handler));
    queue_.push_back(std::move(entry));
    write_soon();
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void(Result<>)>(start, use_task);
}

Task<Result<>> StagedStore::commit(store::Commit commit) {
  Queued entry{std::move(commit), {}, {}};
  if (entry.commit.durability == store::Durability::sync) co_return co_await queued(std::move(entry));
  if (!stalled_) co_return stalled_;
  queue_.push_back(std::move(entry));
  write_soon();
  co_return Result<>();
}

Task<Result<>> StagedStore::flush() {
  Queued barrier{{}, {}, {}, true};
  co_return co_await queued(std::move(barrier));
}

bool StagedStore::has_async() const {
  return std::ranges::any_of(queue_, [](const Queued& entry) { return !entry.executor; });
}

void StagedStore::write_soon() {
  if (std::exchange(is_writing_soon_, true)) return;
  const Micros latency = stalled_ ? parts_.draws.between(50, parts_.commit_us_max) * slowness_ : kAgain;
  parts_.agenda.in(latency, [this] {
    is_writing_soon_ = false;
    write(1 + parts_.draws.below(kGroupMost));
    if (!queue_.empty()) write_soon();
  });
}

void StagedStore::write(std::size_t count) {
  stalled_ = {};
  std::vector<std::pair<Queued, Result<>>> answered;
  std::deque<Queued> held;
  for (; count > 0 && !queue_.empty() && !parts_.is_dead(); --count) {
    Queued entry = std::move(queue_.front());
    queue_.pop_front();
    Result<> outcome = stalled_;
    if (outcome && !entry.is_barrier) outcome = write_one(entry.commit);
    if (!outcome && outcome.error().code == Errc::disk_full) stalled_ = outcome;
    if (entry.executor)
      answered.emplace_back(std::move(entry), std::move(outcome));
    else if (!stalled_)
      held.push_back(std::move(entry));
  }
  for (auto entry = held.rbegin(); entry != held.rend(); ++entry) queue_.push_front(std::move(*entry));
  if (parts_.is_dead()) return;
  for (auto& [entry, outcome] : answered) {
    asio::post(*entry.executor, [done = std::move(entry.answer), result = std::move(outcome)]() mutable {
      std::move(done)(std::move(result));
    });
  }
}

Result<> StagedStore::write_one(const store::Commit& commit) {
  store::Commit now = commit;
  now.durability = store::Durability::sync;
  parts_.writing(commit);
  const VirtualTime::RealTime for_its_threads;
  const Result<> outcome = store::testing::wait_for(parts_.disk.commit(std::move(now)));
  if (outcome) parts_.settle();
  if (!parts_.is_dead()) parts_.written(outcome.has_value());
  return outcome;
}

}  // namespace sb::simulation
