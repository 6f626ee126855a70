#include "config/declaration/forms.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace sb::config {
namespace {

bool is_name(std::string_view text) {
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= 128 && alnum(text.front()) &&
         std::ranges::all_of(text, [&](char c) { return alnum(c) || std::string_view("._:-").contains(c); });
}
bool is_model_name(std::string_view text) {
  std::string without(text);
  std::erase(without, '/');
  return !text.starts_with('/') && is_name(without);
}
bool is_header_value(std::string_view text) {
  return text.size() <= 4096 && std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 127; });
}
bool is_url(std::string_view text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!text.starts_with(scheme)) continue;
    const auto host = text.substr(scheme.size());
    return !host.empty() && host.front() != '/' && host.front() != ':' && text.size() <= 2048 &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c < 127; }) && !host.contains('@');
  }
  return false;
}
bool is_flow_name(std::string_view text) {
  const auto slash = text.find('/');
  const auto is_part = [](std::string_view part) {
    return !part.empty() && part.size() <= 128 && part.find_first_of(" \t\r\n@/") == std::string_view::npos;
  };
  return slash != std::string_view::npos && is_part(text.substr(0, slash)) && is_part(text.substr(slash + 1));
}

}  // namespace

constinit const TextForm kName{"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$", "a name of letters, digits, '.', '_', ':', '-'",
                               is_name};
constinit const TextForm kModelName{"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$",
                                    "a model name of letters, digits, '.', '_', ':', '/', '-'", is_model_name};
constinit const TextForm kHeaderValue{"^[ -~]{0,4096}$", "printable ASCII", is_header_value};
constinit const TextForm kUrl{"^https?://[^/:@\\s][^@\\s]*$", "an http:// or https:// address without credentials",
                              is_url};
constinit const TextForm kFlowName{"^[^\\s@/]{1,128}/[^\\s@/]{1,128}$", "namespace/name of a flow", is_flow_name};

}  // namespace sb::config
