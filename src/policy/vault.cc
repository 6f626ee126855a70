#include "policy/vault.h"

#include <fmt/format.h>

#include <algorithm>
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

std::string token_of(std::string_view type, std::string_view suffix) {
  return fmt::format("[{}_{}]", type, suffix);
}

std::string to_upper_text(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(to_upper(static_cast<unsigned char>(c)));
  return out;
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
    return token_of(type, entries_[found->second].suffix);
  }
  auto number = counters_[std::string(type)] + 1;
  while (reserved_.contains(token_of(type, std::to_string(number)))) ++number;
  SB_TRY(auto token, insert({std::string(type), std::to_string(number), std::string(value)}));
  counters_[std::string(type)] = number;
  return token;
}

Result<std::string> TokenVault::tenant_token_for(std::string_view type, std::string_view value, std::string_view hash) {
  SB_ASSERT(hash.size() >= kTenantTagBytes);
  const std::string token = token_of(type, "T" + to_upper_text(hash.substr(0, kTenantTagBytes)));
  const auto* known = value_of(token);
  if (known && *known == value) return token;
  if (known) return token_for(type, value);  // another value has this hash: a number of its own tells them apart
  SB_CHECK(insert({std::string(type), token.substr(type.size() + 2, kTenantTagBytes + 1), std::string(value)}));
  new_tenant_entries_.push_back({token, std::string(value)});
  return token;
}

const std::string* TokenVault::value_of(std::string_view token) const {
  if (by_token_.empty()) return nullptr;
  const auto found = by_token_.find(normal_token(token));
  return found == by_token_.end() ? nullptr : &entries_[found->second].value;
}

Result<> TokenVault::reserve(std::string_view token) {
  const auto name = normal_token(token);
  const auto mark = name.rfind('_');
  if (mark == std::string::npos || name.size() < 4) return {};
  if (name[mark + 1] == 'T') {
    if (foreign_tokens_.size() < kMaxForeignTokens && std::ranges::find(foreign_tokens_, name) == foreign_tokens_.end())
      foreign_tokens_.push_back(name);
    return {};
  }
  std::uint32_t number = 0;
  std::from_chars(name.data() + mark + 1, name.data() + name.size() - 1, number);
  // Numbers are given one by one, passing over the reserved: a higher one is never reached.
  if (number == 0 || number > 2 * kMaxEntries) return {};
  if (reserved_.size() >= kMaxEntries)
    return fail(Errc::too_large, fmt::format("a text with more than {} placeholders that are none", kMaxEntries));
  reserved_.insert(name);
  return {};
}

bool TokenVault::is_newer(std::string_view token, std::size_t size) const {
  const auto found = by_token_.find(normal_token(token));
  return found != by_token_.end() && found->second >= size && !entries_[found->second].suffix.starts_with('T');
}

void TokenVault::adopt(const TenantEntry& entry) {
  const auto mark = entry.token.rfind('_');
  if (mark == std::string::npos || by_token_.contains(entry.token) || entries_.size() >= kMaxEntries) return;
  index({entry.token.substr(1, mark - 1), entry.token.substr(mark + 1, entry.token.size() - mark - 2), entry.value});
}

Result<std::string> TokenVault::insert(Entry entry) {
  if (entry.value.size() > kMaxValueBytes)
    return fail(Errc::too_large, fmt::format("a value of type {} is too long to be restored", entry.type));
  if (entries_.size() >= kMaxEntries)
    return fail(Errc::too_large, fmt::format("a run has at most {} different values with a placeholder", kMaxEntries));
  auto token = token_of(entry.type, entry.suffix);
  index(std::move(entry));
  return token;
}

void TokenVault::index(Entry entry) {
  by_value_.emplace(value_key(entry.type, entry.value), entries_.size());
  by_token_.emplace(token_of(entry.type, entry.suffix), entries_.size());
  entries_.push_back(std::move(entry));
}

json::value TokenVault::to_json() const {
  json::array entries;
  for (const auto& entry : entries_) {
    entries.push_back(json::object{{"type", entry.type}, {"suffix", entry.suffix}, {"value", entry.value}});
  }
  json::object counters;
  for (const auto& [type, number] : counters_) counters.emplace(type, number);
  json::array reserved;
  for (const auto& token : reserved_) reserved.push_back(json::string(token));
  return json::object{
      {"entries", std::move(entries)}, {"counters", std::move(counters)}, {"reserved", std::move(reserved)}};
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
    const auto suffix = string_member(item, "suffix");
    const auto* value = find_member(item, "value");
    if (type.empty() || type.size() > kMaxTypeBytes || suffix.empty() || suffix.size() > kMaxTypeBytes || !value ||
        !value->is_string())
      return broken();
    vault.index({std::string(type), std::string(suffix), std::string(value->get_string())});
  }
  for (const auto& [type, number] : counters->get_object()) {
    if (!number.is_number()) return broken();
    vault.counters_[std::string(type)] = static_cast<std::uint32_t>(int_member(document.at("counters"), type));
  }
  if (const auto* reserved = find_member(document, "reserved")) {  // absent in older ones
    if (!reserved->is_array() || reserved->get_array().size() > kMaxEntries) return broken();
    for (const auto& token : reserved->get_array()) {
      if (!token.is_string()) return broken();
      vault.reserved_.emplace(token.get_string());
    }
  }
  return vault;
}

}  // namespace sb::policy
