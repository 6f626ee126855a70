/// A thread for work that would hold an event loop for too long.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/task.h"

namespace sb {

/// One piece of work after the other, on a thread that begins with the first. Used from one thread, whose executor
/// outlives it. The end waits for what is at work and forgets what waits.
class Workers {
 public:
  /// What `work()` returns, on the caller's executor; throws what it throws. `work` must own all that it touches: who
  /// waits for it may be gone before it is done.
  template <class Work>
  Task<std::invoke_result_t<Work&>> run(Work work) {
    using Outcome = std::invoke_result_t<Work&>;
    const Executor executor = co_await asio::this_coro::executor;
    if (!pool_) pool_.emplace(1);
    auto start = [&](auto handler) {
      asio::post(*pool_, [executor, work = std::move(work), done = std::move(handler)]() mutable {
        std::exception_ptr failed;
        std::optional<Outcome> outcome;
        try {
          outcome.emplace(work());
        } catch (...) {
          failed = std::current_exception();
        }
        asio::post(executor, [failed, outcome = std::move(outcome), done = std::move(done)]() mutable {
          std::move(done)(failed, std::move(outcome));
        });
      });
    };
    auto outcome = co_await asio::async_initiate<const asio::use_awaitable_t<Executor>,
                                                 void(std::exception_ptr, std::optional<Outcome>)>(start, use_task);
    co_return *std::move(outcome);
  }

 private:
  std::optional<asio::thread_pool> pool_;
};

}  // namespace sb
