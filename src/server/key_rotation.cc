#include "server/key_rotation.h"

#include <boost/asio/steady_timer.hpp>

#include "base/log.h"

namespace sb::server {
namespace {

using Step = api::KeyRotation::Step;
constexpr std::chrono::milliseconds kIdle{500};
constexpr std::chrono::milliseconds kBreath{1};  // other commits come between two batches

}  // namespace

Task<void> keep_key_rotation(Services& services) {
  asio::steady_timer pause(co_await asio::this_coro::executor);
  for (;;) {
    const auto step = co_await services.key_rotation->step();
    if (!step) {
      log_error("tenant_key.rotation_failed",
                {{"code", to_string(step.error().code)}, {"detail", step.error().detail}});
    } else if (*step == Step::ended) {
      log_info("tenant_key.rotated");
      (void)co_await services.store->scrub();
    }
    pause.expires_after(step && *step == Step::moved ? kBreath : kIdle);
    co_await pause.async_wait(use_task);
  }
}

}  // namespace sb::server
