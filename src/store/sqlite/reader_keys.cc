// What the tenants' keys seal: read for runs, for erasures, and page by page for a rotation.
#include <sqlite3.h>

#include "store/sqlite/columns.h"
#include "store/sqlite/reader.h"

namespace sb::store::sqlite {

Result<std::optional<std::string>> Reader::find_token(const std::string& tenant, const std::string& token) {
  const ResetAtEnd reset(token_);
  const int result = token_.bind(1, tenant).bind(2, token).step();
  if (result == SQLITE_ROW) return token_.text(0);
  if (result != SQLITE_DONE) return std::unexpected(database_.error("cannot read a placeholder from"));
  return std::nullopt;
}

Result<std::vector<PersonsToken>> Reader::tokens_of_subject(const std::string& tenant, const std::string& subject,
                                                            std::size_t limit) {
  SB_TRY(Statement list,
         database_.prepare("SELECT no, EXISTS (SELECT 1 FROM tenant_tokens o WHERE o.tenant = t.tenant AND o.token = "
                           "t.token AND o.subject NOT IN (t.subject, '')), (SELECT n.no FROM tenant_tokens n WHERE "
                           "n.tenant = t.tenant AND n.token = t.token AND n.subject = '') FROM tenant_tokens t WHERE "
                           "subject = ?1 AND tenant = ?2 AND subject <> '' LIMIT ?3"));
  list.bind(1, subject).bind(2, tenant).bind(3, static_cast<std::int64_t>(limit));
  std::vector<PersonsToken> tokens;
  int result;
  while ((result = list.step()) == SQLITE_ROW)
    tokens.push_back({list.integer(0), list.integer(1) != 0, list.integer(2)});
  if (result != SQLITE_DONE) return std::unexpected(database_.error("cannot list placeholders of"));
  return tokens;
}

// Rows of other tenants are stepped over here and not by SQL: so the limit bounds what is read.
Result<SealedPage> Reader::sealed_by_others(const std::string& tenant, SealedKind kind, unsigned char version,
                                            std::int64_t after, std::size_t limit) {
  SB_TRY(Statement list,
         database_.prepare(
             kind == SealedKind::token
                 ? "SELECT no, sealed, tenant, token FROM tenant_tokens WHERE no > ? ORDER BY no LIMIT ?"
                 : "SELECT k.run, k.wrapped, r.tenant, r.id FROM (SELECT run, wrapped FROM data_keys WHERE run > ? "
                   "ORDER BY run LIMIT ?) k CROSS JOIN runs r ON r.no = k.run ORDER BY k.run"));
  list.bind(1, after).bind(2, static_cast<std::int64_t>(limit));
  SealedPage page;
  page.last = after;
  std::size_t seen = 0;
  int result;
  while ((result = list.step()) == SQLITE_ROW) {
    ++seen;
    page.last = list.integer(0);
    const auto sealed = list.bytes(1);
    if (sealed.empty() || static_cast<unsigned char>(sealed.front()) == version || list.bytes(2) != tenant) continue;
    SealedRow row{kind, page.last, {}, {}, std::string(sealed)};
    if (kind == SealedKind::token)
      row.token = list.text(3);
    else
      row.run = RunId(uuid_of(list.bytes(3)));
    page.rows.push_back(std::move(row));
  }
  if (result != SQLITE_DONE) return std::unexpected(database_.error("cannot read sealed keys from"));
  page.more = seen == limit;
  return page;
}

}  // namespace sb::store::sqlite
