#include "mirror/restore.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <span>
#include <thread>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "mirror/chain.h"
#include "mirror/key_lists.h"
#include "mirror/segment.h"
#include "mirror/snapshot.h"
#include "store/sqlite/group_recorder.h"
#include "store/sqlite/sql.h"

namespace sb::mirror {
namespace {

namespace fs = std::filesystem;
using store::sqlite::Database;

constexpr const char* kDatabase = "signalbox.db";
constexpr std::size_t kObjectsAtOnce = 16;  // a segment has up to 16 MiB and its last commit

// A database in the making.
struct Rebuilt {
  Snapshot snapshot;
  std::uint64_t groups = 0;    ///< of commits it has
  std::uint64_t segments = 0;  ///< applied, of those that hold groups
  std::uint64_t newest = 0;    ///< number of the last segment, and its hash
  Digest hash{};
  std::map<std::uint64_t, std::string> tags;  ///< of the lineages that wrote the segments after the snapshot
  std::vector<Erased> erased;
};

Result<> apply_segment(Database& database, const Segment& segment, std::uint64_t groups_max, Rebuilt& made) {
  if (segment.patchsets.empty() || segment.last_group <= made.groups || made.groups >= groups_max) return {};
  if (segment.first_group > made.groups + 1)
    return fail(Errc::corrupt, fmt::format("mirror: groups {} to {} are missing before {}", made.groups + 1,
                                           segment.first_group - 1, segment_name(segment.number)));
  SB_CHECK(database.execute("BEGIN IMMEDIATE"));
  for (std::size_t i = 0; i < segment.patchsets.size(); ++i) {
    const std::uint64_t group = segment.first_group + i;
    if (group <= made.groups || group > groups_max) continue;
    SB_CHECK(store::sqlite::apply_patchset(database, segment.patchsets[i]));
  }
  SB_CHECK(database.execute("COMMIT"));
  made.groups = std::min(segment.last_group, groups_max);
  ++made.segments;
  return {};
}

// Each must continue the one before it.
Result<> apply_next(std::string_view key, Database& database, const std::string& name, std::string_view sealed,
                    std::uint64_t groups_max, Rebuilt& made) {
  SB_TRY(const std::string plain, open_object(key, name, sealed));
  SB_TRY(const Segment segment, parse_segment(plain));
  if (segment.number != ++made.newest || segment.previous != made.hash)
    return fail(Errc::corrupt, fmt::format("mirror: {} does not continue the segment before it", name));
  made.hash = sha256(sealed);
  made.tags[segment.number] = tag_of(segment.lineage);
  made.erased.insert(made.erased.end(), segment.erased.begin(), segment.erased.end());
  return apply_segment(database, segment, groups_max, made);
}

Result<> apply_segments(Target& target, std::string_view key, Database& database, std::uint64_t groups_max,
                        Rebuilt& made) {
  SB_TRY(const auto names, target.list("segments/", segment_name(made.snapshot.segment)));
  for (std::span<const std::string> rest = names; !rest.empty();) {
    const auto some = rest.first(std::min(rest.size(), kObjectsAtOnce));
    SB_TRY(const auto sealed, target.get_all(some));
    for (std::size_t i = 0; i < some.size(); ++i)
      SB_CHECK(apply_next(key, database, some[i], sealed[i], groups_max, made));
    rest = rest.subspan(some.size());
  }
  return {};
}

bool counts(const ListName& list, const Rebuilt& made) {
  if (!list.of_segment) return SnapshotId{list.number, list.tag} == made.snapshot.id;
  const auto segment = made.tags.find(list.number);
  return segment != made.tags.end() && segment->second == list.tag;
}

// What came with what counts, in an order in which the newest has the last word.
Result<> put_listed(Target& target, std::string_view key, Database& database, SealedKind kind, const Rebuilt& made) {
  SB_TRY(const auto names, target.list(list_prefix(kind)));
  std::vector<ListName> lists;
  for (const std::string& name : names) {
    auto list = parse_list_name(name);
    if (list && counts(*list, made)) lists.push_back(*std::move(list));
  }
  std::ranges::sort(lists);
  SB_CHECK(database.execute("BEGIN IMMEDIATE"));
  SB_TRY(auto insert,
         database.prepare(kind == SealedKind::token
                              ? "INSERT OR REPLACE INTO tenant_tokens (no, subject, sealed, tenant, token) VALUES "
                                "(?, ?, ?, ?, ?)"
                              : "INSERT OR REPLACE INTO data_keys (run, subject, wrapped) SELECT no, nullif(?2, ''), "
                                "nullif(?3, x'') FROM runs WHERE no = ?1"));
  for (const ListName& list : lists) {
    const std::string name = text_of(kind, list);
    SB_TRY(const std::string sealed, target.get(name));
    SB_TRY(const std::string plain, open_object(key, name, sealed));
    SB_TRY(const auto entries, parse_list(kind, plain));
    for (const ListEntry& entry : entries) {
      insert.bind(1, entry.no).bind(2, entry.subject).bind_blob(3, entry.sealed);
      if (kind == SealedKind::token) insert.bind(4, entry.tenant).bind(5, entry.token);
      if (insert.step() != SQLITE_DONE) return std::unexpected(database.error("cannot store a key in"));
      insert.reset();
    }
  }
  return database.execute("COMMIT");
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

Result<Rebuilt> rebuild_from(Target& target, std::string_view key, const SnapshotId& snapshot, const std::string& path,
                             std::uint64_t groups_max) {
  Rebuilt made;
  SB_TRY(made.snapshot, fetch_snapshot(target, key, snapshot, path));
  made.groups = made.snapshot.id.group;
  made.newest = made.snapshot.segment;
  made.hash = made.snapshot.previous;
  SB_TRY(Database database, Database::open(path, Database::Access::read_write));
  SB_CHECK(database.execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY"));
  SB_CHECK(apply_segments(target, key, database, groups_max, made));
  for (const auto kind : {SealedKind::data_key, SealedKind::token})
    SB_CHECK(put_listed(target, key, database, kind, made));
  SB_CHECK(take_out_erased(database, made.erased));
  return made;
}

// As the mirror has it, but no newer than after `groups_max`. A server at work may let another snapshot count
// meanwhile, and take away what the one before it needs: then this begins anew.
Result<Rebuilt> rebuild(Target& target, std::string_view key, const std::string& path, std::uint64_t groups_max) {
  constexpr int kAttempts = 5;
  for (int attempt = 1;; ++attempt) {
    SB_TRY(const auto end, read_chain_end(target, key));
    if (!end || end->segment.snapshot.none())
      return fail(Errc::not_found, fmt::format("there is no mirror at {}: no whole snapshot below it", target.name()));
    auto made = rebuild_from(target, key, end->segment.snapshot, path, groups_max);
    SB_TRY(const auto after, read_chain_end(target, key));
    const bool still_counts = after && after->segment.snapshot == end->segment.snapshot;
    if (still_counts || attempt == kAttempts) {
      if (made && !still_counts)
        return fail(Errc::unavailable,
                    fmt::format("the mirror {} does not stand still: a server makes one snapshot after "
                                "the other there; try again",
                                target.name()));
      return made;
    }
    drop_copy(path);
  }
}

// Another database than the one that was lost: should that come back, the mirror is not its any more. The first one
// that starts, of all that are made from here, has it.
Result<> begin_lineage(Database& database, const Rebuilt& made) {
  SB_CHECK(database.execute("DELETE FROM mirror_lineages"));
  SB_TRY(auto insert, database.prepare("INSERT INTO mirror_lineages VALUES (1, randomblob(16), ?, ?)"));
  const std::string_view hash(reinterpret_cast<const char*>(made.hash.data()), made.hash.size());
  insert.bind(1, static_cast<std::int64_t>(made.newest)).bind_blob(2, hash);
  return insert.step() == SQLITE_DONE ? Result<>() : std::unexpected(database.error("cannot store a lineage in"));
}

Result<RestoreReport> report_of(Database& database, const Rebuilt& made) {
  RestoreReport report{made.snapshot.id.group, made.groups, made.segments};
  const auto count = [&](const char* sql, std::uint64_t& into) -> Result<> {
    SB_TRY(const auto number, database.integer(sql));
    into = static_cast<std::uint64_t>(number);
    return {};
  };
  SB_CHECK(count("SELECT count(*) FROM data_keys WHERE wrapped IS NOT NULL", report.keys));
  SB_CHECK(count("SELECT count(*) FROM runs", report.runs));
  SB_CHECK(count("SELECT coalesce((SELECT first + count FROM leaves ORDER BY first DESC LIMIT 1), 0)", report.leaves));
  return report;
}

Result<> write_file(const std::string& path, std::string_view bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = file >= 0 && ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
                       ::fsync(file) == 0;
  if (file >= 0) ::close(file);
  return written ? Result<>() : fail(Errc::permission_denied, fmt::format("cannot write {}", path));
}

Result<std::vector<ListEntry>> read_secrets(Target& target, std::string_view key) {
  const auto sealed = target.get("secrets");
  if (!sealed && sealed.error().code == Errc::not_found)
    return fail(Errc::not_found, fmt::format("there is no mirror at {}: no `secrets` below it", target.name()));
  if (!sealed) return std::unexpected(sealed.error());
  SB_TRY(const std::string plain, open_object(key, "secrets", *sealed));
  SB_TRY(auto secrets, parse_list(SealedKind::data_key, plain));
  for (const ListEntry& secret : secrets) {
    if (secret.subject.empty() || secret.subject.find('/') != std::string::npos)
      return fail(Errc::corrupt, "mirror: the data directory's secrets have the wrong shape");
  }
  return secrets;
}

std::string row_of(const store::sqlite::Statement& rows) {
  std::string row;
  for (int i = 0; i < rows.columns(); ++i) {
    const auto bytes = rows.bytes(i);
    row += fmt::format("{}:", bytes.size());
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
  bool moved = false;  ///< the mirror has a newer snapshot than what was read of the store
};

Result<Compared> compare(Target& target, std::string_view key, const std::string& database,
                         const std::string& scratch) {
  SB_TRY(Database live, Database::open(database, Database::Access::read_only));
  SB_CHECK(live.execute("BEGIN"));
  SB_TRY(const auto groups, live.integer("SELECT groups FROM mirror_state"));
  Compared compared;
  compared.report.store_groups = static_cast<std::uint64_t>(groups);
  SB_CHECK(wait_for_groups(target, key, compared.report.store_groups));
  SB_TRY(const Rebuilt rebuilt, rebuild(target, key, scratch, compared.report.store_groups));
  compared.report.mirror_groups = rebuilt.groups;
  if (compared.report.store_groups != rebuilt.groups) {
    compared.moved = rebuilt.groups > compared.report.store_groups;
    return compared;
  }
  SB_TRY(Database copy, Database::open(scratch, Database::Access::read_only));
  const auto differs = [&](std::string_view table) {
    compared.report.problems.push_back(fmt::format("table {} differs", table));
  };
  for (const char* table : {"runs", "journal", "states", "reviews", "spending", "documents", "leaves", "tree_heads"}) {
    SB_TRY(const std::string ours, digest_of(live, table));
    SB_TRY(const std::string theirs, digest_of(copy, table));
    if (ours != theirs) differs(table);
  }
  SB_TRY(const auto keys, different_rows(live, copy, "data_keys", "run"));
  SB_TRY(const auto tokens, different_rows(live, copy, "tenant_tokens", "no"));
  SB_CHECK(live.execute("COMMIT"));
  SB_TRY(const bool keys_differ, differs_still(live, copy, "data_keys", "run", keys));
  SB_TRY(const bool tokens_differ, differs_still(live, copy, "tenant_tokens", "no", tokens));
  if (keys_differ) differs("data_keys");
  if (tokens_differ) differs("tenant_tokens");
  return compared;
}

}  // namespace

Result<RestoreReport> restore(Target& target, std::string_view key, const std::string& folder) {
  const auto begin = system_clock().steady();
  const std::string path = folder + "/" + kDatabase;
  if (fs::exists(path))
    return fail(Errc::already_exists, fmt::format("{} has a database; restore into a new data directory", folder));
  for (const char* left : {"-wal", "-shm", "-journal"}) {  // SQLite would take it for this one's
    if (fs::exists(path + left))
      return fail(Errc::already_exists,
                  fmt::format("{} has what is left of another database ({}{}); restore into a new data "
                              "directory",
                              folder, kDatabase, left));
  }
  // The tree head that others have seen: the log that goes on must continue it. Before the leaves are read, for a
  // server at work goes on to newer ones.
  const auto checkpoint = target.get("audit/checkpoint");
  if (!checkpoint && checkpoint.error().code != Errc::not_found) return std::unexpected(checkpoint.error());
  SB_TRY(const auto secrets, read_secrets(target, key));  // nothing is made where the place or the key is wrong
  std::error_code error;
  fs::create_directories(folder + "/keys", error);
  fs::permissions(folder, fs::perms::owner_all, error);
  fs::permissions(folder + "/keys", fs::perms::owner_all, error);
  for (const ListEntry& secret : secrets) SB_CHECK(write_file(folder + "/keys/" + secret.subject, secret.sealed));
  const std::string scratch = path + ".restoring";
  SB_TRY(const Rebuilt made, rebuild(target, key, scratch, UINT64_MAX));
  RestoreReport report;
  {
    SB_TRY(Database database, Database::open(scratch, Database::Access::read_write));
    SB_CHECK(begin_lineage(database, made));
    SB_TRY(report, report_of(database, made));
  }
  fs::permissions(scratch, fs::perms::owner_read | fs::perms::owner_write, error);
  if (checkpoint) {
    fs::create_directories(folder + "/audit", error);
    SB_CHECK(write_file(folder + "/audit/checkpoint", *checkpoint));
  }
  const int file = ::open(scratch.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = file >= 0 && ::fsync(file) == 0;
  if (file >= 0) ::close(file);
  if (!synced || ::rename(scratch.c_str(), path.c_str()) != 0)
    return fail(Errc::disk_full, fmt::format("cannot put {} in place", path));
  report.elapsed_us = std::chrono::duration_cast<std::chrono::microseconds>(system_clock().steady() - begin).count();
  return report;
}

Result<CheckReport> check(Target& target, std::string_view key, const std::string& folder) {
  constexpr int kAttempts = 5;
  const std::string database = folder + "/" + kDatabase;
  if (!fs::exists(database)) return fail(Errc::not_found, fmt::format("{} has no database", folder));
  const std::string scratch = folder + "/mirror-check.db";
  const std::shared_ptr<void> dropped(nullptr, [&](void*) { drop_copy(scratch); });
  for (int attempt = 1;; ++attempt) {
    SB_TRY(const Compared compared, compare(target, key, database, scratch));
    if (!compared.moved || attempt == kAttempts) return compared.report;
    drop_copy(scratch);
  }
}

}  // namespace sb::mirror
