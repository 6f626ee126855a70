#include "flow/dsl/catalogs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/yaml.h"
#include "flow/dsl/compiler.h"

namespace sb::flow {
namespace {

bool is_part(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._+-").contains(c);
  };
  return !text.empty() && text.size() <= 63 && text.front() != '.' && std::ranges::all_of(text, fits);
}

/// Values there are a flow's own: a member `call` in them calls nothing.
bool is_data(std::string_view member) {
  constexpr std::array<std::string_view, 5> kData = {"with", "set", "metadata", "schema", "document"};
  return std::ranges::find(kData, member) != kData.end();
}

/// What is below has names that somebody gave: tasks of a list, functions. A task may be called `set` or `call`.
bool has_names(std::string_view member) {
  constexpr std::array<std::string_view, 7> kNamed = {"do",    "try",        "branches", "before",
                                                      "after", "extensions", "functions"};
  return std::ranges::find(kNamed, member) != kNamed.end();
}

/// `see(task, function)` for all that calls a function.
template <class See>
void each_call(const json::value& value, bool named, See& see) {
  if (const auto* list = value.if_array()) {
    for (const auto& one : *list) each_call(one, named, see);
  }
  const auto* object = value.if_object();
  if (!object) return;
  for (const auto& [name, member] : *object) {
    if (const auto* text = member.if_string(); text && !named && std::string_view(name) == "call")
      see(value, std::string_view(*text));
    if (named || !is_data(name)) each_call(member, !named && has_names(name), see);
  }
}

/// "https://github.com/OWNER/REPOSITORY[/tree/BRANCH_OR_TAG[/FOLDER]]" as raw files; others as they are.
std::string raw_root(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  constexpr std::string_view kGitHub = "https://github.com/", kGitLab = "https://gitlab.com/";
  if (url.starts_with(kGitLab)) {
    if (const auto tree = url.find("/-/tree/"); tree != std::string::npos) return url.replace(tree, 8, "/-/raw/");
    return url;
  }
  if (!url.starts_with(kGitHub)) return url;
  const auto parts = split(std::string_view(url).substr(kGitHub.size()), '/');
  const bool has_branch = parts.size() >= 4 && parts[2] == "tree";
  if (parts.size() != 2 && !has_branch) return url;
  std::string raw = fmt::format("https://raw.githubusercontent.com/{}/{}/{}", parts[0], parts[1],
                                has_branch ? parts[3] : std::string_view("HEAD"));
  for (std::size_t i = 4; i < parts.size(); ++i) raw += fmt::format("/{}", parts[i]);
  return raw;
}

Result<json::value> authentication_of(const json::value& flow, const json::value& endpoint) {
  const auto* authentication = find_member(endpoint, "authentication");
  if (!authentication) return json::value(nullptr);
  const auto name = string_member(*authentication, "use");
  const auto* use = name.empty() ? nullptr : find_member(flow, "use");
  const auto* all = use ? find_member(*use, "authentications") : nullptr;
  const auto* found = name.empty() ? authentication : all ? find_member(*all, name) : nullptr;
  if (!found) return fail(Errc::invalid_argument, fmt::format("there is no `{}` under use.authentications", name));
  if (dsl::has_expression(*found))
    return fail(Errc::invalid_argument,
                "the authentication of what is had at registration has no expressions, which runs alone evaluate: "
                "name a secret with `use`");
  return *found;
}

constexpr const char* kDamaged = "the functions and protos that are kept with a flow are damaged";

Result<std::map<std::string, std::string, std::less<>>> texts_in(const json::value& value) {
  if (!value.is_object()) return fail(Errc::corrupt, kDamaged);
  std::map<std::string, std::string, std::less<>> texts;
  for (const auto& [name, text] : value.get_object()) {
    if (!text.is_string()) return fail(Errc::corrupt, kDamaged);
    texts.emplace(std::string(name), std::string(text.get_string()));
  }
  return texts;
}

}  // namespace

std::string CatalogCall::pointer() const {
  return pointer_append(pointer_append("/use/catalogs", catalog) + "/functions", name + ":" + version);
}

std::optional<CatalogCall> CatalogCall::parse(std::string_view text) {
  const auto at = text.rfind('@'), colon = text.substr(0, at).find(':');
  if (at == std::string_view::npos || colon == std::string_view::npos) return std::nullopt;
  CatalogCall call{std::string(text.substr(0, colon)), std::string(text.substr(colon + 1, at - colon - 1)),
                   std::string(text.substr(at + 1))};
  if (!is_part(call.name) || !is_part(call.version) || !is_part(call.catalog)) return std::nullopt;
  return call;
}

