/// One coroutine waits for a condition; callbacks on the same thread wake it to look again.
#pragma once

#include <boost/asio/post.hpp>
#include <optional>
#include <utility>

#include "base/task.h"

namespace sb::http {

/// `while (!condition) co_await wakeup.wait();` A notify without a waiter is dropped: the condition is the truth.
/// Not thread-safe. Destroyed with a waiter inside, it destroys the waiting coroutine.
class Wakeup {
 public:
  /// REQUIRES: nobody waits yet.
  Task<void> wait() {
    auto keep = [this](auto&& handler) { handler_.emplace(std::move(handler)); };
    return asio::async_initiate<const asio::use_awaitable_t<Executor>&, void()>(std::move(keep), use_task);
  }

  /// Wakes the waiter from the event loop: safe wherever it is called from.
  void notify() {
    if (!handler_) return;
    auto handler = take();
    asio::post(std::move(handler));
  }

  /// Wakes it here and now. Only as the last thing a completion handler does: whatever calls may be gone after it.
  void notify_inline() {
    if (!handler_) return;
    auto handler = take();
    std::move(handler)();
  }

 private:
  using Handler = asio::async_result<asio::use_awaitable_t<Executor>, void()>::handler_type;

  Handler take() {
    Handler handler = std::move(*handler_);
    handler_.reset();
    return handler;
  }

  std::optional<Handler> handler_;
};

}  // namespace sb::http
