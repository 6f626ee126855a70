/// Lets the writes that one round of the event loop brings leave together. Private to src/http.
#pragma once

#include <boost/asio/post.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "base/task.h"

namespace sb::http {

/// A write wakes its reader, and waking a thread that sleeps on another core costs more than the write itself (half the
/// kernel's time at 64 connections on loopback: bench/gateway). Written one by one, as answers become ready, each write
/// finds its reader asleep again; written in a row, one wake-up serves them all. Who is alone does not wait.
/// Not thread-safe: one a shard.
class WriteTurn {
 public:
  explicit WriteTurn(asio::io_context& io) : io_(io), state_(std::make_shared<State>()) {}

  /// Resumes when the events that are ready now have been handled. The world may have changed: check again what a write
  /// needs.
  Task<void> wait() {
    auto keep = [this](auto&& handler) {
      state_->waiting.emplace_back(std::move(handler));
      if (state_->waiting.size() == 1) asio::post(io_, [state = state_] { state->resume_all(); });
    };
    return asio::async_initiate<const asio::use_awaitable_t<Executor>&, void()>(std::move(keep), use_task);
  }

 private:
  using Handler = asio::async_result<asio::use_awaitable_t<Executor>, void()>::handler_type;

  struct State {
    std::vector<Handler> waiting;
    std::vector<Handler> turn;

    void resume_all() {
      turn.swap(waiting);  // who comes while we go round waits for the next turn
      for (auto& handler : turn) std::move(handler)();
      turn.clear();
    }
  };

  asio::io_context& io_;
  std::shared_ptr<State> state_;
};

}  // namespace sb::http
