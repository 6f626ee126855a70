#include "flow/outbound/catalog_reader.h"

#include <fmt/format.h>

#include <deque>
#include <filesystem>
#include <fstream>

#include "base/yaml.h"

namespace sb::flow {
namespace {

constexpr std::size_t kMostFunctions = 100;
constexpr std::size_t kMostBytes = 256 << 10;

}  // namespace

Task<Cataloged> CatalogReader::read(json::value document) {
  Cataloged had;
  const auto first = catalog_calls(document);
  std::deque<CatalogCall> wanted(first.begin(), first.end());
  while (!wanted.empty()) {
    const CatalogCall call = std::move(wanted.front());
    wanted.pop_front();
    const std::string name = call.text();
    if (had.functions.contains(name) || had.failures.contains(name)) continue;
    if (had.functions.size() + had.failures.size() >= kMostFunctions) {  // a host that fails is not asked for ever
      had.failures.emplace(name, fmt::format("a flow calls at most {} functions of catalogs", kMostFunctions));
      continue;
    }
    auto text = co_await one(document, call);
    if (!text) {
      had.failures.emplace(name, text.error().detail);
      continue;
    }
    // What cannot be parsed calls nothing; the compiler says what is wrong with it.
    if (const auto function = parse_yaml(*text)) {
      for (auto& next : catalog_calls(function->value)) wanted.push_back(std::move(next));
    }
    had.functions.emplace(name, *std::move(text));
  }
  co_return had;
}

Task<Result<std::string>> CatalogReader::one(const json::value& document, const CatalogCall& call) {
  SB_CO_TRY(auto place, place_of(document, call));
  if (place.url.empty()) co_return from_folder(call);
  HttpQuestion question;
  question.url = place.url;
  question.authentication = std::move(place.authentication);
  question.answer_bytes_max = kMostBytes;
  auto answer = co_await outbound_.ask(std::move(question), secrets_of(document));
  if (!answer)
    co_return fail(Errc::upstream_error, fmt::format("{}: {}{}{}", place.url, answer.error().title,
                                                     answer.error().detail.empty() ? "" : ": ", answer.error().detail));
  co_return std::move(answer->body);
}

Result<std::string> CatalogReader::from_folder(const CatalogCall& call) const {
  if (folder_.empty())
    return fail(Errc::not_found, "this server has no catalog `default` (flows.catalog), and use.catalogs has none");
  std::ifstream file(std::filesystem::path(folder_) / call.path(), std::ios::binary);
  if (!file) return fail(Errc::not_found, fmt::format("the catalog `default` of this server has no {}", call.path()));
  std::string text(kMostBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kMostBytes)
    return fail(Errc::too_large, fmt::format("{} has more than {} bytes", call.path(), kMostBytes));
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
