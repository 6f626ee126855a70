/// What a key may use: requests in time, requests at once, money a day. Pure logic: time comes in as a value.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/errors.h"
#include "base/ids.h"
#include "keys/sharded.h"

namespace sb {

/// The answer for one request, with what the response headers say.
struct RateDecision {
  bool allowed = true;
  std::int64_t limit = 0;                   ///< requests a minute; 0: no limit, no headers
  std::int64_t remaining = 0;               ///< that would be allowed now
  std::chrono::nanoseconds reset{0};        ///< until `remaining` is `limit` again
  std::chrono::nanoseconds retry_after{0};  ///< until the next is allowed; 0 if allowed

  /// Errors: rate_limited, where it is not allowed.
  Result<> check() const;
  std::string limit_header() const { return std::to_string(limit); }          ///< x-ratelimit-limit-requests
  std::string remaining_header() const { return std::to_string(remaining); }  ///< x-ratelimit-remaining-requests
  std::string reset_header() const;        ///< x-ratelimit-reset-requests, "1m2.5s" or "120ms"
  std::string retry_after_header() const;  ///< retry-after: whole seconds, rounded up, at least 1
};

/// A token bucket for each key: a full bucket holds a minute's requests and fills evenly. Thread-safe.
class RateLimiter {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// Takes one request out of the bucket if there is one. `per_minute` 0 always allows and keeps nothing.
  /// A changed limit takes effect at once; what was used of the bucket stays used, as a share of it.
  RateDecision take(KeyId key, std::int64_t per_minute, TimePoint now);

  void forget(KeyId key) { buckets_.forget(key); }

 private:
  // When the bucket will be full again. The generic cell rate algorithm (ITU-T I.371) keeps just this one number.
  struct Bucket {
    TimePoint full_at{};
  };
  ShardedByKey<Bucket> buckets_;
};

/// Counts a key's requests in work. Thread-safe; outlives its tickets.
class InFlightLimiter {
 public:
  /// Held while the request is in work; gives its place back when it goes.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), key_(other.key_) {}
    Ticket& operator=(Ticket&& other) noexcept;
    ~Ticket() { release(); }

   private:
    friend class InFlightLimiter;
    Ticket(InFlightLimiter* owner, KeyId key) : owner_(owner), key_(key) {}
    void release();
    InFlightLimiter* owner_ = nullptr;
    KeyId key_;
  };

  /// `max` 0: no limit. Errors: rate_limited.
  Result<Ticket> enter(KeyId key, std::int64_t max);

 private:
  ShardedByKey<std::int64_t> counts_;
};

/// The number of whole UTC days since 1970-01-01.
enum class UtcDay : std::int64_t {};
UtcDay utc_day(Micros now_us);

class SpendLedger;

/// Money set aside for one request until its cost is known. Gives everything back if it is dropped unsettled.
class Reservation {
 public:
  Reservation() = default;
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&& other) noexcept;
  ~Reservation();

  /// The request cost `actual` (>= 0, also above the amount: then the truth is written and the day may be overdrawn by
  /// the difference). Ends the reservation; later calls do nothing.
  void settle(MicroMoney actual);
  MicroMoney amount() const { return amount_; }

 private:
  friend class SpendLedger;
  Reservation(SpendLedger* ledger, KeyId key, UtcDay day, MicroMoney amount)
      : ledger_(ledger), key_(key), day_(day), amount_(amount) {}
  SpendLedger* ledger_ = nullptr;
  KeyId key_;
  UtcDay day_{};
  MicroMoney amount_ = 0;
};

/// Money a key has spent and set aside on a UTC day, against a hard limit. Thread-safe; outlives its reservations.
///
/// At every moment spent + reserved <= limit for reservations made under that limit, whatever is asked at once. It is a
/// guard, not the books: the store's costs are; `restore` what they say at the start. A request counts on the day it
/// began; days before yesterday are forgotten.
class SpendLedger {
 public:
  /// `amount` >= 0 is the most the request can cost. `limit_per_day` 0: no limit, but counted.
  /// Errors: budget_exceeded (says when the day ends, not how much is left of whose money).
  Result<Reservation> reserve(KeyId key, MicroMoney limit_per_day, MicroMoney amount, Micros now_us);

  MicroMoney spent(KeyId key, UtcDay day);
  MicroMoney reserved(KeyId key, UtcDay day);
  /// What the books say was spent on `day` before this process started.
  void restore(KeyId key, UtcDay day, MicroMoney spent);
  void forget(KeyId key) { accounts_.forget(key); }

 private:
  friend class Reservation;
  struct DayAccount {
    UtcDay day{-1};
    MicroMoney spent = 0;
    MicroMoney reserved = 0;
  };
  /// Today and yesterday: a request that began before midnight is settled after it.
  struct Account {
    DayAccount days[2];
    /// The account of `day`, made if it is newer than what is there; null if it is forgotten.
    DayAccount* on(UtcDay day);
  };
  void settle(KeyId key, UtcDay day, MicroMoney reserved, MicroMoney actual);
  ShardedByKey<Account> accounts_;
};

}  // namespace sb
