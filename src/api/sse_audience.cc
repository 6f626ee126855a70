#include "api/sse_audience.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

namespace sb::api {
namespace {

// Events that come in one piece leave in one piece, up to this much.
constexpr std::size_t kFramesBytesMax = 16 * 1024;

}  // namespace

void StreamTicker::start() {
  asio::co_spawn(io_, run(), asio::detached);
}

Task<void> StreamTicker::run() {
  asio::steady_timer timer(io_);
  while (!stopped_) {
    timer.expires_after(period_);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(use_task, ignored));
    const auto now = std::chrono::steady_clock::now();
    for (auto* audience : audiences_) {
      if (!audience->busy_ && now - audience->last_write_ >= patience_) {
        asio::co_spawn(io_, audience->keep_alive(), asio::detached);
      }
    }
  }
}

SseAudience::SseAudience(http::Exchange& exchange, StreamTicker& ticker, std::function<http::Headers()> headers)
    : exchange_(exchange),
      ticker_(ticker),
      headers_(std::move(headers)),
      last_write_(std::chrono::steady_clock::now()),
      alive_(std::make_shared<bool>(true)) {
  ticker_.audiences_.insert(this);
}

SseAudience::~SseAudience() {
  *alive_ = false;
  ticker_.audiences_.erase(this);
}

Task<void> SseAudience::lock() {
  while (busy_) {
    co_await asio::async_initiate<decltype(use_task), void()>(
        [this](auto handler) {
          auto shared = std::make_shared<decltype(handler)>(std::move(handler));
          waiter_ = [this, shared] { asio::post(ticker_.io_, std::move(*shared)); };
        },
        use_task);
  }
  busy_ = true;
}

void SseAudience::unlock() {
  busy_ = false;
  last_write_ = std::chrono::steady_clock::now();
  if (auto wake = std::exchange(waiter_, {})) wake();
}

Task<Result<>> SseAudience::write(std::string_view bytes) {
  if (!begun_) {
    begun_ = true;
    auto headers = headers_();
    headers.set("content-type", "text/event-stream; charset=utf-8");
    headers.set("cache-control", "no-cache");
    headers.set("x-accel-buffering", "no");  // nginx in front must not hold events back
    SB_CO_CHECK(co_await exchange_.begin_stream(200, std::move(headers)));
  }
  co_return co_await exchange_.write(bytes);
}

Task<void> SseAudience::keep_alive() {
  const auto alive = alive_;  // the handler may end while we write
  busy_ = true;
  (void)co_await write(http::kSseComment);
  if (*alive) unlock();
}

Task<Result<>> SseAudience::event(std::uint64_t id, std::string_view payload) {
  frames_ += "id: ";
  frames_ += std::to_string(id);
  frames_ += "\ndata: ";
  frames_ += payload;
  frames_ += "\n\n";
  if (frames_.size() < kFramesBytesMax) co_return Result<>();
  co_return co_await flush();
}

Task<Result<>> SseAudience::flush() {
  if (frames_.empty()) co_return Result<>();
  co_await lock();
  auto written = co_await write(std::exchange(frames_, {}));
  unlock();
  co_return written;
}

Task<void> SseAudience::settle() {
  co_await lock();
}

Task<Result<>> SseAudience::done(MicroMoney cost) {
  return end("[DONE]", cost);
}

Task<Result<>> SseAudience::fail_in_band(std::string_view error_body, MicroMoney cost) {
  return end(error_body, cost);
}

Task<Result<>> SseAudience::end(std::string_view last, MicroMoney cost) {
  co_await lock();
  // In one event with what follows, as kSseComment explains.
  frames_ += ": signalbox-cost ";
  frames_ += std::to_string(cost);
  frames_ += "\ndata: ";
  frames_ += last;
  frames_ += "\n\n";
  auto written = co_await write(frames_);
  if (written) written = co_await exchange_.end_stream();
  unlock();
  co_return written;
}

}  // namespace sb::api
