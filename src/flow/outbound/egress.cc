#include "flow/outbound/egress.h"

#include <fmt/format.h>

namespace sb::flow {

Result<> Egress::allow(std::string name, std::string_view via) {
  std::optional<http::Url> proxy;
  if (!via.empty()) {
    SB_TRY(proxy, http::Url::parse(via));
  }
  hosts_.insert_or_assign(std::move(name), std::move(proxy));
  return {};
}

const std::optional<http::Url>* Egress::find(const http::Url& url) const {
  for (const auto& name : {url.authority(), fmt::format("{}:{}", url.host, url.port), url.host}) {
    if (const auto found = hosts_.find(name); found != hosts_.end()) return &found->second;
  }
  for (auto dot = url.host.find('.'); dot != std::string::npos; dot = url.host.find('.', dot + 1)) {
    if (const auto found = hosts_.find("*" + url.host.substr(dot)); found != hosts_.end()) return &found->second;
  }
  return nullptr;
}

std::string Egress::open_part(std::string_view text) const {
  const auto scheme = text.find("://");
  if (scheme == std::string_view::npos) return {};
  const auto url = http::Url::parse(text.substr(0, text.find_first_of("/?#", scheme + 3)));
  if (!url) return {};
  const auto* rule = find(*url);
  for (auto dot = url->host.find('.'); rule && dot != std::string::npos; dot = url->host.find('.', dot + 1)) {
    const auto found = hosts_.find("*" + url->host.substr(dot));
    if (found != hosts_.end() && &found->second == rule) return url->host.substr(0, dot);
  }
  return {};
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
  const auto* rule = find(origin);
  if (!rule) {
    return fail(Errc::permission_denied,
                fmt::format("host {} is not named under flows.hosts in signalbox.yaml", origin.host));
  }
  if (!*rule) return Destination{std::move(origin), std::move(target)};
  return Destination{**rule, (*rule)->path + target};
}

}  // namespace sb::flow
