#include "policy/carried.h"

#include <algorithm>

#include "policy/json_guard.h"

namespace sb::policy {
namespace {

// A list around it: the guard takes no text or number alone.
Result<std::string> walk(TokenVault& vault, std::string_view json, std::vector<std::string>* placeholders) {
  const std::string list = '[' + std::string(json) + ']';
  GuardContext context{Direction::outbound, {}, {}, vault};
  context.placeholders = placeholders;
  SB_TRY(auto walked, guard_json(Policy::restore_only(), context, list, JsonProfile::any));
  return walked.changed ? walked.json.substr(1, walked.json.size() - 2) : std::string(json);
}

Result<std::vector<std::string>> placeholders_in(std::string_view json) {
  TokenVault none;
  std::vector<std::string> found;
  SB_CHECK(walk(none, json, &found));
  std::ranges::sort(found);
  found.erase(std::ranges::unique(found).begin(), found.end());
  return found;
}

bool is_of_tenant(std::string_view token) {
  return token[token.rfind('_') + 1] == 'T';
}

std::string_view type_of(std::string_view token) {
  return token.substr(1, token.rfind('_') - 1);
}

}  // namespace

Result<std::vector<CarriedValue>> carried_values(TokenVault& vault, std::string_view json) {
  std::vector<CarriedValue> values;
  if (vault.empty()) return values;
  SB_TRY(const auto found, placeholders_in(json));
  for (const auto& token : found) {
    if (const auto* value = vault.value_of(token)) values.push_back({token, *value});
  }
  return values;
}

Result<std::string> carry_into(TokenVault& vault, std::string_view json, std::span<const CarriedValue> values) {
  if (vault.empty() && values.empty()) return std::string(json);
  SB_TRY(const auto found, placeholders_in(json));
  const auto carried = [&](const std::string& token) { return std::ranges::find(values, token, &CarriedValue::token); };
  // First what nobody knows: no value may get its number.
  for (const auto& token : found) {
    if (carried(token) == values.end() && !vault.value_of(token)) SB_CHECK(vault.reserve(token));
  }
  TokenVault ours;  // behind the other run's placeholders: this one's
  for (const auto& token : found) {
    const auto value = carried(token);
    if (is_of_tenant(token)) {  // means the same everywhere
      if (value != values.end()) vault.adopt({token, value->value});
      continue;
    }
    if (value == values.end() && !vault.value_of(token)) continue;
    SB_TRY(auto name, vault.token_for(type_of(token), value == values.end() ? token : value->value));
    ours.adopt({token, std::move(name)});
  }
  return ours.empty() ? std::string(json) : walk(ours, json, nullptr);
}

}  // namespace sb::policy
