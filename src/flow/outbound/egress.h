/// Where flows may call: the hosts that the configuration names, and nothing else (DESIGN 2, invariant 9).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "http/client.h"

namespace sb::flow {

/// One absolute URL, ready to be asked.
struct Destination {
  http::Url origin;    ///< where the connection goes: the host itself, or the proxy that stands for it
  std::string target;  ///< path and query
};

/// A host that the configuration lets have some values in clear.
struct TrustedHost {
  std::string name;                ///< as the configuration has it
  std::vector<std::string> types;  ///< of findings
};

/// Immutable, thread-safe.
class Egress {
 public:
  /// `name`: "host", "host:port" or "*.domain". `via`: base URL that its requests go to instead; empty: the host
  /// itself. `restore`: types of findings that it may have in clear. Errors: invalid_argument (the URL; `restore` with
  /// an open name).
  Result<> allow(std::string name, std::string_view via, std::vector<std::string> restore = {});
  /// Errors: invalid_argument (no http URL), permission_denied (the host is not named).
  Result<Destination> resolve(std::string_view url) const;
  /// What stands for the `*` of the name that allows this host; empty where none does, or it is named whole.
  std::string open_part(std::string_view url) const;
  /// What may go to this URL in clear; no types: nothing. A name says no scheme, and one without a port says none, so
  /// that this is asked of the URL: HTTPS at the port of the name (443), or `via` says where everything goes.
  TrustedHost trusted(std::string_view url) const;

 private:
  struct Rule {
    std::optional<http::Url> via;
    std::vector<std::string> restore;
  };
  using Hosts = std::map<std::string, Rule, std::less<>>;
  const Hosts::value_type* find(const http::Url& url) const;
  Hosts hosts_;
};

}  // namespace sb::flow
