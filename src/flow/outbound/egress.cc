#include "flow/outbound/egress.h"

#include <fmt/format.h>

namespace sb::flow {

namespace {

/// Of an absolute URL its scheme, host and port; nothing where it is none.
std::optional<http::Url> origin_of(std::string_view text) {
  const auto scheme = text.find("://");
  if (scheme == std::string_view::npos) return std::nullopt;
  auto url = http::Url::parse(text.substr(0, text.find_first_of("/?#", scheme + 3)));
  return url ? std::optional(*std::move(url)) : std::nullopt;
}

}  // namespace

Result<> Egress::allow(std::string name, std::string_view via, std::vector<std::string> restore) {
  Rule rule{std::nullopt, std::move(restore)};
  if (!via.empty()) {
    SB_TRY(rule.via, http::Url::parse(via));
  }
  if (name.starts_with('*') && !rule.restore.empty())
    return fail(Errc::invalid_argument, fmt::format("{}: values are given to hosts that are named whole", name));
  hosts_.insert_or_assign(std::move(name), std::move(rule));
  return {};
}

const Egress::Hosts::value_type* Egress::find(const http::Url& url) const {
  for (const auto& name : {url.authority(), fmt::format("{}:{}", url.host, url.port), url.host}) {
    if (const auto found = hosts_.find(name); found != hosts_.end()) return &*found;
  }
  for (auto dot = url.host.find('.'); dot != std::string::npos; dot = url.host.find('.', dot + 1)) {
    if (const auto found = hosts_.find("*" + url.host.substr(dot)); found != hosts_.end()) return &*found;
  }
  return nullptr;
}

std::string Egress::open_part(std::string_view text) const {
  const auto url = origin_of(text);
  const auto* found = url ? find(*url) : nullptr;
  if (!found || !found->first.starts_with('*')) return {};
  return url->host.substr(0, url->host.size() - (found->first.size() - 1));
}

TrustedHost Egress::trusted(std::string_view text) const {
  constexpr std::uint16_t kHttps = 443;
  const auto url = origin_of(text);
  const auto* found = url ? find(*url) : nullptr;
  if (!found) return {};
  const auto& [name, rule] = *found;
  const bool names_port = name != url->host;
  const bool exact = rule.via || (url->tls && (names_port || url->port == kHttps));
  return exact ? TrustedHost{name, rule.restore} : TrustedHost{};
}

Result<Destination> Egress::resolve(std::string_view text) const {
  text = text.substr(0, text.find('#'));
  const auto scheme = text.find("://");
  if (scheme == std::string_view::npos) return fail(Errc::invalid_argument, "the endpoint is no absolute http(s) URL");
  const auto slash = text.find_first_of("/?", scheme + 3);
  SB_TRY(auto origin, http::Url::parse(text.substr(0, slash)));
  std::string target(slash == std::string_view::npos ? "/" : text.substr(slash));
  if (target.front() == '?') target.insert(0, 1, '/');
  for (const char c : target) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f)
      return fail(Errc::invalid_argument, "the endpoint has a character that a URL cannot have");
  }
  const auto* found = find(origin);
  if (!found) {
    return fail(Errc::permission_denied,
                fmt::format("host {} is not named under flows.hosts in signalbox.yaml", origin.host));
  }
  const auto& via = found->second.via;
  if (!via) return Destination{std::move(origin), std::move(target)};
  return Destination{*via, via->path + target};
}

}  // namespace sb::flow
