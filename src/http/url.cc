#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/bytes.h"
#include "http/client.h"

namespace sb::http {
namespace {

std::unexpected<Error> bad_url(std::string_view why) {
  // The text itself may hold credentials, so that it is not repeated.
  return fail(Errc::invalid_argument, fmt::format("URL: {}; use http(s)://host[:port][/path]", why));
}

bool is_host_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  Url url;
  const auto scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return bad_url("no scheme");
  const auto scheme = text.substr(0, scheme_end);
  url.tls = iequals(scheme, "https");
  if (!url.tls && !iequals(scheme, "http")) return bad_url("the scheme is not http or https");
  url.port = url.tls ? 443 : 80;
  text.remove_prefix(scheme_end + 3);

  const auto path_start = std::min(text.find('/'), text.size());
  auto authority = text.substr(0, path_start);
  auto path = text.substr(path_start);
  if (path.find_first_of("?#") != std::string_view::npos || authority.find_first_of("?#") != std::string_view::npos) {
    return bad_url("a query or fragment does not belong into a base URL");
  }
  if (std::ranges::any_of(path, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F; })) {
    return bad_url("the path holds a blank or control character");
  }
  while (path.ends_with('/')) path.remove_suffix(1);
  url.path = path;
  if (authority.find('@') != std::string_view::npos) return bad_url("user and password do not belong into a URL");

  std::string_view port;
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) return bad_url("the IPv6 address is not closed");
    url.host = authority.substr(1, end - 1);
    const auto rest = authority.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') return bad_url("something follows the IPv6 address");
    if (!rest.empty()) port = rest.substr(1);
    if (!rest.empty() && port.empty()) return bad_url("the port is empty");
    const auto is_v6_char = [](char c) { return c == ':' || c == '.' || std::isxdigit(static_cast<unsigned char>(c)); };
    if (!std::ranges::all_of(url.host, is_v6_char)) return bad_url("the IPv6 address is malformed");
  } else {
    const auto colon = authority.find(':');
    url.host = to_lower(authority.substr(0, colon));
    if (colon != std::string_view::npos) {
      port = authority.substr(colon + 1);
      if (port.empty()) return bad_url("the port is empty");
    }
    if (!std::ranges::all_of(url.host, is_host_char)) return bad_url("the host is malformed");
  }
  if (url.host.empty()) return bad_url("no host");
  if (!port.empty()) {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (error != std::errc() || end != port.data() + port.size() || url.port == 0) {
      return bad_url("the port is not a number from 1 to 65535");
    }
  }
  return url;
}

std::string Url::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  const bool default_port = port == (tls ? 443 : 80);
  std::string out = v6 ? fmt::format("[{}]", host) : host;
  if (!default_port) out += fmt::format(":{}", port);
  return out;
}

}  // namespace sb::http
