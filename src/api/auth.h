/// The door: who asks, may they, and how often.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "http/message.h"
#include "keys/door.h"
#include "keys/key_ring.h"
#include "keys/limits.h"
#include "keys/roles.h"

namespace sb::api {

/// Who asks, and what they have left.
struct Caller {
  std::string tenant = "default";
  std::string key_id;  ///< empty: no key (loopback without keys)
  std::optional<KeyId> key;
  Role role = Role::admin;
  MicroMoney spend_limit_per_day = 0;
  http::Headers limit_headers;     ///< x-ratelimit-*; empty where there is no limit
  InFlightLimiter::Ticket ticket;  ///< held while the request is in work
};

/// Limits of keys, shared by all shards.
struct Limiters {
  RateLimiter rate;
  InFlightLimiter in_flight;
  SpendLedger spend;
};

struct GatekeeperOptions {
  bool keys_required = true;  ///< false: a request without a key is the admin of tenant `default`
  DefaultLimits default_limits;
  std::int64_t spend_warn_percent = 80;  ///< of a day's money, from when on answers say so; 0: never
};

/// One a shard: it keeps its own view of the key ring.
class Gatekeeper {
 public:
  Gatekeeper(const KeyRing& ring, Limiters& limiters, const Clock& clock, GatekeeperOptions options)
      : ring_(ring), reader_(ring), limiters_(limiters), clock_(clock), options_(options) {}

  struct Refusal {
    Error error;
    http::Headers headers;  ///< retry-after, x-ratelimit-*
  };
  /// Errors: unauthenticated, permission_denied, rate_limited.
  std::expected<Caller, Refusal> admit(const http::Request& request, Permission permission);

  const KeyRing& ring() const { return ring_; }
  /// What the key may spend in a day; 0: no limit.
  MicroMoney spend_limit_of(const KeyRecord& key) const {
    return effective_limits(key.limits, options_.default_limits).spend_micro_per_day;
  }
  std::int64_t spend_warn_percent() const { return options_.spend_warn_percent; }

 private:
  void warn_of_spending(Caller& caller) const;

  const KeyRing& ring_;
  KeyReader reader_;
  Limiters& limiters_;
  const Clock& clock_;
  GatekeeperOptions options_;
};

}  // namespace sb::api
