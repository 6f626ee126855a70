// What the tenants' keys seal: kept, sealed anew, and refused where its key is gone.
#include <fmt/format.h>
#include <sqlite3.h>

#include "store/sqlite/columns.h"
#include "store/sqlite/writer.h"

namespace sb::store::sqlite {

// A run may have been given its key long before it is stored: a rotation must not wait for it, nor lose it.
Result<> Writer::check_keys(const Commit& commit) {
  const auto is_gone = [&](const std::string& tenant, std::string_view sealed) {
    const auto oldest = oldest_keys_.find(tenant);
    return oldest != oldest_keys_.end() && !sealed.empty() &&
           static_cast<unsigned char>(sealed.front()) < oldest->second;
  };
  bool gone = commit.create && is_gone(commit.create->tenant, commit.create->data_key);
  for (const TenantToken& token : commit.tokens) gone |= is_gone(token.tenant, token.sealed);
  if (gone) return fail(Errc::unavailable, "the tenant's key was rotated meanwhile; try again");
  if (!commit.retire_keys) return {};
  const RetireKeys& retire = *commit.retire_keys;
  const std::string version(1, static_cast<char>(retire.version));
  for (const auto& [find, after] : {std::pair(&sql_.find_other_key, retire.data_keys_after),
                                    std::pair(&sql_.find_other_token, retire.tokens_after)}) {
    const ResetAtEnd reset(*find);
    const int found = find->bind(1, after).bind(2, retire.tenant).bind_blob(3, version).step();
    if (found == SQLITE_ROW) {
      return fail(Errc::conflict, fmt::format("an older key of tenant {} is still needed", retire.tenant));
    }
    if (found != SQLITE_DONE) return fatal("cannot read sealed keys from");
  }
  return {};
}

Result<> Writer::write_keys(const Commit& commit) {
  for (const TenantToken& token : commit.tokens) SB_CHECK(keep_token(token));
  for (const Reseal& change : commit.reseal) SB_CHECK(reseal(change));
  if (commit.retire_keys) oldest_keys_[commit.retire_keys->tenant] = commit.retire_keys->version;
  return {};
}

Result<> Writer::keep_token(const TenantToken& token) {
  sql_.insert_token.bind(1, token.tenant).bind(2, token.token).bind(3, token.subject).bind_blob(4, token.sealed);
  SB_CHECK(run(sql_.insert_token, "cannot keep a placeholder in"));
  if (!sink_ || database_.changes() == 0) return {};
  group_keys_.push_back({SealedKind::token, sqlite3_last_insert_rowid(database_.handle()), token.subject, token.sealed,
                         token.tenant, token.token});
  return {};
}

// In place: rows that an erasure took in the meantime do not come back.
Result<> Writer::reseal(const Reseal& change) {
  const bool is_token = change.kind == SealedKind::token;
  Statement& update = is_token ? sql_.reseal_token : sql_.reseal_key;
  const ResetAtEnd reset(update);
  const int result = update.bind_blob(1, change.after).bind(2, change.no).bind_blob(3, change.before).step();
  if (result == SQLITE_DONE) return {};
  if (result != SQLITE_ROW) return fatal("cannot store a key in");
  if (!sink_) return {};
  group_keys_.push_back({change.kind, change.no, update.text(0), change.after, is_token ? update.text(1) : "",
                         is_token ? update.text(2) : ""});
  group_keys_.back().replaces = true;
  return {};
}

}  // namespace sb::store::sqlite
