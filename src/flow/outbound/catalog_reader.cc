#include "flow/outbound/catalog_reader.h"

#include <fmt/format.h>

#include <deque>
#include <filesystem>
#include <fstream>

#include "base/yaml.h"

namespace sb::flow {
namespace {

constexpr std::size_t kMostFunctions = 100;
constexpr std::size_t kMostProtos = 100;
constexpr std::size_t kMostProtoBytes = 1 << 20;  // of all of them: they are compiled while the caller waits
constexpr std::size_t kMostBytes = 256 << 10;

}  // namespace

Task<Cataloged> CatalogReader::read(json::value document) {
  Cataloged had;
  const auto first = catalog_calls(document);
  std::deque<CatalogCall> wanted(first.begin(), first.end());
  auto endpoints = proto_endpoints(document);
  while (!wanted.empty()) {
    const CatalogCall call = std::move(wanted.front());
    wanted.pop_front();
    const std::string name = call.text();
    if (had.functions.contains(name) || had.failures.contains(name)) continue;
    if (had.functions.size() + had.failures.size() >= kMostFunctions) {  // a host that fails is not asked for ever
      had.failures.emplace(name, fmt::format("a flow calls at most {} functions of catalogs", kMostFunctions));
      continue;
    }
    auto text = co_await one(document, place_of(document, call));
    if (!text) {
      had.failures.emplace(name, text.error().detail);
      continue;
    }
    // What cannot be parsed calls nothing; the compiler says what is wrong with it.
    if (const auto function = parse_yaml(*text)) {
      for (auto& next : catalog_calls(function->value)) wanted.push_back(std::move(next));
      for (auto& next : proto_endpoints(function->value)) endpoints.push_back(std::move(next));
    }
    had.functions.emplace(name, *std::move(text));
  }
  co_await read_protos(document, std::move(endpoints), had);
  co_return had;
}

Task<void> CatalogReader::read_protos(const json::value& document, std::vector<json::value> endpoints, Cataloged& had) {
  std::size_t asked = 0, bytes = 0;
  for (const auto& endpoint : endpoints) {
    const std::string url = proto_url(endpoint);
    if (had.protos.contains(url) || had.failures.contains(url)) continue;
    if (++asked > kMostProtos) {
      had.failures.emplace(url, fmt::format("a flow has at most {} protos", kMostProtos));
      continue;
    }
    auto text = co_await one(document, place_of_proto(document, endpoint));
    bytes += text ? text->size() : 0;
    if (bytes > kMostProtoBytes)
      had.failures.emplace(url, fmt::format("the protos of a flow have more than {} MiB", kMostProtoBytes >> 20));
    else if (text)
      had.protos.emplace(url, *std::move(text));
    else
      had.failures.emplace(url, text.error().detail);
  }
}

Task<Result<std::string>> CatalogReader::one(const json::value& document, Result<CatalogPlace> place) {
  if (!place) co_return std::unexpected(place.error());
  if (place->url.empty()) co_return from_folder(place->path);
  HttpQuestion question;
  question.url = place->url;
  question.authentication = std::move(place->authentication);
  question.answer_bytes_max = kMostBytes;
  auto answer = co_await outbound_.ask(std::move(question), secrets_of(document));
  if (!answer)
    co_return fail(Errc::upstream_error, fmt::format("{}: {}{}{}", place->url, answer.error().title,
                                                     answer.error().detail.empty() ? "" : ": ", answer.error().detail));
  co_return std::move(answer->body);
}

Result<std::string> CatalogReader::from_folder(const std::string& path) const {
  if (folder_.empty())
    return fail(Errc::not_found, "this server has no catalog `default` and no files of its own (flows.catalog)");
  std::ifstream file(std::filesystem::path(folder_) / path, std::ios::binary);
  if (!file) return fail(Errc::not_found, fmt::format("the folder flows.catalog of this server has no {}", path));
  std::string text(kMostBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMostBytes)
    return fail(Errc::too_large, fmt::format("{} has more than {} bytes", path, kMostBytes));
  return text;
}

json::object CatalogReader::secrets_of(const json::value& document) const {
  json::object allowed;
  const auto* use = find_member(document, "use");
  const auto* names = use ? find_member(*use, "secrets") : nullptr;
  if (!secrets_ || !names || !names->is_array()) return allowed;
  for (const auto& name : names->get_array()) {
    const auto* found = name.is_string() ? secrets_->if_contains(name.get_string()) : nullptr;
    if (found) allowed[name.get_string()] = *found;
  }
  return allowed;
}

}  // namespace sb::flow
