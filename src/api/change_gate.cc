#include "api/change_gate.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

namespace sb::api {

Task<Result<ChangeGate::Pass>> ChangeGate::enter(std::chrono::milliseconds patience) {
  // Asked again and again, not queued: changes are rare, and those who wait live on other threads.
  constexpr std::chrono::milliseconds kPause{5};
  const auto give_up = std::chrono::steady_clock::now() + patience;
  while (busy_.exchange(true)) {
    if (std::chrono::steady_clock::now() >= give_up)
      co_return fail(Errc::unavailable, "another change is still being written; try again");
    asio::steady_timer pause(co_await asio::this_coro::executor, kPause);
    boost::system::error_code ignored;
    co_await pause.async_wait(asio::redirect_error(use_task, ignored));
  }
  co_return Pass(&busy_);
}

}  // namespace sb::api
