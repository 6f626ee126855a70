#include "mirror/snapshot.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/json.h"
#include "store/sqlite/sql.h"

namespace sb::mirror {
namespace {

using store::sqlite::Database;

constexpr std::size_t kPieceBytes = 8 << 20;
constexpr std::size_t kEntriesInObject = 10'000;
constexpr std::string_view kManifest = "/manifest";
constexpr int kStopCheckOps = 100'000;  // of SQLite's virtual machine: some milliseconds

std::string folder_of(const SnapshotId& id) {
  return fmt::format("snapshots/{}-{}", padded(id.group), id.tag);
}
std::string piece_name(const SnapshotId& id, std::uint64_t piece) {
  return fmt::format("{}/{}", folder_of(id), piece);
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

// [[kind, first, last], ...]
json::array lists_member(const std::vector<ListSpan>& lists) {
  json::array array;
  for (const ListSpan& list : lists)
    array.push_back(json::array{static_cast<std::int64_t>(list.kind), list.first, list.last});
  return array;
}
Result<std::vector<ListSpan>> lists_of(const json::value& manifest) {
  std::vector<ListSpan> lists;
  const json::value* const member = find_member(manifest, "lists");
  bool well_formed = member && member->is_array();
  for (std::size_t i = 0; well_formed && i < member->get_array().size(); ++i) {
    const json::value& list = member->get_array()[i];
    well_formed = list.is_array() && list.get_array().size() == 3 &&
                  std::ranges::all_of(list.get_array(), [](const json::value& v) { return v.is_int64(); });
    if (well_formed)
      lists.push_back({static_cast<SealedKind>(list.get_array()[0].get_int64()), list.get_array()[1].get_int64(),
                       list.get_array()[2].get_int64()});
  }
  if (!well_formed) return fail(Errc::corrupt, "mirror: a snapshot's manifest has the wrong shape");
  return lists;
}

int stop_asked(void* stop) {
  return static_cast<const std::atomic<bool>*>(stop)->load() ? 1 : 0;
}

}  // namespace

void drop_copy(const std::string& path) {
  for (const char* suffix : {"", "-journal", "-wal", "-shm"}) ::unlink((path + suffix).c_str());
}

std::optional<SnapshotId> snapshot_of(std::string_view object) {
  const auto end = object.rfind('/');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view folder = object.substr(0, end);
  const std::string_view name = folder.substr(folder.rfind('/') + 1);
  const auto dash = name.find('-');
  const auto group = number_of(name.substr(0, dash));
  if (!group || dash == std::string_view::npos) return std::nullopt;
  return SnapshotId{*group, std::string(name.substr(dash + 1))};
}

Result<std::vector<SnapshotId>> list_snapshots(Target& target) {
  SB_TRY(const auto names, target.list("snapshots/"));
  std::vector<SnapshotId> found;
  for (const std::string& name : names) {
    auto id = name.ends_with(kManifest) ? snapshot_of(name) : std::nullopt;
    if (id) found.push_back(*std::move(id));
  }
  return found;
}

Result<Snapshot> parse_manifest(const SnapshotId& id, std::string_view text) {
  SB_TRY(const json::value manifest, parse_json(text));
  SB_TRY(auto lists, lists_of(manifest));
  return Snapshot{id,
                  static_cast<std::uint64_t>(int_member(manifest, "segment")),
                  digest_member(manifest, "previous"),
                  int_member(manifest, "time_us"),
                  static_cast<std::uint64_t>(int_member(manifest, "pieces")),
                  digest_member(manifest, "content"),
                  std::move(lists),
                  static_cast<std::uint64_t>(int_member(manifest, "keyless"))};
}

Result<Snapshot> read_snapshot(Target& target, std::string_view key, const SnapshotId& id) {
  const std::string name = folder_of(id) + std::string(kManifest);
  SB_TRY(const std::string sealed, target.get(name));
  SB_TRY(const std::string text, open_object(key, name, sealed));
  return parse_manifest(id, text);
}

SnapshotJob::SnapshotJob(Target& target, std::string key, std::string database, std::string tag, std::uint64_t newest,
                         const Digest& hash)
    : target_(target), key_(std::move(key)), database_(std::move(database)), path_(database_ + ".snapshot") {
  snapshot_.id.tag = std::move(tag);
  snapshot_.segment = newest;
  snapshot_.previous = hash;
  snapshot_.time_us = system_clock().now_us();
}

SnapshotJob::~SnapshotJob() {
  stop_ = true;
  if (working_.valid()) working_.wait();
  drop_copy(path_);
}

Result<bool> SnapshotJob::step(std::chrono::milliseconds patience) {
  Result<bool> done = true;
  switch (phase_) {
    case Phase::copy:
      done = in_thread(&SnapshotJob::copy, patience);
      break;
    case Phase::lists:
      done = send_list();
      break;
    case Phase::strip:
      done = in_thread(&SnapshotJob::strip, patience);
      break;
    case Phase::pieces:
      done = send_piece();
      break;
    case Phase::read_back:
      done = read_back();
      break;
    case Phase::manifest:
      SB_CHECK(send_manifest());
      break;
    case Phase::done:
      return true;
  }
  if (done && *done) phase_ = static_cast<Phase>(static_cast<int>(phase_) + 1);
  return done ? Result<bool>(phase_ == Phase::done) : done;
}

void SnapshotJob::erased(SealedKind kind, const std::set<std::int64_t>& numbers) {
  (kind == SealedKind::token ? erased_tokens_ : erased_keys_).insert(numbers.begin(), numbers.end());
}

Result<bool> SnapshotJob::in_thread(Result<> (SnapshotJob::*work)(), std::chrono::milliseconds patience) {
  if (!working_.valid()) working_ = std::async(std::launch::async, [this, work] { return (this->*work)(); });
  if (working_.wait_for(patience) != std::future_status::ready) return false;
  SB_CHECK(working_.get());
  return true;
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
  SB_TRY(const auto groups, copied.integer("SELECT groups FROM mirror_state"));
  snapshot_.id.group = static_cast<std::uint64_t>(groups);
  return {};
}

Result<> SnapshotJob::strip() {
  SB_TRY(Database copied, Database::open(path_, Database::Access::read_write));
  sqlite3_progress_handler(copied.handle(), kStopCheckOps, stop_asked, &stop_);
  SB_TRY(const auto keyless, copied.integer(kKeylessRuns));
  snapshot_.keyless = static_cast<std::uint64_t>(keyless);
  return copied.execute("PRAGMA journal_mode = DELETE; DELETE FROM data_keys; DELETE FROM tenant_tokens; VACUUM");
}

// The copy's and not the live database's: what came since is sealed by keys that the snapshot may not know. True: that
// was all.
Result<bool> SnapshotJob::send_list() {
  SB_TRY(Database copied, Database::open(path_, Database::Access::read_only));
  SB_TRY(auto rows, copied.prepare(kind_ == SealedKind::token
                                       ? "SELECT no, subject, sealed, tenant, token FROM tenant_tokens WHERE no > ? "
                                         "ORDER BY no LIMIT ?"
                                       : "SELECT run, subject, wrapped, '', '' FROM data_keys WHERE run > ? ORDER BY "
                                         "run LIMIT ?"));
  rows.bind(1, listed_).bind(2, static_cast<std::int64_t>(kEntriesInObject));
  std::vector<ListEntry> entries;
  int result;
  while ((result = rows.step()) == SQLITE_ROW)
    entries.push_back({rows.integer(0), rows.text(1), rows.text(2), rows.text(3), rows.text(4)});
  if (result != SQLITE_DONE) return std::unexpected(copied.error("cannot read keys of"));
  const bool more = entries.size() == kEntriesInObject;
  if (!entries.empty()) {
    const ListName list{false, snapshot_.id.group, snapshot_.id.tag, entries.front().no, entries.back().no};
    take_out(kind_, entries, kind_ == SealedKind::token ? erased_tokens_ : erased_keys_);
    const std::string name = text_of(kind_, list);
    SB_CHECK(target_.put(name, seal_object(key_, name, encode_list(kind_, entries), system_entropy())));
    snapshot_.lists.push_back({kind_, list.first, list.last});
    listed_ = list.last;
  }
  if (more) return false;
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
  const std::string name = piece_name(snapshot_.id, snapshot_.pieces);
  SB_CHECK(target_.put(name, seal_object(key_, name, piece, system_entropy())));
  snapshot_.content = next_content(snapshot_.content, piece);
  ++snapshot_.pieces;
  return false;
}

// What older segments and snapshots are given up for must be there.
Result<bool> SnapshotJob::read_back() {
  if (checked_ == snapshot_.pieces) {
    if (read_ == snapshot_.content) return true;
    return fail(Errc::corrupt, fmt::format("mirror: {} does not read back as it was written", folder_of(snapshot_.id)));
  }
  const std::string name = piece_name(snapshot_.id, checked_);
  SB_TRY(const std::string sealed, target_.get(name));
  SB_TRY(const std::string piece, open_object(key_, name, sealed));
  read_ = next_content(read_, piece);
  ++checked_;
  return false;
}

Result<> SnapshotJob::send_manifest() {
  const std::string name = folder_of(snapshot_.id) + std::string(kManifest);
  const std::string manifest = to_text(json::object{{"group", snapshot_.id.group},
                                                    {"segment", snapshot_.segment},
                                                    {"previous", to_hex(snapshot_.previous)},
                                                    {"time_us", snapshot_.time_us},
                                                    {"pieces", snapshot_.pieces},
                                                    {"content", to_hex(snapshot_.content)},
                                                    {"lists", lists_member(snapshot_.lists)},
                                                    {"keyless", snapshot_.keyless}});
  return target_.put(name, seal_object(key_, name, manifest, system_entropy()));
}

Result<Snapshot> fetch_snapshot(Target& target, std::string_view key, const SnapshotId& id, const std::string& path) {
  SB_TRY(Snapshot snapshot, read_snapshot(target, key, id));
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  Digest content{};
  for (std::uint64_t i = 0; i < snapshot.pieces; ++i) {
    const std::string name = piece_name(id, i);
    SB_TRY(const std::string sealed, target.get(name));
    SB_TRY(const std::string piece, open_object(key, name, sealed));
    content = next_content(content, piece);
    file << piece;
  }
  if (!file.flush()) return fail(Errc::disk_full, fmt::format("cannot write {}", path));
  if (content != snapshot.content)
    return fail(Errc::corrupt, fmt::format("mirror: {} is not what its manifest says", folder_of(id)));
  return snapshot;
}

}  // namespace sb::mirror
