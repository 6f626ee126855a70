/// Where flows may call: the hosts that the configuration names, and nothing else (DESIGN 2, invariant 9).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/errors.h"
#include "http/client.h"

namespace sb::flow {

/// One absolute URL, ready to be asked.
struct Destination {
  http::Url origin;    ///< where the connection goes: the host itself, or the proxy that stands for it
  std::string target;  ///< path and query
};

/// Immutable, thread-safe.
class Egress {
 public:
  /// `name`: "host", "host:port" or "*.domain". `via`: base URL that its requests go to instead; empty: the host
  /// itself. Errors: invalid_argument (the URL).
  Result<> allow(std::string name, std::string_view via);
  /// Errors: invalid_argument (no http URL), permission_denied (the host is not named).
  Result<Destination> resolve(std::string_view url) const;
  /// What stands for the `*` of the name that allows this host; empty where none does, or it is named whole.
  std::string open_part(std::string_view url) const;

 private:
  const std::optional<http::Url>* find(const http::Url& url) const;
  std::map<std::string, std::optional<http::Url>, std::less<>> hosts_;
};

}  // namespace sb::flow
