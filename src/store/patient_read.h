/// Reads of those that owe nobody an answer: they wait where the store cannot give one now.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>

#include "base/errors.h"
#include "base/task.h"

namespace sb::store {

/// `read()` again and again until its outcome is another than unavailable.
template <class Read>
auto read_patiently(Read read) -> decltype(read()) {
  constexpr std::chrono::milliseconds kPause{250};
  for (;;) {
    auto outcome = co_await read();
    if (outcome || outcome.error().code != Errc::unavailable) co_return outcome;
    asio::steady_timer pause(co_await asio::this_coro::executor, kPause);
    co_await pause.async_wait(use_task);
  }
}

}  // namespace sb::store
