#include "mirror/snapshot.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/bytes.h"
#include "base/json.h"
#include "store/sqlite/sql.h"

namespace sb::mirror {
namespace {

using store::sqlite::Database;

constexpr std::size_t kPieceBytes = 8 << 20;
constexpr std::size_t kEntriesInObject = 10'000;
constexpr std::size_t kRemovalsInStep = 32;
constexpr std::string_view kManifest = "/manifest";
constexpr int kStopCheckOps = 100'000;  // of SQLite's virtual machine: some milliseconds

std::string folder_of(std::uint64_t group) {
  return "snapshots/" + padded(group);
}
std::string piece_name(std::uint64_t group, std::uint64_t piece) {
  return fmt::format("{}/{}", folder_of(group), piece);
}

std::string_view view_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}
Digest next_content(const Digest& content, std::string_view piece) {
  return sha256(view_of(content), view_of(sha256(piece)));
}
Digest digest_member(const json::value& document, std::string_view name) {
  Digest digest{};
  const auto bytes = from_hex(string_member(document, name));
  if (bytes && bytes->size() == digest.size()) std::ranges::copy(*bytes, reinterpret_cast<char*>(digest.data()));
  return digest;
}

int stop_asked(void* stop) {
  return static_cast<const std::atomic<bool>*>(stop)->load() ? 1 : 0;
}

}  // namespace

void drop_copy(const std::string& path) {
  for (const char* suffix : {"", "-journal", "-wal", "-shm"}) ::unlink((path + suffix).c_str());
}

Result<std::vector<std::uint64_t>> list_snapshots(Target& target) {
  SB_TRY(const auto names, target.list("snapshots/"));
  std::vector<std::uint64_t> groups;
  for (const std::string& name : names) {
    if (!name.ends_with(kManifest)) continue;
    const auto group = number_at_end(std::string_view(name).substr(0, name.size() - kManifest.size()));
    if (group) groups.push_back(*group);
  }
  std::ranges::sort(groups);
  return groups;
}

Result<Snapshot> read_snapshot(Target& target, std::string_view key, std::uint64_t group) {
  const std::string name = folder_of(group) + std::string(kManifest);
  SB_TRY(const std::string sealed, target.get(name));
  SB_TRY(const std::string text, open_object(key, name, sealed));
  SB_TRY(const json::value manifest, parse_json(text));
  return Snapshot{group,
                  static_cast<std::uint64_t>(int_member(manifest, "segment")),
                  digest_member(manifest, "previous"),
                  int_member(manifest, "time_us"),
                  static_cast<std::uint64_t>(int_member(manifest, "pieces")),
                  digest_member(manifest, "content")};
}

SnapshotJob::SnapshotJob(Target& target, std::string key, std::string database, std::uint64_t segment,
                         const Digest& previous)
    : target_(target), key_(std::move(key)), database_(std::move(database)), path_(database_ + ".snapshot") {
  snapshot_.segment = segment;
  snapshot_.previous = previous;
  snapshot_.time_us = system_clock().now_us();
}

SnapshotJob::~SnapshotJob() {
  stop_ = true;
  if (copying_.valid()) copying_.wait();
  drop_copy(path_);
}

Result<bool> SnapshotJob::step(std::chrono::milliseconds patience) {
  switch (phase_) {
    case Phase::copy:
      if (!copying_.valid()) copying_ = std::async(std::launch::async, [this] { return copy(); });
      if (copying_.wait_for(patience) != std::future_status::ready) return false;
      SB_CHECK(copying_.get());
      phase_ = Phase::lists;
      break;
    case Phase::lists: {
      SB_TRY(const bool done, send_list());
      if (done) phase_ = Phase::old_lists;
      break;
    }
    case Phase::old_lists:
      for (std::size_t i = 0; i < kRemovalsInStep && !old_lists_.empty(); ++i) {
        SB_CHECK(target_.remove(*old_lists_.begin()));
        forget_or_tell(target_, *old_lists_.begin());
        old_lists_.erase(old_lists_.begin());
      }
      if (old_lists_.empty()) phase_ = Phase::pieces;
      break;
    case Phase::pieces: {
      SB_TRY(const bool done, send_piece());
      if (done) phase_ = Phase::read_back;
      break;
    }
    case Phase::read_back: {
      SB_TRY(const bool done, read_back());
      if (done) phase_ = Phase::manifest;
      break;
    }
    case Phase::manifest:
      SB_CHECK(send_manifest());
      phase_ = Phase::done;
      break;
    case Phase::done:
      break;
  }
  return phase_ == Phase::done;
}

