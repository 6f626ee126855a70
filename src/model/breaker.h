/// When to leave a deployment alone: by the cause of its failures, never by a caller's.
///
/// Pure state machine in the time it is given; belongs to one shard.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "model/catalog.h"

namespace sb::model {

/// How one attempt ended, as far as retry, breaker and record care. Values are stored: append, never renumber.
enum class Cause : std::uint8_t {
  ok = 0,
  caller_fault = 1,     ///< 400, 413, 422 ..., or 401/403 with the caller's own key: final, nobody else would say yes
  not_found = 2,        ///< 404: the deployment does not have the model; others may
  bad_credentials = 3,  ///< 401/403 with our key: the deployment is misconfigured
  rate_limited = 4,     ///< 429: cools down as long as it asks
  timeout = 5,
  connect = 6,       ///< refused, DNS, TLS: nothing was sent
  server_error = 7,  ///< 5xx, 408, 409
  invalid = 8,       ///< not the protocol, or cut before its end
  unsupported = 9,   ///< the request cannot be said in this provider's protocol; others may
  cancelled = 10,    ///< the caller went away
  passed_over = 11,  ///< the breaker or a cool-down kept us from trying
};
std::string_view to_string(Cause cause);

/// True if the same deployment may answer the same request well a moment later.
constexpr bool is_retriable(Cause cause) {
  return cause == Cause::rate_limited || cause == Cause::timeout || cause == Cause::connect ||
         cause == Cause::server_error || cause == Cause::invalid;
}

/// True if the provider had the prompt but no answer came of it: it may bill what it read.
constexpr bool was_read(Cause cause) {
  return cause == Cause::timeout || cause == Cause::invalid || cause == Cause::cancelled;
}

/// True if another deployment should be tried.
constexpr bool is_fallback(Cause cause) {
  return is_retriable(cause) || cause == Cause::not_found || cause == Cause::bad_credentials ||
         cause == Cause::unsupported || cause == Cause::passed_over;
}

class Breaker {
 public:
  enum class State : std::uint8_t {
    closed,
    open,           ///< its own failures; one probe after `open_for`
    cooling,        ///< it asked for a pause (429)
    misconfigured,  ///< it refuses our key; probed like `open`, but only the configuration can help
  };

  explicit Breaker(const BreakerConfig& config) : config_(config) {}

  /// May a call go there now? In the half-open state one caller gets true and is the probe: it must `record`.
  bool allow(Micros now_us);
  /// What the call that `allow` let through came to. `retry_after_us`: of a 429; 0: none given.
  void record(Cause cause, Micros now_us, Micros retry_after_us = 0);

  State state(Micros now_us) const;
  /// The first moment when `allow` may say yes.
  Micros ready_at(Micros now_us) const;

 private:
  static constexpr std::size_t kSlots = 10;
  struct Slot {
    std::int64_t number = -1;
    int failures = 0;
    int calls = 0;
  };

  void count(bool failure, Micros now_us);
  bool over_limit(Micros now_us) const;
  void open(State state, Micros now_us);
  void close();
  std::int64_t slot_number(Micros now_us) const;

  BreakerConfig config_;
  std::array<Slot, kSlots> slots_{};  // a rolling window: slot n holds number n mod kSlots
  State state_ = State::closed;
  Micros opened_until_ = 0;
  Micros cool_until_ = 0;
  Micros probe_until_ = 0;  // a probe that never reported loses its right then
  int openings_ = 0;        // in a row, for the doubling
};

}  // namespace sb::model
