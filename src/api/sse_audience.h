/// A client that reads an answer as server-sent events, kept awake through silence.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <set>

#include "base/task.h"
#include "flow/live_run.h"
#include "http/server.h"
#include "http/sse.h"

namespace sb::api {

class SseAudience;

/// One slow clock a shard for all its streams: cheaper than a timer each. Lives on the shard's thread.
class StreamTicker {
 public:
  static constexpr std::chrono::seconds kPatience{5};

  /// Looks every `period`; a stream that was silent for `patience` gets a comment.
  explicit StreamTicker(asio::io_context& io, std::chrono::milliseconds period = std::chrono::seconds(1),
                        std::chrono::milliseconds patience = kPatience)
      : io_(io), period_(period), patience_(patience) {}
  void start();
  void stop() { stopped_ = true; }

 private:
  friend class SseAudience;
  Task<void> run();
  asio::io_context& io_;
  std::chrono::milliseconds period_;
  std::chrono::milliseconds patience_;
  std::set<SseAudience*> audiences_;
  bool stopped_ = false;
};

/// The head of the response is held back until the first event, so that a failure before it has a proper status; after
/// the ticker's patience it is sent all the same, and comments keep proxies and clients from giving up.
class SseAudience final : public flow::Audience {
 public:
  /// `headers` is asked once, when the head is sent. All borrowed for the audience's life.
  SseAudience(http::Exchange& exchange, StreamTicker& ticker, std::function<http::Headers()> headers);
  ~SseAudience() override;

  Task<Result<>> event(std::uint64_t id, std::string_view payload) override;
  Task<Result<>> flush() override;
  /// "data: [DONE]" and the end of the body. The head was sent before the cost was known: a comment tells it, which
  /// every client library skips.
  Task<Result<>> done(MicroMoney cost);
  /// An error after the head was sent: in band, and no [DONE].
  Task<Result<>> fail_in_band(std::string_view error_body, MicroMoney cost);
  bool begun() const { return begun_; }
  /// Waits for a comment under way and lets no more begin: to be awaited before the exchange is used otherwise, or
  /// ends.
  Task<void> settle();

 private:
  friend class StreamTicker;
  Task<Result<>> write(std::string_view bytes);
  Task<Result<>> end(std::string_view last, MicroMoney cost);
  Task<void> lock();
  void unlock();
  Task<void> keep_alive();

  http::Exchange& exchange_;
  StreamTicker& ticker_;
  std::function<http::Headers()> headers_;
  std::chrono::steady_clock::time_point last_write_;
  bool begun_ = false;
  bool busy_ = false;  ///< a write is under way; the exchange takes one at a time
  std::shared_ptr<bool> alive_;
  std::function<void()> waiter_;
  std::string frames_;  ///< not yet written
};

}  // namespace sb::api
