/// A run's map between the values we took out of its texts and the placeholders we put in their place.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/json.h"

namespace sb::policy {

/// Placeholders look like `[EMAIL_1]`: plain ASCII words in brackets need no escape in JSON, HTML or Markdown, models
/// repeat them verbatim, and the type in them lets a model write a sensible sentence around them. The same value of the
/// same type has the same placeholder throughout the run. Where the policy asks for one placeholder in all runs of a
/// tenant, a keyed hash takes the number's place: `[EMAIL_T0123456789AB]`; such entries are also kept for the tenant.
///
/// A value type, in memory only; not thread-safe (a run belongs to one shard). It holds personal data: the store
/// encrypts `to_json()` under the run's data key. At most kMaxEntries values of at most kMaxValueBytes.
class TokenVault {
 public:
  static constexpr std::size_t kMaxEntries = 10'000;
  static constexpr std::size_t kMaxValueBytes = 512;
  static constexpr std::size_t kTenantTagBytes = 12;
  static constexpr std::size_t kMaxForeignTokens = 100;

  /// The placeholder of `value`, made on first sight. Errors: too_large (the vault is full or the value too long).
  Result<std::string> token_for(std::string_view type, std::string_view value);
  /// The same for all runs of a tenant. `hash`: at least kTenantTagBytes hex digits, keyed by tenant, type and value.
  Result<std::string> tenant_token_for(std::string_view type, std::string_view value, std::string_view hash);

  /// The value behind a placeholder as a model wrote it: any letter case, "\_" for "_". Null where it is not ours.
  const std::string* value_of(std::string_view token) const;

  /// Makes sure that no value gets this placeholder: it stood in the text before. Errors: too_large (kMaxEntries such).
  Result<> reserve(std::string_view token);
  /// Whether the placeholder was made when there were `size` others or more; a tenant's, which says the same in every
  /// text, never is.
  bool is_newer(std::string_view token, std::size_t size) const;

  /// A value that stands for a placeholder in all runs of the tenant.
  struct TenantEntry {
    std::string token;  ///< "[EMAIL_T0123456789AB]"
    std::string value;
  };
  /// Those made since the last call: to be kept for the tenant.
  std::vector<TenantEntry> take_new_tenant_entries() { return std::exchange(new_tenant_entries_, {}); }
  /// The tenant's placeholders that stood in a text and are not known here, since the last call; at most
  /// kMaxForeignTokens.
  std::vector<std::string> take_foreign_tokens() { return std::exchange(foreign_tokens_, {}); }
  /// What such a placeholder stands for, as the tenant's vault has it.
  void adopt(const TenantEntry& entry);

  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }

  /// {"entries":[{"type","suffix","value"}], "counters":{type: last number}, "reserved":[token]}.
  json::value to_json() const;
  /// Errors: corrupt (not what `to_json` writes).
  static Result<TokenVault> from_json(const json::value& document);

 private:
  struct Entry {
    std::string type;
    std::string suffix;  ///< "1"; of a tenant's: "T" and hex digits
    std::string value;
  };
  Result<std::string> insert(Entry entry);
  void index(Entry entry);

  std::vector<Entry> entries_;
  std::unordered_map<std::string, std::size_t> by_value_;  // type, NUL, value -> index
  std::unordered_map<std::string, std::size_t> by_token_;  // "[EMAIL_1]" -> index
  std::unordered_map<std::string, std::uint32_t> counters_;
  std::unordered_set<std::string> reserved_;
  std::vector<TenantEntry> new_tenant_entries_;
  std::vector<std::string> foreign_tokens_;
};

/// Type names and placeholders share one alphabet: capital letters, digits and '_', at most this long.
inline constexpr std::size_t kMaxTypeBytes = 32;

/// "[email\_1]" -> "[EMAIL_1]".
std::string normal_token(std::string_view token);

}  // namespace sb::policy
