#include "base/errors.h"

#include <cstdio>
#include <cstdlib>

namespace sb {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::not_found:
      return "not_found";
    case Errc::already_exists:
      return "already_exists";
    case Errc::lease_lost:
      return "lease_lost";
    case Errc::policy_denied:
      return "policy_denied";
    case Errc::upstream_timeout:
      return "upstream_timeout";
    case Errc::corrupt:
      return "corrupt";
    case Errc::invalid_argument:
      return "invalid_argument";
    case Errc::unauthenticated:
      return "unauthenticated";
    case Errc::permission_denied:
      return "permission_denied";
    case Errc::rate_limited:
      return "rate_limited";
    case Errc::budget_exceeded:
      return "budget_exceeded";
    case Errc::too_large:
      return "too_large";
    case Errc::unavailable:
      return "unavailable";
    case Errc::upstream_error:
      return "upstream_error";
    case Errc::upstream_invalid:
      return "upstream_invalid";
    case Errc::disk_full:
      return "disk_full";
    case Errc::cancelled:
      return "cancelled";
    case Errc::deadline_exceeded:
      return "deadline_exceeded";
    case Errc::unsupported:
      return "unsupported";
    case Errc::conflict:
      return "conflict";
    case Errc::internal:
      return "internal";
  }
  return "internal";
}

Errc errc_of(std::string_view name) {
  for (std::uint16_t code = 1; code <= static_cast<std::uint16_t>(Errc::conflict); ++code) {
    if (to_string(static_cast<Errc>(code)) == name) return static_cast<Errc>(code);
  }
  return Errc::internal;
}

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr,
               "signalbox: broken invariant: %s (%s:%d); stopping, because going on could write a wrong record\n",
               expression, file, line);
  std::abort();
}

}  // namespace sb
