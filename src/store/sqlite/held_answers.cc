#include "store/sqlite/held_answers.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <vector>

namespace sb::store::sqlite {

void Patience::end() {
  ended_ = true;
  timer_.cancel();
}

Task<bool> Patience::wait(std::chrono::milliseconds limit) {
  if (!ended_) {
    timer_.expires_after(limit);
    boost::system::error_code ignored;
    co_await timer_.async_wait(asio::redirect_error(use_task, ignored));
  }
  co_return ended_;
}

void HeldAnswers::hold() {
  if (limit_.count() == 0) return;
  const std::lock_guard lock(mutex_);
  held_.store(true, std::memory_order_release);
}

// One post for each io_context, as the commits of a group have it.
void HeldAnswers::release() {
  if (limit_.count() == 0) return;
  struct Batch {
    Executor executor;
    std::vector<std::shared_ptr<Patience>> over;
  };
  std::vector<Batch> batches;
  {
    const std::lock_guard lock(mutex_);
    held_.store(false, std::memory_order_release);
    while (!waiting_.empty()) {
      std::shared_ptr<Patience> next = std::move(waiting_.extract(waiting_.begin()).value());
      auto batch = std::ranges::find(batches, next->executor(), &Batch::executor);
      if (batch == batches.end()) batch = batches.insert(batch, {next->executor(), {}});
      batch->over.push_back(std::move(next));
    }
  }
  for (auto& [executor, over] : batches) {
    asio::post(executor, [all = std::move(over)] {
      for (const auto& patience : all) patience->end();
    });
  }
}

Task<Result<>> HeldAnswers::wait() {
  const auto patience = std::make_shared<Patience>(co_await asio::this_coro::executor);
  {
    const std::lock_guard lock(mutex_);
    if (!held_.load(std::memory_order_relaxed)) co_return Result<>();
    waiting_.insert(patience);
  }
  if (co_await patience->wait(limit_)) co_return Result<>();
  const std::lock_guard lock(mutex_);
  waiting_.erase(patience);
  co_return too_late();
}

std::unexpected<Error> HeldAnswers::too_late() {
  return fail(Errc::unavailable, "what was read is not in the mirror yet; its place does not answer");
}

}  // namespace sb::store::sqlite
