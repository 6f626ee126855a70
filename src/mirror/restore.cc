#include "mirror/restore.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "mirror/segment.h"
#include "mirror/snapshot.h"
#include "store/sqlite/group_recorder.h"
#include "store/sqlite/sql.h"

namespace sb::mirror {
namespace {

namespace fs = std::filesystem;
using store::sqlite::Database;

constexpr const char* kDatabase = "signalbox.db";

// Segments in their order; each must continue the one before it.
Result<> apply_segments(Target& target, std::string_view key, Database& database, const Snapshot& snapshot,
                        RestoreReport& report) {
  SB_TRY(const auto names, target.list("segments/"));
  Digest previous = snapshot.previous;
  std::uint64_t number = snapshot.segment;
  for (const std::string& name : names) {
    if (number_at_end(name).value_or(0) <= snapshot.segment) continue;
    SB_TRY(const std::string sealed, target.get(name));
    SB_TRY(const std::string plain, open_object(key, name, sealed));
    SB_TRY(const Segment segment, parse_segment(plain));
    if (segment.number != ++number || segment.previous != previous)
      return fail(Errc::corrupt, fmt::format("mirror: {} does not continue the segment before it", name));
    previous = sha256(sealed);
    if (segment.last_group <= report.groups) continue;
    if (segment.first_group > report.groups + 1)
      return fail(Errc::corrupt, fmt::format("mirror: groups {} to {} are missing before {}", report.groups + 1,
                                             segment.first_group - 1, name));
    SB_CHECK(database.execute("BEGIN IMMEDIATE"));
    for (std::size_t i = 0; i < segment.patchsets.size(); ++i) {
      if (segment.first_group + i <= report.groups) continue;
      SB_CHECK(store::sqlite::apply_patchset(database, segment.patchsets[i]));
    }
    SB_CHECK(database.execute("COMMIT"));
    report.groups = segment.last_group;
    ++report.segments;
  }
  return {};
}

// Lists in the order of their names: the newest has the last word.
Result<> put_listed(Target& target, std::string_view key, Database& database, SealedKind kind) {
  SB_TRY(const auto names, target.list(list_prefix(kind)));
  if (names.empty()) return {};
  SB_CHECK(database.execute("BEGIN IMMEDIATE"));
  SB_TRY(auto insert,
         database.prepare(kind == SealedKind::token
                              ? "INSERT OR REPLACE INTO tenant_tokens (no, subject, sealed, tenant, token) VALUES "
                                "(?, ?, ?, ?, ?)"
                              : "INSERT OR REPLACE INTO data_keys (run, subject, wrapped) SELECT no, nullif(?2, ''), "
                                "nullif(?3, x'') FROM runs WHERE no = ?1"));
  for (const std::string& name : names) {
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

Result<RestoreReport> rebuild(Target& target, std::string_view key, const std::string& path) {
  RestoreReport report;
  SB_TRY(const Snapshot snapshot, fetch_snapshot(target, key, path));
  report.snapshot_group = snapshot.group;
  report.groups = report.snapshot_group;
  SB_TRY(Database database, Database::open(path, Database::Access::read_write));
  SB_CHECK(database.execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY"));
  SB_CHECK(apply_segments(target, key, database, snapshot, report));
  for (const auto kind : {SealedKind::data_key, SealedKind::token}) SB_CHECK(put_listed(target, key, database, kind));
  SB_TRY(const auto keys, database.integer("SELECT count(*) FROM data_keys WHERE wrapped IS NOT NULL"));
  report.keys = static_cast<std::uint64_t>(keys);
  SB_TRY(const auto runs, database.integer("SELECT count(*) FROM runs"));
  SB_TRY(const auto leaves,
         database.integer("SELECT coalesce((SELECT first + count FROM leaves ORDER BY first DESC LIMIT 1), 0)"));
  report.runs = static_cast<std::uint64_t>(runs);
  report.leaves = static_cast<std::uint64_t>(leaves);
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

// `table`: also with a condition.
Result<std::string> digest_of(Database& database, std::string_view table) {
  SB_TRY(auto rows, database.prepare(fmt::format("SELECT * FROM {} ORDER BY 1, 2", table)));
  Digest digest{};
  int result;
  while ((result = rows.step()) == SQLITE_ROW) {
    std::string row(reinterpret_cast<const char*>(digest.data()), digest.size());
    for (int i = 0; i < rows.columns(); ++i) {
      const auto bytes = rows.bytes(i);
      row += fmt::format("{}:", bytes.size());
      row += bytes;
    }
    digest = sha256(row);
  }
  if (result != SQLITE_DONE) return std::unexpected(database.error("cannot read"));
  return to_hex(digest);
}

}  // namespace

Result<RestoreReport> restore(Target& target, std::string_view key, const std::string& folder) {
  const auto begin = system_clock().steady();
  const std::string path = folder + "/" + kDatabase;
  if (fs::exists(path))
    return fail(Errc::already_exists, fmt::format("{} has a database; restore into a new data directory", folder));
  SB_TRY(const auto secrets, read_secrets(target, key));  // nothing is made where the place or the key is wrong
  std::error_code error;
  fs::create_directories(folder + "/keys", error);
  fs::permissions(folder, fs::perms::owner_all, error);
  fs::permissions(folder + "/keys", fs::perms::owner_all, error);
  for (const ListEntry& secret : secrets) SB_CHECK(write_file(folder + "/keys/" + secret.subject, secret.sealed));
  const std::string scratch = path + ".restoring";
  SB_TRY(RestoreReport report, rebuild(target, key, scratch));
  fs::permissions(scratch, fs::perms::owner_read | fs::perms::owner_write, error);
  // The tree head that others have seen: the log that goes on must continue it.
  const auto checkpoint = target.get("audit/checkpoint");
  if (!checkpoint && checkpoint.error().code != Errc::not_found) return std::unexpected(checkpoint.error());
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
  if (!fs::exists(folder + "/" + kDatabase)) return fail(Errc::not_found, fmt::format("{} has no database", folder));
  SB_TRY(Database live, Database::open(folder + "/" + kDatabase, Database::Access::read_only));
  SB_CHECK(live.execute("BEGIN"));
  SB_TRY(const auto groups, live.integer("SELECT groups FROM mirror_state"));
  const std::string scratch = folder + "/mirror-check.db";
  const std::shared_ptr<void> dropped(nullptr, [&](void*) { drop_copy(scratch); });
  SB_TRY(const RestoreReport rebuilt, rebuild(target, key, scratch));
  CheckReport report{static_cast<std::uint64_t>(groups), rebuilt.groups, {}};
  if (report.store_groups == report.mirror_groups) {
    SB_TRY(Database copy, Database::open(scratch, Database::Access::read_only));
    for (const char* table :
         {"runs", "journal", "states", "reviews", "spending", "documents", "leaves", "tenant_tokens", "data_keys"}) {
      SB_TRY(const std::string ours, digest_of(live, table));
      SB_TRY(const std::string theirs, digest_of(copy, table));
      if (ours != theirs) report.problems.push_back(fmt::format("table {} differs", table));
    }
  }
  return report;
}

}  // namespace sb::mirror
