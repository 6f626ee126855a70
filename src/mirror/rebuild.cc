#include "mirror/rebuild.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <span>

#include "mirror/chain.h"
#include "mirror/key_lists.h"
#include "store/sqlite/group_recorder.h"

namespace sb::mirror {
namespace {

using store::sqlite::Database;

constexpr std::size_t kObjectsAtOnce = 16;  // a segment has up to 16 MiB and its last commit

// The database is another one's, without a name: SQLite takes its file out of the folder as soon as it has opened it.
constexpr const char* kTablesApart =
    "ATTACH '' AS apart;"
    "CREATE TABLE apart.data_keys (run INTEGER PRIMARY KEY, subject TEXT, wrapped BLOB);"
    "CREATE TABLE apart.tenant_tokens (no INTEGER PRIMARY KEY, tenant TEXT NOT NULL, token TEXT NOT NULL,"
    " subject TEXT NOT NULL, sealed BLOB NOT NULL);"
    "DROP TABLE main.data_keys; DROP TABLE main.tenant_tokens";

Result<> apply_segment(const Segment& segment, std::uint64_t groups_max, Rebuilt& made) {
  if (segment.patchsets.empty() || segment.last_group <= made.groups || made.groups >= groups_max) return {};
  if (segment.first_group > made.groups + 1)
    return fail(Errc::corrupt, fmt::format("mirror: groups {} to {} are missing before {}", made.groups + 1,
                                           segment.first_group - 1, segment_name(segment.number)));
  SB_CHECK(made.database.execute("BEGIN IMMEDIATE"));
  for (std::size_t i = 0; i < segment.patchsets.size(); ++i) {
    const std::uint64_t group = segment.first_group + i;
    if (group <= made.groups || group > groups_max) continue;
    SB_CHECK(store::sqlite::apply_patchset(made.database, segment.patchsets[i]));
  }
  SB_CHECK(made.database.execute("COMMIT"));
  made.groups = std::min(segment.last_group, groups_max);
  ++made.segments;
  return {};
}

// Each must continue the one before it.
Result<> apply_next(std::string_view key, const std::string& name, std::string_view sealed, std::uint64_t groups_max,
                    Rebuilt& made) {
  SB_TRY(const std::string plain, open_object(key, name, sealed));
  SB_TRY(const Segment segment, parse_segment(plain));
  if (segment.number != made.newest + 1 || segment.previous != made.hash)
    return fail(Errc::corrupt, fmt::format("mirror: {} does not continue the segment before it", name));
  SB_CHECK(apply_segment(segment, groups_max, made));
  made.newest = segment.number;
  made.hash = sha256(sealed);
  made.published = segment.published;
  made.erased.insert(made.erased.end(), segment.erased.begin(), segment.erased.end());
  for (const ListSpan& list : segment.lists) made.lists.push_back({list.kind, name_of(list, segment)});
  return {};
}

Result<> apply_some(Target& target, std::string_view key, std::span<const std::string> names, std::uint64_t groups_max,
                    Rebuilt& made) {
  SB_TRY(const auto sealed, target.get_all(names));
  for (std::size_t i = 0; i < names.size(); ++i) SB_CHECK(apply_next(key, names[i], sealed[i], groups_max, made));
  return {};
}

// What comes after a link that is damaged or missing says nothing of the state before it.
Result<> apply_segments(Target& target, std::string_view key, std::uint64_t groups_max, Rebuilt& made) {
  SB_TRY(const auto names, target.list("segments/", segment_name(made.newest)));
  for (std::span<const std::string> rest = names; !rest.empty();) {
    const auto some = rest.first(std::min(rest.size(), kObjectsAtOnce));
    const auto applied = apply_some(target, key, some, groups_max, made);
    if (!applied && applied.error().code != Errc::corrupt) return applied;
    if (!applied) {
      if (made.database.in_transaction()) SB_CHECK(made.database.execute("ROLLBACK"));
      made.losses.push_back(
          fmt::format("what was committed after {} ({})", segment_name(made.newest), applied.error().detail));
      return {};
    }
    rest = rest.subspan(some.size());
  }
  return {};
}

Result<> put_entries(Database& database, SealedKind kind, const std::vector<ListEntry>& entries) {
  SB_CHECK(database.execute("BEGIN IMMEDIATE"));
  SB_TRY(auto insert,
         database.prepare(kind == SealedKind::token
                              ? "INSERT OR REPLACE INTO tenant_tokens (no, subject, sealed, tenant, token) VALUES "
                                "(?, ?, ?, ?, ?)"
                              : "INSERT OR REPLACE INTO data_keys (run, subject, wrapped) SELECT no, nullif(?2, ''), "
                                "nullif(?3, x'') FROM runs WHERE no = ?1"));
  for (const ListEntry& entry : entries) {
    insert.bind(1, entry.no).bind(2, entry.subject).bind_blob(3, entry.sealed);
    if (kind == SealedKind::token) insert.bind(4, entry.tenant).bind(5, entry.token);
    if (insert.step() != SQLITE_DONE) return std::unexpected(database.error("cannot store a key in"));
    insert.reset();
  }
  return database.execute("COMMIT");
}

// Many at once; where one of them is missing, one by one.
Result<std::vector<Result<std::string>>> get_each(Target& target, std::span<const std::string> names) {
  std::vector<Result<std::string>> each;
  auto all = target.get_all(names);
  if (!all && all.error().code != Errc::not_found) return std::unexpected(all.error());
  if (all)
    std::ranges::move(*all, std::back_inserter(each));
  else
    for (const std::string& name : names) each.push_back(target.get(name));
  return each;
}

Result<std::vector<ListEntry>> open_list(std::string_view key, SealedKind kind, const std::string& name,
                                         const Result<std::string>& sealed) {
  if (!sealed) return std::unexpected(sealed.error());
  SB_TRY(const std::string plain, open_object(key, name, *sealed));
  return parse_list(kind, plain);
}

// Those from number `from` on.
Result<> put_lists(Target& target, std::string_view key, std::size_t from, Rebuilt& made) {
  std::vector<std::string> lost;
  for (std::span<const Rebuilt::List> rest = std::span(made.lists).subspan(from); !rest.empty();) {
    const auto some = rest.first(std::min(rest.size(), kObjectsAtOnce));
    std::vector<std::string> names;
    for (const Rebuilt::List& list : some) names.push_back(text_of(list.kind, list.name));
    SB_TRY(const auto sealed, get_each(target, names));
    for (std::size_t i = 0; i < some.size(); ++i) {
      const auto entries = open_list(key, some[i].kind, names[i], sealed[i]);
      if (entries)
        SB_CHECK(put_entries(made.database, some[i].kind, *entries));
      else if (entries.error().code == Errc::not_found || entries.error().code == Errc::corrupt)
        lost.push_back(names[i]);
      else
        return std::unexpected(entries.error());
    }
    rest = rest.subspan(some.size());
  }
  if (!lost.empty())
    made.losses.push_back(fmt::format("{} of {} lists of keys and placeholders' values, missing or damaged ({}{})",
                                      lost.size(), made.lists.size(), lost.front(), lost.size() > 1 ? ", ..." : ""));
  return {};
}

// Numbers of values that were erased are given to no others: what says that they are erased would reach those.
Result<> never_again(Database& database, const std::vector<Erased>& erased) {
  std::int64_t last = 0;
  for (const Erased& one : erased) {
    if (one.kind == SealedKind::token) last = std::max(last, one.no);
  }
  SB_TRY(auto raise, database.prepare("UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'tenant_tokens'"));
  SB_TRY(auto begin,
         database.prepare("INSERT INTO sqlite_sequence (name, seq) SELECT 'tenant_tokens', ?1 WHERE NOT EXISTS "
                          "(SELECT 1 FROM sqlite_sequence WHERE name = 'tenant_tokens')"));
  for (auto* statement : {&raise, &begin}) {
    if (statement->bind(1, last).step() != SQLITE_DONE)
      return std::unexpected(database.error("cannot number placeholders in"));
  }
  return {};
}

// A machine that was lost in the middle of an erasure has said so, and not yet rewritten every list.
Result<> take_out_erased(Database& database, const std::vector<Erased>& erased) {
  SB_TRY(auto key, database.prepare("INSERT INTO data_keys (run, subject, wrapped) VALUES (?, NULL, NULL) ON CONFLICT "
                                    "(run) DO UPDATE SET subject = NULL, wrapped = NULL"));
  SB_TRY(auto token, database.prepare("DELETE FROM tenant_tokens WHERE no = ?"));
  SB_CHECK(database.execute("BEGIN IMMEDIATE"));
  for (const Erased& one : erased) {
    auto& statement = one.kind == SealedKind::token ? token : key;
    if (statement.bind(1, one.no).step() != SQLITE_DONE)
      return std::unexpected(database.error("cannot erase a key in"));
    statement.reset();
  }
  SB_CHECK(database.execute("COMMIT"));
  return never_again(database, erased);
}

// A server that works rewrites lists while they are read: what is gone from them, segments say that came since. Each
// round has less to read than the one before.
Result<> follow(Target& target, std::string_view key, Rebuilt& made) {
  constexpr int kRoundsMax = 50;
  for (int round = 0; round < kRoundsMax; ++round) {
    const std::uint64_t newest = made.newest;
    const std::size_t lists = made.lists.size();
    SB_CHECK(apply_segments(target, key, UINT64_MAX, made));
    if (made.newest == newest) return {};
    SB_CHECK(put_lists(target, key, lists, made));
  }
  return {};
}

Result<Rebuilt> rebuild_from(Target& target, std::string_view key, const SnapshotId& snapshot, const std::string& path,
                             std::uint64_t groups_max, KeysGo keys) {
  Rebuilt made;
  SB_TRY(made.snapshot, fetch_snapshot(target, key, snapshot, path));
  made.groups = made.snapshot.id.group;
  made.newest = made.snapshot.segment;
  made.hash = made.snapshot.previous;
  for (const ListSpan& list : made.snapshot.lists) made.lists.push_back({list.kind, name_of(list, made.snapshot.id)});
  SB_TRY(made.database, Database::open(path, Database::Access::read_write));
  SB_CHECK(made.database.execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY"));
  SB_CHECK(apply_segments(target, key, groups_max, made));
  if (keys == KeysGo::apart) SB_CHECK(made.database.execute(kTablesApart));
  SB_CHECK(put_lists(target, key, 0, made));
  if (groups_max == UINT64_MAX && made.losses.empty()) SB_CHECK(follow(target, key, made));
  SB_CHECK(take_out_erased(made.database, made.erased));
  SB_TRY(const auto keyless, made.database.integer(kKeylessRuns));
  if (static_cast<std::uint64_t>(keyless) > made.snapshot.keyless)
    made.losses.push_back(
        fmt::format("the keys of {} runs: their contents stay sealed, and an erasure of a person does "
                    "not find them",
                    static_cast<std::uint64_t>(keyless) - made.snapshot.keyless));
  return made;
}

}  // namespace

// A server at work may let another snapshot count meanwhile, and take away what the one before it needs: then this
// begins anew.
Result<Rebuilt> rebuild(Target& target, std::string_view key, const std::string& path, std::uint64_t groups_max,
                        KeysGo keys) {
  constexpr int kAttempts = 5;
  for (int attempt = 1;; ++attempt) {
    drop_copy(path);
    SB_TRY(const auto end, read_chain_end(target, key));
    if (!end || end->segment.snapshot.none())
      return fail(Errc::not_found, fmt::format("there is no mirror at {}: no whole snapshot below it", target.name()));
    auto made = rebuild_from(target, key, end->segment.snapshot, path, groups_max, keys);
    SB_TRY(const auto after, read_chain_end(target, key));
    const bool still_counts = after && after->segment.snapshot == end->segment.snapshot;
    if (still_counts) return made;
    if (attempt == kAttempts && made)
      return fail(Errc::unavailable,
                  fmt::format("the mirror {} does not stand still: a server makes one snapshot after the other there; "
                              "try again",
                              target.name()));
    if (attempt == kAttempts) return made;
  }
}

}  // namespace sb::mirror
