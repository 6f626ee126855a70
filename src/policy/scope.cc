#include "policy/scope.h"

#include <fmt/format.h>

#include <algorithm>

namespace sb::policy {
namespace {

bool names(const std::vector<std::string>& list, std::string_view name) {
  return list.empty() || std::ranges::any_of(list, [&](std::string_view entry) {
           return entry.ends_with('*') ? name.starts_with(entry.substr(0, entry.size() - 1)) : name == entry;
         });
}

// A key's name would match nobody, and the rule would be off without a word.
bool is_key_id(std::string_view text) {
  if (text.starts_with("kafka:")) return true;  // runs of a source have none
  constexpr std::size_t kIdBytes = 36;          // a UUID's
  const bool beginning = text.ends_with('*');
  if (beginning) text.remove_suffix(1);
  if (beginning ? text.size() > kIdBytes : text.size() != kIdBytes) return false;
  return text.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

}  // namespace

bool Scope::covers(const Subject& subject) const {
  const auto is_ours = [&](const std::string& name) { return names(models, name); };
  return covers_run(subject) && (names(models, subject.model) || std::ranges::any_of(subject.reach, is_ours));
}

bool Scope::covers_all(const Subject& subject) const {
  if (!covers_run(subject)) return false;
  if (names(models, subject.model)) return true;
  const auto is_ours = [&](std::string_view name) {
    const auto slash = name.find('/');  // a deployment: "provider/model"; it has its model's name as well
    return slash == std::string_view::npos || names(models, name) || names(models, name.substr(slash + 1));
  };
  return !subject.reach.empty() && std::ranges::all_of(subject.reach, is_ours);
}

bool Scope::covers_run(const Subject& subject) const {
  const auto any_version = subject.flow.substr(0, subject.flow.find('@'));
  return names(tenants, subject.tenant) && names(keys, subject.key) &&
         (names(flows, subject.flow) || names(flows, any_version));
}

Result<Scope> read_scope(const DocumentReader& reader, const json::object& object, std::string_view pointer) {
  Scope scope;
  SB_TRY(scope.tenants, reader.texts(object, pointer, "tenants"));
  SB_TRY(scope.keys, reader.texts(object, pointer, "keys"));
  for (std::size_t i = 0; i < scope.keys.size(); ++i) {
    if (is_key_id(scope.keys[i])) continue;
    return reader.fault(pointer_append(pointer_append(pointer, "keys"), std::to_string(i)),
                        fmt::format("\"{}\" is no id of an API key, nor the beginning of one with '*' behind it; "
                                    "`signalbox keys list` shows ids (records of Kafka have kafka:SOURCE)",
                                    scope.keys[i]));
  }
  SB_TRY(scope.flows, reader.texts(object, pointer, "flows"));
  SB_TRY(scope.models, reader.texts(object, pointer, "models"));
  return scope;
}

}  // namespace sb::policy
