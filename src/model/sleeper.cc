#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

#include "model/gateway.h"

namespace sb::model {
namespace {

class AsioSleeper final : public Sleeper {
 public:
  explicit AsioSleeper(asio::io_context& io) : io_(io) {}

  Task<> sleep(std::chrono::microseconds duration, CancelSource* cancel) override {
    if (duration.count() <= 0 || (cancel && cancel->cancelled())) co_return;
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor> timer(
        io_.get_executor(), duration);
    const CancelRegistration registration(cancel, [&timer] { timer.cancel(); });
    boost::system::error_code ignored;  // operation_aborted: the caller looks at its CancelSource
    co_await timer.async_wait(asio::redirect_error(use_task, ignored));
  }

 private:
  asio::io_context& io_;
};

}  // namespace

std::unique_ptr<Sleeper> make_sleeper(asio::io_context& io) {
  return std::make_unique<AsioSleeper>(io);
}

}  // namespace sb::model
