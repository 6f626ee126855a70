#include "triage/kept_versions.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/files.h"
#include "base/json.h"
#include "triage/router_config.h"
#include "triage/router_files.h"

namespace sb::triage {
namespace {

constexpr std::size_t kIdDigits = 32;

Result<std::string> read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  if (!file) return fail(Errc::not_found, fmt::format("triage: {}: cannot be read", path));
  return std::move(bytes).str();
}

/// What is damaged there is not there.
bool holds(const std::string& path, std::string_view bytes) {
  const auto there = read_bytes(path);
  return there && *there == bytes;
}

bool is_id(std::string_view id) {
  return id.size() == kIdDigits && id.find_first_not_of("0123456789abcdef") == id.npos;
}

}  // namespace

Result<> KeptVersions::write(const std::map<std::string, std::string>& files, const std::string& place,
                             const std::string& list) const {
  std::error_code error;
  std::filesystem::create_directories(folder_ + "/files", error);
  if (error) return fail(errc_of_errno(error.value()), fmt::format("{}: {}", folder_, error.message()));
  for (const auto& [hash, bytes] : files) {
    if (!holds(path_of(hash), bytes)) SB_CHECK(store_file(path_of(hash), bytes));
  }
  if (holds(place, list)) return {};
  return store_file(place, list);  // last: who finds it finds the files
}

Result<KeptVersions::Kept> KeptVersions::keep(const std::string& yaml_path) const {
  SB_TRY(auto document, read_bytes(yaml_path));
  SB_TRY(const auto config, parse_router_config(document, yaml_path));
  std::map<std::string, std::string> files;
  const auto add = [&](std::string bytes) {
    auto hash = to_hex(sha256(bytes));
    files[hash] = std::move(bytes);
    return hash;
  };
  json::object names;
  for (const auto& name : {config.model_path, config.encoder_path, config.verifier_path}) {
    if (name.empty()) continue;
    SB_TRY(auto bytes, read_bytes(beside(yaml_path, name)));
    names[name] = add(std::move(bytes));
  }
  const json::object list{{"document", add(std::move(document))}, {"files", std::move(names)}};
  return keep_list(list, files);
}

KeptVersions::Kept KeptVersions::keep_list(const json::value& list,
                                           const std::map<std::string, std::string>& files) const {
  const auto text = to_text(list);
  auto id = to_hex(sha256(text)).substr(0, kIdDigits);
  auto written = write(files, fmt::format("{}/{}.json", folder_, id), text);
  return Kept{std::move(id), std::move(written)};
}

Result<KeptVersions::Kept> KeptVersions::keep_learnt(const std::string& id, std::string learnt) const {
  SB_TRY(auto list, list_of(id));
  const auto hash = to_hex(sha256(learnt));
  list.as_object()["learnt"] = hash;
  return keep_list(list, {{hash, std::move(learnt)}});
}

Result<json::value> KeptVersions::list_of(const std::string& id) const {
  const auto list = is_id(id) ? read_bytes(fmt::format("{}/{}.json", folder_, id)) : Result<std::string>();
  if (!is_id(id) || !list)
    return fail(Errc::not_found, fmt::format("triage version {} is not kept here", id), "version");
  if (to_hex(sha256(*list)).substr(0, kIdDigits) != id)
    return fail(Errc::corrupt, fmt::format("triage version {}: its list of files is damaged", id));
  return parse_json(*list);
}

Result<std::string> KeptVersions::whole(const std::string& id, std::string_view hash) const {
  const auto path = path_of(std::string(hash));
  SB_TRY(auto bytes, read_bytes(path));
  if (to_hex(sha256(bytes)) == hash) return bytes;
  return fail(Errc::corrupt, fmt::format("triage version {}: {} is damaged", id, path));
}

Result<std::shared_ptr<const Router>> KeptVersions::load(const std::string& id) const {
  SB_TRY(const auto list, list_of(id));
  std::map<std::string, std::string> paths;
  for (const auto& [name, hash] : find_member(list, "files")->get_object()) {
    SB_CHECK(whole(id, std::string_view(hash.get_string())));
    paths[std::string(name)] = path_of(std::string(hash.get_string()));
  }
  SB_TRY(const auto document, whole(id, string_member(list, "document")));
  std::optional<Learnt> learnt;
  if (const auto hash = string_member(list, "learnt"); !hash.empty()) {
    SB_TRY(const auto bytes, whole(id, hash));
    SB_TRY(learnt, decode_learnt(bytes));
  }
  return load_router(
      document, "triage version " + id, [&](const std::string& name) { return paths[name]; }, std::move(learnt));
}

Result<std::shared_ptr<const Router>> KeptVersions::load_around(const std::string& id, IntentModel model,
                                                                std::shared_ptr<const Verifier> verifier) const {
  SB_TRY(const auto list, list_of(id));
  SB_TRY(const auto document, whole(id, string_member(list, "document")));
  return Router::from_text(document, "triage version " + id, std::move(model), std::move(verifier));
}

}  // namespace sb::triage