Result<> SnapshotJob::copy() {
  drop_copy(path_);
  {
    SB_TRY(Database live, Database::open(database_, Database::Access::read_only));
    sqlite3_progress_handler(live.handle(), kStopCheckOps, stop_asked, &stop_);
    std::string quoted;
    for (const char c : path_) quoted += c == '\'' ? "''" : std::string(1, c);
    SB_CHECK(live.execute(fmt::format("VACUUM INTO '{}'", quoted).c_str()));
  }
  SB_TRY(Database copied, Database::open(path_, Database::Access::read_write));
  sqlite3_progress_handler(copied.handle(), kStopCheckOps, stop_asked, &stop_);
  SB_TRY(const auto groups, copied.integer("SELECT groups FROM mirror_state"));
  snapshot_.group = static_cast<std::uint64_t>(groups);
  return copied.execute("PRAGMA journal_mode = DELETE; DELETE FROM data_keys; DELETE FROM tenant_tokens; VACUUM");
}

// The live database's and not the copy's: what went since the copy was made must not come back. True: that was all.
Result<bool> SnapshotJob::send_list() {
  if (listed_ == 0) {
    SB_TRY(const auto names, target_.list(list_prefix(kind_)));
    old_lists_.insert(names.begin(), names.end());
  }
  SB_TRY(Database live, Database::open(database_, Database::Access::read_only));
  SB_TRY(auto rows, live.prepare(kind_ == SealedKind::token
                                     ? "SELECT no, subject, sealed, tenant, token FROM tenant_tokens WHERE no > ? "
                                       "ORDER BY no LIMIT ?"
                                     : "SELECT run, subject, wrapped, '', '' FROM data_keys WHERE run > ? ORDER BY "
                                       "run LIMIT ?"));
  rows.bind(1, listed_).bind(2, static_cast<std::int64_t>(kEntriesInObject));
  std::vector<ListEntry> entries;
  int result;
  while ((result = rows.step()) == SQLITE_ROW)
    entries.push_back({rows.integer(0), rows.text(1), rows.text(2), rows.text(3), rows.text(4)});
  if (result != SQLITE_DONE) return std::unexpected(live.error("cannot read keys of"));
  if (!entries.empty()) {
    const std::string name = list_name(kind_, padded(snapshot_.segment) + "s", entries);
    SB_CHECK(target_.put(name, seal_object(key_, name, encode_list(kind_, entries), system_entropy())));
    old_lists_.erase(name);
    listed_ = entries.back().no;
  }
  if (entries.size() == kEntriesInObject) return false;
  listed_ = 0;
  return std::exchange(kind_, SealedKind::token) == SealedKind::token;
}

Result<bool> SnapshotJob::send_piece() {
  std::ifstream file(path_, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(snapshot_.pieces * kPieceBytes));
  std::string piece(kPieceBytes, '\0');
  file.read(piece.data(), static_cast<std::streamsize>(kPieceBytes));
  if (file.bad() || (!file && !file.eof())) return fail(Errc::unavailable, fmt::format("cannot read {}", path_));
  piece.resize(static_cast<std::size_t>(file.gcount()));
  if (piece.empty()) return true;
  const std::string name = piece_name(snapshot_.group, snapshot_.pieces);
  SB_CHECK(target_.put(name, seal_object(key_, name, piece, system_entropy())));
  snapshot_.content = next_content(snapshot_.content, piece);
  ++snapshot_.pieces;
  return false;
}

// What older segments and snapshots are given up for must be there.
Result<bool> SnapshotJob::read_back() {
  if (checked_ == snapshot_.pieces) {
    if (read_ == snapshot_.content) return true;
    return fail(Errc::corrupt,
                fmt::format("mirror: {} does not read back as it was written", folder_of(snapshot_.group)));
  }
  const std::string name = piece_name(snapshot_.group, checked_);
  SB_TRY(const std::string sealed, target_.get(name));
  SB_TRY(const std::string piece, open_object(key_, name, sealed));
  read_ = next_content(read_, piece);
  ++checked_;
  return false;
}

Result<> SnapshotJob::send_manifest() {
  const std::string name = folder_of(snapshot_.group) + std::string(kManifest);
  const std::string manifest = to_text(json::object{{"group", snapshot_.group},
                                                    {"segment", snapshot_.segment},
                                                    {"previous", to_hex(snapshot_.previous)},
                                                    {"time_us", snapshot_.time_us},
                                                    {"pieces", snapshot_.pieces},
                                                    {"content", to_hex(snapshot_.content)}});
  return target_.put(name, seal_object(key_, name, manifest, system_entropy()));
}

Result<Snapshot> fetch_snapshot(Target& target, std::string_view key, const std::string& path) {
  SB_TRY(const auto groups, list_snapshots(target));
  if (groups.empty())
    return fail(Errc::not_found, fmt::format("there is no mirror at {}: no whole snapshot below it", target.name()));
  SB_TRY(const Snapshot snapshot, read_snapshot(target, key, groups.back()));
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  for (std::uint64_t i = 0; i < snapshot.pieces; ++i) {
    const std::string name = piece_name(snapshot.group, i);
    SB_TRY(const std::string piece, target.get(name));
    SB_TRY(const std::string plain, open_object(key, name, piece));
    file << plain;
  }
  if (!file.flush()) return fail(Errc::disk_full, fmt::format("cannot write {}", path));
  return snapshot;
}

}  // namespace sb::mirror
