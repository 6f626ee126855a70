#include "api/auth.h"

namespace sb::api {

std::expected<Caller, Gatekeeper::Refusal> Gatekeeper::admit(const http::Request& request, Permission permission) {
  const auto refuse = [](Error error, http::Headers headers = {}) {
    return std::unexpected(Refusal{std::move(error), std::move(headers)});
  };
  const auto presented = presented_key(request.headers.get("authorization"), request.headers.get("x-api-key"));
  Caller caller;
  // Without keys a client library still sends its placeholder key: only a text in our form is meant for us.
  if (!options_.keys_required && !is_api_key(presented)) return caller;
  auto principal = reader_.authenticate(presented);
  if (!principal) return refuse(principal.error());
  const KeyRecord& key = **principal;
  caller.tenant = key.tenant;
  caller.key = key.id;
  caller.key_id = key.id.to_string();
  caller.role = key.role;
  if (auto allowed = require(key.role, permission); !allowed) return refuse(allowed.error());

  const KeyLimits limits = effective_limits(key.limits, options_.default_limits);
  caller.spend_limit_per_day = limits.spend_micro_per_day;
  if (limits.requests_per_minute != 0) {
    const auto decision = limiters_.rate.take(key.id, limits.requests_per_minute, clock_.steady());
    caller.limit_headers.add("x-ratelimit-limit-requests", decision.limit_header());
    caller.limit_headers.add("x-ratelimit-remaining-requests", decision.remaining_header());
    caller.limit_headers.add("x-ratelimit-reset-requests", decision.reset_header());
    if (auto allowed = decision.check(); !allowed) {
      caller.limit_headers.add("retry-after", decision.retry_after_header());
      return refuse(allowed.error(), std::move(caller.limit_headers));
    }
  }
  warn_of_spending(caller);
  auto ticket = limiters_.in_flight.enter(key.id, limits.max_in_flight);
  if (!ticket) return refuse(ticket.error(), {{"retry-after", "1"}});
  caller.ticket = std::move(*ticket);
  return caller;
}

// The soft limit: nothing is refused, and whoever asks learns of it before the hard one.
void Gatekeeper::warn_of_spending(Caller& caller) const {
  if (caller.spend_limit_per_day <= 0 || options_.spend_warn_percent <= 0) return;
  const auto spent = limiters_.spend.spent(*caller.key, utc_day(clock_.now_us()));
  const auto percent =
      static_cast<std::int64_t>(100 * static_cast<double>(spent) / static_cast<double>(caller.spend_limit_per_day));
  if (percent >= options_.spend_warn_percent)
    caller.limit_headers.add("x-signalbox-budget-used-percent", std::to_string(percent));
}

}  // namespace sb::api
