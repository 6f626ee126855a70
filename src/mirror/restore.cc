#include "mirror/restore.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <span>
#include <vector>

#include "audit/tile_files.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "mirror/chain.h"
#include "mirror/key_lists.h"
#include "mirror/placement.h"
#include "mirror/rebuild.h"
#include "mirror/restored_log.h"
#include "mirror/scratch_folder.h"
#include "store/data_dir.h"

namespace sb::mirror {
namespace {

namespace fs = std::filesystem;
constexpr const char* kDatabase = store::DataDir::kDatabase;
constexpr const char* kAudit = "audit";
constexpr const char* kSeed = "audit.seed";
constexpr std::size_t kSecretBytesMax = 4096;

// Another database than the one that was lost: should that come back, the mirror is not its any more. The first one
// that starts, of all that are made from here, has it.
Result<> begin_lineage(Rebuilt& made) {
  SB_CHECK(made.database.execute("DELETE FROM mirror_lineages"));
  SB_TRY(auto insert, made.database.prepare("INSERT INTO mirror_lineages VALUES (1, randomblob(16), ?, ?)"));
  const std::string_view hash(reinterpret_cast<const char*>(made.hash.data()), made.hash.size());
  insert.bind(1, static_cast<std::int64_t>(made.newest)).bind_blob(2, hash);
  return insert.step() == SQLITE_DONE ? Result<>() : std::unexpected(made.database.error("cannot store a lineage in"));
}

// The mirror lacks what was lost: it needs a new snapshot, as of a group that it does not have.
Result<> ask_for_snapshot(const std::string& database) {
  SB_TRY(auto made, store::sqlite::Database::open(database, store::sqlite::Database::Access::read_write));
  return made.execute("UPDATE mirror_state SET groups = groups + 1, mark = x''");
}

Result<RestoreReport> report_of(Rebuilt& made) {
  RestoreReport report;
  report.snapshot_group = made.snapshot.id.group;
  report.groups = made.groups;
  report.segments = made.segments;
  report.losses = made.losses;
  const auto count = [&](const char* sql, std::uint64_t& into) -> Result<> {
    SB_TRY(const auto number, made.database.integer(sql));
    into = static_cast<std::uint64_t>(number);
    return {};
  };
  SB_CHECK(count("SELECT count(*) FROM data_keys WHERE wrapped IS NOT NULL", report.keys));
  SB_CHECK(count("SELECT count(*) FROM data_keys WHERE wrapped IS NULL", report.erased_runs));
  SB_CHECK(count("SELECT count(*) FROM runs", report.runs));
  return report;
}

Result<> write_file(const std::string& path, std::string_view bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = file >= 0 && ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
                       ::fsync(file) == 0;
  if (file >= 0) ::close(file);
  return written ? Result<>() : fail(Errc::permission_denied, fmt::format("cannot write {}", path));
}

Result<> sync_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = file >= 0 && ::fsync(file) == 0 && ::fchmod(file, 0600) == 0;
  if (file >= 0) ::close(file);
  return synced ? Result<>() : fail(Errc::disk_full, fmt::format("cannot sync {}", path));
}

Result<std::vector<ListEntry>> read_secrets(Target& target, std::string_view key) {
  const auto sealed = target.get("secrets");
  if (!sealed && sealed.error().code == Errc::not_found)
    return fail(Errc::not_found,
                fmt::format("there is no mirror at {}: no `secrets` below it; where only that was lost, put the lost "
                            "machine's keys/ into the new data directory",
                            target.name()));
  if (!sealed) return std::unexpected(sealed.error());
  SB_TRY(const std::string plain, open_object(key, "secrets", *sealed));
  SB_TRY(auto secrets, parse_list(SealedKind::data_key, plain));
  for (const ListEntry& secret : secrets) {
    if (secret.subject.empty() || secret.subject.find('/') != std::string::npos)
      return fail(Errc::corrupt, "mirror: the data directory's secrets have the wrong shape");
  }
  return secrets;
}

// The mirror's; else, where a person has put them there, the folder's own.
Result<std::vector<ListEntry>> secrets_for(Target& target, std::string_view key, const std::string& folder) {
  auto secrets = read_secrets(target, key);
  if (secrets || (secrets.error().code != Errc::not_found && secrets.error().code != Errc::corrupt)) return secrets;
  const auto data = store::DataDir::open(folder);
  if (!data) return secrets;
  return std::vector<ListEntry>{{0, kSeed, data->audit_seed(), {}, {}},
                                {0, "vault.key", data->vault_key(), {}, {}},
                                {0, "pepper", data->pepper(), {}, {}}};
}

// Nothing that is there is written over, but for what the same directory was.
Result<> refuse_what_is_there(const std::string& folder, const std::vector<ListEntry>& secrets) {
  const std::string path = folder + "/" + kDatabase;
  if (fs::exists(path) && fs::exists(folder + "/" + kRestoreFolder) && !fs::exists(folder + "/keys/" + kSeed))
    return fail(Errc::already_exists,
                fmt::format("{} has what a restore left that was cut off at its end; remove the folder and restore "
                            "again",
                            folder));
  if (fs::exists(path))
    return fail(Errc::already_exists, fmt::format("{} has a database; restore into a new data directory", folder));
  for (const char* left : {"-wal", "-shm", "-journal"}) {  // SQLite would take it for this one's
    if (fs::exists(path + left))
      return fail(Errc::already_exists,
                  fmt::format("{} has what is left of another database ({}{}); restore into a new data "
                              "directory",
                              folder, kDatabase, left));
  }
  for (const ListEntry& secret : secrets) {
    const std::string file = folder + "/keys/" + secret.subject;
    if (fs::exists(file) && audit::read_whole_file(file, kSecretBytesMax) != secret.sealed)
      return fail(Errc::already_exists,
                  fmt::format("{} is another one than the mirror's: these are the keys of another "
                              "record; restore into a new data directory",
                              file));
  }
  return {};
}

Result<> write_keys(const std::vector<ListEntry>& secrets, const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  fs::permissions(folder, fs::perms::owner_all, error);
  for (const ListEntry& secret : secrets) SB_CHECK(write_file(folder + "/" + secret.subject, secret.sealed));
  return sync_folder(folder);
}

Result<std::string> log_key(const std::vector<ListEntry>& secrets) {
  const auto seed = std::ranges::find(secrets, std::string(kSeed), &ListEntry::subject);
  if (seed == secrets.end()) return fail(Errc::corrupt, fmt::format("mirror: `secrets` has no {}", kSeed));
  SB_TRY(const SigningKey signing, SigningKey::from_seed(seed->sealed));
  return signing.public_key();
}

// Of the mirror's published log; empty: it is not there.
Result<std::string> read_note(Target& target, const char* name) {
  auto note = target.get(fmt::format("audit/{}", name));
  if (!note && note.error().code == Errc::not_found) return std::string();
  return note;
}

// All time stamps that the mirror has.
Result<std::vector<Object>> read_stamps(Target& target) {
  constexpr std::string_view kLog = "audit/";
  constexpr std::size_t kAtOnce = 64;
  SB_TRY(const auto names, target.list("audit/timestamp/"));
  std::vector<Object> stamps;
  for (std::span<const std::string> rest = names; !rest.empty();) {
    const auto some = rest.first(std::min(rest.size(), kAtOnce));
    SB_TRY(auto bytes, target.get_all(some));
    for (std::size_t i = 0; i < some.size(); ++i) stamps.push_back({some[i].substr(kLog.size()), std::move(bytes[i])});
    rest = rest.subspan(some.size());
  }
  return stamps;
}

Error refused(const Target& target, const std::vector<std::string>& losses) {
  const std::string more = losses.size() > 1 ? fmt::format("; and {} more", losses.size() - 1) : "";
  return {Errc::corrupt,
          fmt::format("the mirror {} is damaged. Lost: {}{}. With --accept-loss what is left is restored",
                      target.name(), losses.front(), more)};
}

// In an order in which whoever is killed leaves nothing that a server would begin another history on: a database
// without keys is refused.
Result<> put_in_place(const std::vector<ListEntry>& secrets, const ScratchFolder& scratch, const std::string& folder) {
  Placement placement(scratch.path(), folder);
  SB_CHECK(placement.put(kDatabase));
  SB_CHECK(placement.put(kAudit));
  std::error_code ignored;
  if (!fs::exists(folder + "/keys") || fs::is_empty(folder + "/keys", ignored)) {
    SB_CHECK(placement.put("keys"));
  } else {
    for (const ListEntry& secret : secrets) SB_CHECK(placement.put("keys/" + secret.subject));
  }
  placement.keep();
  return {};
}

}  // namespace

