#include "policy/vault.h"

#include <fmt/format.h>

#include <charconv>

#include "policy/detect/bytes_class.h"

namespace sb::policy {
namespace {

std::string value_key(std::string_view type, std::string_view value) {
  std::string key(type);
  key += '\0';
  key += value;
  return key;
}

}  // namespace

std::string normal_token(std::string_view token) {
  std::string out;
  out.reserve(token.size());
  for (const char c : token) {
    if (c != '\\') out += static_cast<char>(to_upper(static_cast<unsigned char>(c)));
  }
  return out;
}

Result<std::string> TokenVault::token_for(std::string_view type, std::string_view value) {
  if (const auto found = by_value_.find(value_key(type, value)); found != by_value_.end()) {
    return fmt::format("[{}_{}]", type, entries_[found->second].number);
  }
  if (value.size() > kMaxValueBytes)
    return fail(Errc::too_large, fmt::format("a value of type {} is too long to be restored", type));
  if (entries_.size() >= kMaxEntries) {
    return fail(Errc::too_large, fmt::format("a run has at most {} different values with a placeholder", kMaxEntries));
  }
  const std::uint32_t number = ++counters_[std::string(type)];
  insert({std::string(type), number, std::string(value)});
  return fmt::format("[{}_{}]", type, number);
}

const std::string* TokenVault::value_of(std::string_view token) const {
  if (by_token_.empty()) return nullptr;
  const auto found = by_token_.find(normal_token(token));
  return found == by_token_.end() ? nullptr : &entries_[found->second].value;
}

void TokenVault::reserve(std::string_view token) {
  const auto name = normal_token(token);
  const auto mark = name.rfind('_');
  if (mark == std::string::npos || name.size() < 4) return;
  std::uint32_t number = 0;
  std::from_chars(name.data() + mark + 1, name.data() + name.size() - 1, number);
  auto& counter = counters_[name.substr(1, mark - 1)];
  counter = std::max(counter, number);
}

void TokenVault::insert(Entry entry) {
  by_value_.emplace(value_key(entry.type, entry.value), entries_.size());
  by_token_.emplace(fmt::format("[{}_{}]", entry.type, entry.number), entries_.size());
  entries_.push_back(std::move(entry));
}

json::value TokenVault::to_json() const {
  json::array entries;
  for (const auto& entry : entries_) {
    entries.push_back(json::object{{"type", entry.type}, {"number", entry.number}, {"value", entry.value}});
  }
  json::object counters;
  for (const auto& [type, number] : counters_) counters.emplace(type, number);
  return json::object{{"entries", std::move(entries)}, {"counters", std::move(counters)}};
}

Result<TokenVault> TokenVault::from_json(const json::value& document) {
  const auto broken = [] { return fail(Errc::corrupt, "placeholder vault: not the document that was written"); };
  TokenVault vault;
  const auto* entries = find_member(document, "entries");
  const auto* counters = find_member(document, "counters");
  if (!entries || !entries->is_array() || !counters || !counters->is_object()) return broken();
  if (entries->get_array().size() > kMaxEntries) return broken();
  for (const auto& item : entries->get_array()) {
    const auto type = string_member(item, "type");
    const auto number = int_member(item, "number");
    const auto* value = find_member(item, "value");
    if (type.empty() || type.size() > kMaxTypeBytes || number <= 0 || number > UINT32_MAX || !value ||
        !value->is_string())
      return broken();
    vault.insert({std::string(type), static_cast<std::uint32_t>(number), std::string(value->get_string())});
  }
  for (const auto& [type, number] : counters->get_object()) {
    if (!number.is_number()) return broken();
    vault.counters_[std::string(type)] = static_cast<std::uint32_t>(int_member(document.at("counters"), type));
  }
  return vault;
}

}  // namespace sb::policy
