/// How long to wait before the next try, and in which order to try. Pure; any thread.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "http/message.h"
#include "model/breaker.h"
#include "model/catalog.h"

namespace sb::model {

/// What the provider asks for: `retry-after-ms`, else `retry-after` in seconds or as an HTTP date (RFC 9110, 10.2.3).
/// Nothing where it is absent or makes no sense; a date in the past is 0.
std::optional<std::chrono::microseconds> retry_after(const http::Headers& headers, Micros now_us);

/// Exponential back-off with full jitter: uniform in [0, min(cap, base * 2^(failures-1))].
/// (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: the least work of the variants
/// compared.)
std::chrono::microseconds backoff(const RetryConfig& config, int failures, Entropy& entropy);

/// A group's deployments in the order to be tried: drawn without replacement, each time by weight.
std::vector<std::size_t> draw_order(const std::vector<Target::Candidate>& group, Entropy& entropy);

/// What an upstream status means. `own_key`: the call used our configured credentials, not the caller's.
Cause cause_of_status(int status, bool own_key);
Cause cause_of_error(Errc code);

}  // namespace sb::model