std::string Cataloged::to_text(std::string_view source_hash) const {
  json::object texts;
  for (const auto& [call, text] : functions) texts[call] = text;
  json::object kept{{"source", source_hash}, {"functions", std::move(texts)}};
  if (protos.empty()) return sb::to_text(kept);
  json::object files;
  for (const auto& [url, text] : protos) files[url] = text;
  kept["protos"] = std::move(files);
  return sb::to_text(kept);
}

Result<std::optional<Cataloged>> Cataloged::from_text(std::string_view text, std::string_view source_hash) {
  SB_TRY(const auto parsed, parse_json(text));
  const auto* functions = find_member(parsed, "functions");
  if (!functions) return fail(Errc::corrupt, kDamaged);
  if (string_member(parsed, "source") != source_hash) return std::nullopt;
  Cataloged kept;
  SB_TRY(kept.functions, texts_in(*functions));
  if (const auto* protos = find_member(parsed, "protos")) {
    SB_TRY(kept.protos, texts_in(*protos));
  }
  return kept;
}

std::vector<CatalogCall> catalog_calls(const json::value& document) {
  std::vector<CatalogCall> calls;
  const auto see = [&](const json::value&, std::string_view function) {
    const auto call = CatalogCall::parse(function);
    if (call && std::ranges::find(calls, call->text(), &CatalogCall::text) == calls.end()) calls.push_back(*call);
  };
  each_call(document, false, see);
  return calls;
}

std::vector<json::value> proto_endpoints(const json::value& document) {
  std::vector<json::value> endpoints;
  const auto see = [&](const json::value& task, std::string_view function) {
    const auto* with = function == "grpc" ? find_member(task, "with") : nullptr;
    const auto* proto = with ? find_member(*with, "proto") : nullptr;
    const auto* endpoint = proto ? find_member(*proto, "endpoint") : nullptr;
    if (!endpoint) return;
    const auto url = proto_url(*endpoint);
    if (!url.empty() && std::ranges::find(endpoints, url, proto_url) == endpoints.end()) endpoints.push_back(*endpoint);
  };
  each_call(document, false, see);
  return endpoints;
}

std::string proto_url(const json::value& endpoint) {
  const std::string_view url =
      endpoint.is_string() ? std::string_view(endpoint.get_string()) : string_member(endpoint, "uri");
  return is_expression(url) || url.find('{') != std::string_view::npos ? std::string() : std::string(url);
}

Result<CatalogPlace> place_of(const json::value& flow, const CatalogCall& call) {
  const auto* use = find_member(flow, "use");
  const auto* all = use ? find_member(*use, "catalogs") : nullptr;
  const auto* catalog = all ? find_member(*all, call.catalog) : nullptr;
  if (!catalog && call.catalog == "default") return CatalogPlace{"", call.path(), nullptr};
  if (!catalog) return fail(Errc::not_found, fmt::format("there is no `{}` under use.catalogs", call.catalog));
  const auto* endpoint = find_member(*catalog, "endpoint");
  if (!endpoint) return fail(Errc::invalid_argument, fmt::format("catalog `{}` needs `endpoint`", call.catalog));
  const std::string root(endpoint->is_string() ? std::string_view(endpoint->get_string())
                                               : string_member(*endpoint, "uri"));
  if (!root.starts_with("https://") && !root.starts_with("http://"))
    return fail(Errc::invalid_argument,
                fmt::format("catalog `{}`: its endpoint is an http(s) URL; a folder of the server's is the catalog "
                            "`default` (flows.catalog)",
                            call.catalog));
  CatalogPlace place{raw_root(root) + "/" + call.path(), "", nullptr};
  SB_TRY(place.authentication, authentication_of(flow, *endpoint));
  return place;
}

Result<CatalogPlace> place_of_proto(const json::value& flow, const json::value& endpoint) {
  CatalogPlace place{proto_url(endpoint), "", nullptr};
  constexpr std::string_view kFile = "file://";
  if (place.url.starts_with(kFile)) {
    place.path = place.url.substr(std::min(place.url.find_first_not_of('/', kFile.size()), place.url.size()));
    place.url.clear();
    if (!std::ranges::all_of(split(place.path, '/'), is_part))
      return fail(Errc::invalid_argument, "a file is named by its path below the folder flows.catalog of this server");
    return place;
  }
  if (!place.url.starts_with("https://") && !place.url.starts_with("http://"))
    return fail(Errc::invalid_argument, "its endpoint is an http(s) URL, or file:// and a path below flows.catalog");
  SB_TRY(place.authentication, authentication_of(flow, endpoint));
  return place;
}

}  // namespace sb::flow