Result<RestoreReport> restore(Target& target, std::string_view key, const std::string& folder,
                              const RestoreOptions& options) {
  const auto begin = system_clock().steady();
  SB_TRY(const auto secrets, secrets_for(target, key, folder));
  SB_CHECK(refuse_what_is_there(folder, secrets));
  SB_TRY(ClaimedFolder claimed, ClaimedFolder::claim(folder));
  SB_TRY(const ScratchFolder scratch, ScratchFolder::create(folder + "/" + kRestoreFolder));
  SB_CHECK(write_keys(secrets, scratch.file("keys")));
  LogKnowledge known;
  known.database = scratch.file(kDatabase);
  known.folder = folder + "/" + kAudit;
  SB_TRY(known.public_key, log_key(secrets));
  // What the chain says, then the tree heads that others have seen, then the leaves: a server at work goes on to newer
  // ones.
  SB_TRY(const auto end, read_chain_end(target, key));
  if (end) known.published = end->segment.published;
  SB_TRY(known.checkpoint, read_note(target, audit::TileFiles::kCheckpoint));
  SB_TRY(known.witnessed, read_note(target, audit::TileFiles::kWitnessed));
  SB_TRY(known.stamps, read_stamps(target));
  RestoreReport report;
  {
    SB_TRY(Rebuilt made, rebuild(target, key, known.database, UINT64_MAX, KeysGo::into_the_file));
    SB_CHECK(begin_lineage(made));
    SB_TRY(report, report_of(made));
  }
  SB_TRY(const RestoredLog log, restore_log(known, scratch.file(kAudit)));
  report.leaves = log.leaves;
  report.signed_leaves = log.signed_leaves;
  report.losses.insert(report.losses.end(), log.losses.begin(), log.losses.end());
  if (!report.losses.empty() && !options.accept_loss) return std::unexpected(refused(target, report.losses));
  if (!report.losses.empty()) SB_CHECK(ask_for_snapshot(known.database));
  SB_CHECK(sync_file(known.database));
  SB_CHECK(refuse_what_is_there(folder, secrets));  // a server that was started meanwhile has made keys of its own
  SB_CHECK(put_in_place(secrets, scratch, folder));
  claimed.keep();
  report.elapsed_us = std::chrono::duration_cast<std::chrono::microseconds>(system_clock().steady() - begin).count();
  return report;
}

}  // namespace sb::mirror
