#include "mirror/snapshot.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <fstream>

#include "base/json.h"
#include "mirror/segment.h"
#include "store/sqlite/sql.h"

namespace sb::mirror {
namespace {

using store::sqlite::Database;

constexpr std::size_t kPieceBytes = 8 << 20;
constexpr std::size_t kKeysInObject = 10'000;
constexpr std::string_view kManifest = "/manifest";

std::string folder_of(std::uint64_t group) {
  return "snapshots/" + padded(group);
}

Result<> send_keys(Target& target, std::string_view key, Database& copy, std::uint64_t group) {
  SB_TRY(auto rows, copy.prepare("SELECT run, subject, wrapped FROM data_keys WHERE wrapped IS NOT NULL ORDER BY run"));
  std::vector<RunKey> keys;
  const auto flush = [&]() -> Result<> {
    if (keys.empty()) return {};
    const std::string name = keys_name("s" + padded(group), keys);
    SB_CHECK(target.put(name, seal_object(key, name, encode_keys(keys), system_entropy())));
    keys.clear();
    return {};
  };
  while (rows.step() == SQLITE_ROW) {
    keys.push_back({rows.integer(0), rows.text(1), rows.text(2)});
    if (keys.size() == kKeysInObject) SB_CHECK(flush());
  }
  return flush();
}

Result<std::uint64_t> send_pieces(Target& target, std::string_view key, const std::string& path, std::uint64_t group) {
  std::ifstream file(path, std::ios::binary);
  std::string piece(kPieceBytes, '\0');
  std::uint64_t pieces = 0;
  for (;; ++pieces) {
    file.read(piece.data(), static_cast<std::streamsize>(kPieceBytes));
    const auto size = static_cast<std::size_t>(file.gcount());
    if (size == 0) break;
    const std::string name = fmt::format("{}/{}", folder_of(group), pieces);
    SB_CHECK(target.put(name, seal_object(key, name, std::string_view(piece).substr(0, size), system_entropy())));
  }
  if (!file.eof()) return fail(Errc::unavailable, fmt::format("cannot read {}", path));
  return pieces;
}

}  // namespace

Result<std::uint64_t> newest_snapshot(Target& target) {
  SB_TRY(const auto names, target.list("snapshots/"));
  std::uint64_t newest = 0;
  for (const std::string& name : names) {
    if (!name.ends_with(kManifest)) continue;
    const auto group = number_at_end(std::string_view(name).substr(0, name.size() - kManifest.size()));
    if (group) newest = std::max(newest, *group);
  }
  return newest;
}

Result<std::uint64_t> send_snapshot(Target& target, std::string_view key, const std::string& database) {
  const std::string path = database + ".snapshot";
  ::unlink(path.c_str());
  {
    SB_TRY(Database live, Database::open(database, Database::Access::read_only));
    std::string quoted;
    for (const char c : path) quoted += c == '\'' ? "''" : std::string(1, c);
    SB_CHECK(live.execute(fmt::format("VACUUM INTO '{}'", quoted).c_str()));
  }
  std::uint64_t group = 0;
  {
    SB_TRY(Database copy, Database::open(path, Database::Access::read_write));
    SB_TRY(const auto groups, copy.integer("SELECT groups FROM mirror_state"));
    group = static_cast<std::uint64_t>(groups);
    SB_CHECK(send_keys(target, key, copy, group));
    SB_CHECK(copy.execute("PRAGMA journal_mode = DELETE; DELETE FROM data_keys; VACUUM"));
  }
  const auto pieces = send_pieces(target, key, path, group);
  ::unlink(path.c_str());
  if (!pieces) return std::unexpected(pieces.error());
  const std::string name = folder_of(group) + std::string(kManifest);
  const std::string manifest = to_text(json::object{{"group", group}, {"pieces", *pieces}});
  SB_CHECK(target.put(name, seal_object(key, name, manifest, system_entropy())));
  return group;
}

Result<std::uint64_t> fetch_snapshot(Target& target, std::string_view key, const std::string& path) {
  SB_TRY(const std::uint64_t group, newest_snapshot(target));
  const std::string name = folder_of(group) + std::string(kManifest);
  SB_TRY(const std::string sealed, target.get(name));
  SB_TRY(const std::string text, open_object(key, name, sealed));
  SB_TRY(const json::value manifest, parse_json(text));
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  for (std::int64_t i = 0; i < int_member(manifest, "pieces"); ++i) {
    const std::string piece_name = fmt::format("{}/{}", folder_of(group), i);
    SB_TRY(const std::string piece, target.get(piece_name));
    SB_TRY(const std::string plain, open_object(key, piece_name, piece));
    file << plain;
  }
  if (!file.flush()) return fail(Errc::disk_full, fmt::format("cannot write {}", path));
  return group;
}

}  // namespace sb::mirror
