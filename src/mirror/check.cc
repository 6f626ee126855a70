#include "mirror/check.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "audit/verify_log.h"
#include "base/bytes.h"
#include "base/crypto.h"
#include "mirror/chain.h"
#include "mirror/key_lists.h"
#include "mirror/mirrored_log.h"
#include "mirror/rebuild.h"
#include "mirror/restored_log.h"
#include "mirror/scratch_folder.h"
#include "store/data_dir.h"
#include "store/sqlite/sql.h"

namespace sb::mirror {
namespace {

using store::sqlite::Database;

constexpr const char* kSecrets = "secrets";

std::string row_of(const store::sqlite::Statement& rows) {
  std::string row;
  for (int i = 0; i < rows.columns(); ++i) {
    const auto bytes = rows.bytes(i);
    row += fmt::format("{}{}:", rows.type(i), bytes.size());  // NULL is not an empty blob
    row += bytes;
  }
  return row;
}

Result<std::string> digest_of(Database& database, std::string_view table) {
  SB_TRY(auto rows, database.prepare(fmt::format("SELECT * FROM {} ORDER BY 1, 2", table)));
  Digest digest{};
  int result;
  while ((result = rows.step()) == SQLITE_ROW)
    digest = sha256(std::string(reinterpret_cast<const char*>(digest.data()), digest.size()) + row_of(rows));
  if (result != SQLITE_DONE) return std::unexpected(database.error("cannot read"));
  return to_hex(digest);
}

// Numbers of rows that are not the same in both, in one pass. `key`: the column they are numbered by.
Result<std::vector<std::int64_t>> different_rows(Database& ours, Database& theirs, std::string_view table,
                                                 std::string_view key) {
  const std::string sql = fmt::format("SELECT {0}, * FROM {1} ORDER BY {0}", key, table);
  SB_TRY(auto a, ours.prepare(sql));
  SB_TRY(auto b, theirs.prepare(sql));
  std::vector<std::int64_t> different;
  int at_a = a.step();
  int at_b = b.step();
  while (at_a == SQLITE_ROW || at_b == SQLITE_ROW) {
    const auto no_a = at_a == SQLITE_ROW ? a.integer(0) : INT64_MAX;
    const auto no_b = at_b == SQLITE_ROW ? b.integer(0) : INT64_MAX;
    if (no_a != no_b || row_of(a) != row_of(b)) different.push_back(std::min(no_a, no_b));
    if (no_a <= no_b) at_a = a.step();
    if (no_b <= no_a) at_b = b.step();
  }
  if (at_a != SQLITE_DONE) return std::unexpected(ours.error("cannot read"));
  if (at_b != SQLITE_DONE) return std::unexpected(theirs.error("cannot read"));
  return different;
}

// Lists of keys are as they are now, and not as they were: what went since `different` was found is in no list,
// rightly.
Result<bool> differs_still(Database& now, Database& theirs, std::string_view table, std::string_view key,
                           const std::vector<std::int64_t>& different) {
  const std::string sql = fmt::format("SELECT * FROM {} WHERE {} = ?", table, key);
  SB_TRY(auto a, now.prepare(sql));
  SB_TRY(auto b, theirs.prepare(sql));
  for (const std::int64_t no : different) {
    const store::sqlite::ResetAtEnd reset_a(a);
    const store::sqlite::ResetAtEnd reset_b(b);
    const int at_a = a.bind(1, no).step();
    const int at_b = b.bind(1, no).step();
    if (at_a != at_b || (at_a == SQLITE_ROW && row_of(a) != row_of(b))) return true;
  }
  return false;
}

// The newest groups of a server at work may be on their way.
Result<> wait_for_groups(Target& target, std::string_view key, std::uint64_t groups) {
  constexpr std::chrono::milliseconds kPause{50};
  constexpr int kTimes = 60;
  for (int i = 0; i < kTimes; ++i) {
    SB_TRY(const auto end, read_chain_end(target, key));
    if (end && std::max(end->segment.last_group, end->segment.snapshot.group) >= groups) break;
    std::this_thread::sleep_for(kPause);
  }
  return {};
}

struct Compared {
  CheckReport report;
  PublishedTree published;  ///< as the mirror's chain says
  bool moved = false;       ///< the mirror has a newer snapshot than what was read of the store
};

Result<Compared> compare(Target& target, std::string_view key, const std::string& database,
                         const std::string& scratch) {
  SB_TRY(Database live, Database::open(database, Database::Access::read_only));
  SB_CHECK(live.execute("BEGIN"));
  SB_TRY(const auto groups, live.integer("SELECT groups FROM mirror_state"));
  Compared compared;
  compared.report.store_groups = static_cast<std::uint64_t>(groups);
  SB_CHECK(wait_for_groups(target, key, compared.report.store_groups));
  SB_TRY(Rebuilt rebuilt, rebuild(target, key, scratch, compared.report.store_groups, KeysGo::apart));
  compared.report.mirror_groups = rebuilt.groups;
  for (const std::string& loss : rebuilt.losses) compared.report.problems.push_back("missing: " + loss);
  compared.published = rebuilt.published;
  if (compared.report.store_groups != rebuilt.groups) {
    compared.moved = rebuilt.groups > compared.report.store_groups;
    return compared;
  }
  Database& copy = rebuilt.database;
  const auto differs = [&](std::string_view table) {
    compared.report.problems.push_back(fmt::format("table {} differs", table));
  };
  for (const char* table : {"runs", "journal", "states", "timers", "listeners", "outbox", "reviews", "spending",
                            "documents", "leaves", "tree_heads", "notes", "labels"}) {
    SB_TRY(const std::string ours, digest_of(live, table));
    SB_TRY(const std::string theirs, digest_of(copy, table));
    if (ours != theirs) differs(table);
  }
  SB_TRY(const auto keys, different_rows(live, copy, "data_keys", "run"));
  SB_TRY(auto tokens, different_rows(live, copy, "tenant_tokens", "no"));
  SB_TRY(const auto last_token,
         live.integer("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'tenant_tokens'), 0)"));
  std::erase_if(tokens, [&](std::int64_t no) { return no > last_token; });  // lists are newer than what was read here
  SB_CHECK(live.execute("COMMIT"));
  SB_TRY(const bool keys_differ, differs_still(live, copy, "data_keys", "run", keys));
  SB_TRY(const bool tokens_differ, differs_still(live, copy, "tenant_tokens", "no", tokens));
  if (keys_differ) differs("data_keys");
  if (tokens_differ) differs("tenant_tokens");
  return compared;
}

Result<> compare_secrets(Target& target, std::string_view key, const store::DataDir& data, CheckReport& report) {
  const auto sealed = target.get(kSecrets);
  if (!sealed && sealed.error().code != Errc::not_found) return std::unexpected(sealed.error());
  const auto plain = sealed ? open_object(key, kSecrets, *sealed) : sealed;
  const auto secrets = plain ? parse_list(SealedKind::data_key, *plain) : std::vector<ListEntry>();
  if (!plain || !secrets) {
    report.problems.push_back(sealed ? fmt::format("{} is damaged", kSecrets) : fmt::format("{} is missing", kSecrets));
    return {};
  }
  for (const auto& [name, ours] : {std::pair("audit.seed", data.audit_seed()), std::pair("vault.key", data.vault_key()),
                                   std::pair("pepper", data.pepper())}) {
    const auto theirs = std::ranges::find(*secrets, std::string(name), &ListEntry::subject);
    if (theirs == secrets->end() || theirs->sealed != ours)
      report.problems.push_back(fmt::format("{}: {} is not that of keys/", kSecrets, name));
  }
  return {};
}

// A server at work publishes more meanwhile; what the chain says was read first, our leaves are read last.
Result<> check_log(Target& target, const store::DataDir& data, const PublishedTree& published, CheckReport& report) {
  const auto problem = [&](std::string text) { report.problems.push_back("published log: " + std::move(text)); };
  const auto log = log_in(target);
  const auto note = log->checkpoint();
  if (!note && note.error().code != Errc::not_found) return std::unexpected(note.error());
  if (!note && published.leaves > 0)
    problem(fmt::format("checkpoint is missing; a tree head of at least {} leaves was there", published.leaves));
  if (!note) return {};
  SB_TRY(const SigningKey signing, SigningKey::from_seed(data.audit_seed()));
  const auto head = open_head(*note, signing.public_key());
  if (!head) {
    problem(fmt::format("checkpoint: {}", head.error().detail));
    return {};
  }
  if (head->size < published.leaves)
    problem(fmt::format("checkpoint is one of {} leaves, and one of {} was there", head->size, published.leaves));
  const audit::NoteVerifier key(head->origin, signing.public_key());
  SB_TRY(const audit::LogReport verified, audit::verify_log(*log, key, {.kept_head = *note}));
  for (const std::string& found : verified.problems) problem(found);
  SB_TRY(const WalkedLog walked,
         walk_log(data.database(), {{KnownHead::Holder::mirror, "checkpoint", *note, *head}}, nullptr));
  if (!walked.led.front()) problem(fmt::format("its {} leaves are not the first of ours", head->size));
  report.log_leaves = head->size;
  return {};
}

}  // namespace

Result<CheckReport> check(Target& target, std::string_view key, const std::string& folder) {
  constexpr int kAttempts = 5;
  const std::string database = folder + "/" + store::DataDir::kDatabase;
  if (!std::filesystem::exists(database)) return fail(Errc::not_found, fmt::format("{} has no database", folder));
  SB_TRY(const store::DataDir data, store::DataDir::open(folder));
  SB_TRY(const ScratchFolder scratch, ScratchFolder::create(folder + "/" + kCheckFolder));
  for (int attempt = 1;; ++attempt) {
    SB_TRY(Compared compared, compare(target, key, database, scratch.file("mirror.db")));
    if (compared.moved && attempt < kAttempts) continue;
    SB_CHECK(compare_secrets(target, key, data, compared.report));
    SB_CHECK(check_log(target, data, compared.published, compared.report));
    return compared.report;
  }
}

}  // namespace sb::mirror
