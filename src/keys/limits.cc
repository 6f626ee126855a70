#include "keys/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/log.h"

namespace sb {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

constexpr nanoseconds kMinute = 1min;
constexpr std::int64_t kMaxPerMinute = 1'000'000'000;  // one a nanosecond over a minute is beyond any server
constexpr Micros kDayUs = 24LL * 3600 * 1'000'000;

// Sums of money stop at the top instead of wrapping into debt.
MicroMoney add(MicroMoney a, MicroMoney b) {
  MicroMoney sum;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<MicroMoney>::max() : sum;
}

// "120ms", "2.5s", "1m2.5s", rounded up: who waits that long does not wait in vain.
std::string duration_text(nanoseconds duration) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  if (ms < 1000) return fmt::format("{}ms", ms);
  const auto seconds = static_cast<double>(ms % 60'000) / 1000;
  return ms >= 60'000 ? fmt::format("{}m{}s", ms / 60'000, seconds) : fmt::format("{}s", seconds);
}

}  // namespace

Result<> RateDecision::check() const {
  if (allowed) return {};
  return fail(Errc::rate_limited, fmt::format("this key may make {} requests a minute; try again in {}", limit,
                                              duration_text(retry_after)));
}

std::string RateDecision::reset_header() const {
  return duration_text(reset);
}

std::string RateDecision::retry_after_header() const {
  return std::to_string(std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(retry_after).count()));
}

RateDecision RateLimiter::take(KeyId key, std::int64_t per_minute, TimePoint now) {
  if (per_minute <= 0) return {};
  per_minute = std::min(per_minute, kMaxPerMinute);
  const nanoseconds each = kMinute / per_minute;
  return buckets_.with(key, [&](Bucket& bucket) {
    const auto missing = std::clamp<nanoseconds>(bucket.full_at - now, 0ns, kMinute);
    RateDecision decision{.limit = per_minute};
    decision.allowed = missing + each <= kMinute;
    const auto after = decision.allowed ? missing + each : missing;
    if (decision.allowed)
      bucket.full_at = now + after;
    else
      decision.retry_after = missing + each - kMinute;
    decision.remaining = std::min((kMinute - after) / each, per_minute);
    decision.reset = after;
    return decision;
  });
}

InFlightLimiter::Ticket& InFlightLimiter::Ticket::operator=(Ticket&& other) noexcept {
  if (this != &other) {
    release();
    owner_ = std::exchange(other.owner_, nullptr);
    key_ = other.key_;
  }
  return *this;
}

void InFlightLimiter::Ticket::release() {
  if (auto* owner = std::exchange(owner_, nullptr)) owner->counts_.with(key_, [](std::int64_t& count) { --count; });
}

Result<InFlightLimiter::Ticket> InFlightLimiter::enter(KeyId key, std::int64_t max) {
  if (max <= 0) return Ticket();
  const bool entered = counts_.with(key, [max](std::int64_t& count) {
    if (count >= max) return false;
    ++count;
    return true;
  });
  if (entered) return Ticket(this, key);
  return fail(Errc::rate_limited,
              fmt::format("this key may have {} requests in work at once; wait for one to end", max));
}

UtcDay utc_day(Micros now_us) {
  return UtcDay{now_us >= 0 ? now_us / kDayUs : (now_us - kDayUs + 1) / kDayUs};
}

Reservation::Reservation(Reservation&& other) noexcept
    : ledger_(std::exchange(other.ledger_, nullptr)), key_(other.key_), day_(other.day_), amount_(other.amount_) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  if (this != &other) {
    settle(0);
    ledger_ = std::exchange(other.ledger_, nullptr);
    key_ = other.key_;
    day_ = other.day_;
    amount_ = other.amount_;
  }
  return *this;
}

Reservation::~Reservation() {
  settle(0);
}

void Reservation::settle(MicroMoney actual) {
  SB_ASSERT(actual >= 0);
  if (auto* ledger = std::exchange(ledger_, nullptr)) ledger->settle(key_, day_, amount_, actual);
}

SpendLedger::DayAccount* SpendLedger::Account::on(UtcDay day) {
  auto& slot = days[static_cast<std::uint64_t>(day) % 2];
  if (slot.day == day) return &slot;
  if (slot.day > day) return nullptr;
  slot = {.day = day};
  return &slot;
}

Result<Reservation> SpendLedger::reserve(KeyId key, MicroMoney limit_per_day, MicroMoney amount, Micros now_us) {
  SB_ASSERT(amount >= 0);
  auto day = utc_day(now_us);
  const bool reserved = accounts_.with(key, [&](Account& account) {
    // A clock that goes back must not open a day that was already spent.
    day = std::max({day, account.days[0].day, account.days[1].day});
    auto& today = *account.on(day);
    const auto after = add(add(today.spent, today.reserved), amount);
    if (limit_per_day > 0 && after > limit_per_day) return false;
    today.reserved = add(today.reserved, amount);
    return true;
  });
  if (reserved) return Reservation(this, key, day, amount);
  return fail(Errc::budget_exceeded,
              fmt::format("this key's money for the day is spent or set aside; the next day begins at {}",
                          rfc3339((static_cast<std::int64_t>(day) + 1) * kDayUs)));
}

void SpendLedger::settle(KeyId key, UtcDay day, MicroMoney reserved, MicroMoney actual) {
  accounts_.with(key, [&](Account& account) {
    if (auto* then = account.on(day)) {
      then->reserved = std::max<MicroMoney>(0, then->reserved - reserved);
      then->spent = add(then->spent, actual);
    }
  });
}

MicroMoney SpendLedger::spent(KeyId key, UtcDay day) {
  return accounts_.with(key, [&](Account& account) {
    const auto& slot = account.days[static_cast<std::uint64_t>(day) % 2];
    return slot.day == day ? slot.spent : 0;
  });
}

MicroMoney SpendLedger::reserved(KeyId key, UtcDay day) {
  return accounts_.with(key, [&](Account& account) {
    const auto& slot = account.days[static_cast<std::uint64_t>(day) % 2];
    return slot.day == day ? slot.reserved : 0;
  });
}

void SpendLedger::restore(KeyId key, UtcDay day, MicroMoney spent) {
  SB_ASSERT(spent >= 0);
  accounts_.with(key, [&](Account& account) {
    if (auto* then = account.on(day)) then->spent = spent;
  });
}

}  // namespace sb
