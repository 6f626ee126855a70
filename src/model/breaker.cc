#include "model/breaker.h"

#include <algorithm>

namespace sb::model {
namespace {

constexpr Micros kDefaultCoolDownUs = 1'000'000;  // a 429 without retry-after
constexpr Micros kCoolDownMaxUs = 300'000'000;    // a provider's word is not taken for longer than 5 minutes
constexpr Micros kMisconfiguredUs = 60'000'000;   // between two looks at whether the key works by now
constexpr Micros kProbeTimeoutUs = 120'000'000;   // the longest a probe blocks others
constexpr int kDoublingsMax = 10;

bool is_failure(Cause cause) {
  return cause == Cause::timeout || cause == Cause::connect || cause == Cause::server_error || cause == Cause::invalid;
}

// These tell that the deployment works, whatever the caller got.
bool is_alive(Cause cause) {
  return cause == Cause::ok || cause == Cause::caller_fault || cause == Cause::not_found ||
         cause == Cause::rate_limited;
}

}  // namespace

std::string_view to_string(Cause cause) {
  switch (cause) {
    case Cause::ok:
      return "ok";
    case Cause::caller_fault:
      return "caller_fault";
    case Cause::not_found:
      return "not_found";
    case Cause::bad_credentials:
      return "bad_credentials";
    case Cause::rate_limited:
      return "rate_limited";
    case Cause::timeout:
      return "timeout";
    case Cause::connect:
      return "connect";
    case Cause::server_error:
      return "server_error";
    case Cause::invalid:
      return "invalid";
    case Cause::unsupported:
      return "unsupported";
    case Cause::cancelled:
      return "cancelled";
    case Cause::passed_over:
      return "passed_over";
  }
  return "unknown";
}

bool Breaker::allow(Micros now_us) {
  if (now_us < ready_at(now_us)) return false;
  if (state_ != State::closed) probe_until_ = now_us + kProbeTimeoutUs;
  return true;
}

void Breaker::record(Cause cause, Micros now_us, Micros retry_after_us) {
  const bool was_probe = probe_until_ != 0;
  probe_until_ = 0;
  if (cause == Cause::rate_limited) {
    const Micros asked = retry_after_us > 0 ? retry_after_us : kDefaultCoolDownUs;
    cool_until_ = std::max(cool_until_, now_us + std::min(asked, kCoolDownMaxUs));
  }
  if (cause == Cause::bad_credentials) {
    open(State::misconfigured, now_us);
  } else if (is_failure(cause)) {
    count(true, now_us);
    if (was_probe || (state_ == State::closed && over_limit(now_us))) open(State::open, now_us);
  } else if (is_alive(cause)) {
    count(false, now_us);
    if (state_ != State::closed) close();
  }
}

Breaker::State Breaker::state(Micros now_us) const {
  if (state_ != State::closed) return state_;
  return now_us < cool_until_ ? State::cooling : State::closed;
}

Micros Breaker::ready_at(Micros now_us) const {
  Micros ready = cool_until_;
  if (state_ != State::closed) ready = std::max({ready, opened_until_, probe_until_});
  return std::max(ready, now_us);
}

void Breaker::count(bool failure, Micros now_us) {
  const std::int64_t number = slot_number(now_us);
  auto& slot = slots_[static_cast<std::size_t>(number) % kSlots];
  if (slot.number != number) slot = {number, 0, 0};
  ++slot.calls;
  slot.failures += failure ? 1 : 0;
}

bool Breaker::over_limit(Micros now_us) const {
  const std::int64_t newest = slot_number(now_us);
  int failures = 0;
  int calls = 0;
  for (const auto& slot : slots_) {
    if (slot.number <= newest - static_cast<std::int64_t>(kSlots)) continue;
    failures += slot.failures;
    calls += slot.calls;
  }
  return failures >= config_.failures_min && failures * 2 >= calls;
}

void Breaker::open(State state, Micros now_us) {
  openings_ = std::min(openings_ + 1, kDoublingsMax);
  const Micros doubled = to_us(config_.open_for) << (openings_ - 1);
  const Micros wait = state == State::misconfigured ? kMisconfiguredUs : std::min(doubled, to_us(config_.open_for_max));
  state_ = state;
  opened_until_ = now_us + wait;
}

void Breaker::close() {
  state_ = State::closed;
  openings_ = 0;
  slots_ = {};
}

std::int64_t Breaker::slot_number(Micros now_us) const {
  const Micros width = std::max<Micros>(to_us(config_.window) / static_cast<Micros>(kSlots), 1);
  return std::max<Micros>(now_us, 0) / width;
}

}  // namespace sb::model
