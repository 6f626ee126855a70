#include "store/sqlite/schema.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include "store/sqlite/codec.h"

namespace sb::store::sqlite {
namespace {

constexpr std::int64_t kApplicationId = 0x5342'4f58;  // "SBOX", in the file's header: file(1) and we know it by that

std::int64_t current_version() {
  return static_cast<std::int64_t>(migrations().size());
}

Result<std::int64_t> version_of(Database& database, const std::string& path) {
  SB_TRY(const auto application, database.integer("PRAGMA application_id"));
  SB_TRY(const auto version, database.integer("PRAGMA user_version"));
  SB_TRY(const auto objects, database.integer("SELECT count(*) FROM sqlite_schema"));
  if (application != kApplicationId && objects > 0) {
    return fail(Errc::corrupt, fmt::format("{} is a database of another program; choose another data directory", path));
  }
  if (version > current_version()) {
    return fail(Errc::unsupported,
                fmt::format("{} has schema version {}, this program knows up to {}; start a newer one", path, version,
                            current_version()));
  }
  return version;
}

// What codec.h says, for migrations. A damaged body stays as it is: reading it says so.
void without_payloads_in_sql(sqlite3_context* context, int, sqlite3_value** values) {
  const std::string_view column(static_cast<const char*>(sqlite3_value_blob(values[0])),
                                static_cast<std::size_t>(sqlite3_value_bytes(values[0])));
  const std::string kept = without_payloads(column).value_or(std::string(column));
  sqlite3_result_blob64(context, kept.data(), kept.size(), SQLITE_TRANSIENT);
}

/// What a migration's statement seals documents with, and why that failed.
struct Sealing {
  const std::string& path;
  const SealDocument& seal;
  Result<> failed;
};

Result<std::string> sealed_column(const Sealing& sealing, std::string_view name, std::string_view column) {
  if (!sealing.seal) {
    return fail(Errc::unsupported,
                fmt::format("{} keeps documents in clear, as earlier versions did; start the server once to have them "
                            "sealed",
                            sealing.path));
  }
  std::string buffer;
  SB_TRY(const std::string_view text, unpack(column, buffer));
  SB_TRY(const std::string sealed, sealing.seal(name, text));
  return pack_column(sealed);
}

void sealed_document_in_sql(sqlite3_context* context, int, sqlite3_value** values) {
  const auto bytes_of = [](sqlite3_value* value) {
    const auto* bytes = static_cast<const char*>(sqlite3_value_blob(value));
    return std::string_view(bytes, static_cast<std::size_t>(sqlite3_value_bytes(value)));
  };
  auto& sealing = *static_cast<Sealing*>(sqlite3_user_data(context));
  const auto sealed = sealed_column(sealing, bytes_of(values[0]), bytes_of(values[1]));
  if (sealed) return sqlite3_result_blob64(context, sealed->data(), sealed->size(), SQLITE_TRANSIENT);
  sealing.failed = std::unexpected(sealed.error());
  sqlite3_result_error(context, "a document cannot be sealed", -1);
}

Result<> migrate_to(Database& database, std::int64_t version, Sealing& sealing) {
  SB_CHECK(database.execute("BEGIN IMMEDIATE"));
  const auto done = database.execute(migrations()[static_cast<std::size_t>(version - 1)]);
  SB_CHECK(sealing.failed);
  SB_CHECK(done);
  SB_CHECK(database.execute(
      fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, version).c_str()));
  return database.execute("COMMIT");
}

// Pages that become free are overwritten: what a migration changes for its content's sake leaves no copy.
Result<> migrate(Database& database, std::int64_t version, Sealing sealing) {
  if (version == current_version()) return {};
  sqlite3* const handle = database.handle();
  sqlite3_create_function_v2(handle, "without_payloads", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr,
                             without_payloads_in_sql, nullptr, nullptr, nullptr);
  sqlite3_create_function_v2(handle, "sealed_document", 2, SQLITE_UTF8, &sealing, sealed_document_in_sql, nullptr,
                             nullptr, nullptr);
  SB_CHECK(database.execute("PRAGMA secure_delete = ON"));
  while (version < current_version()) SB_CHECK(migrate_to(database, ++version, sealing));
  sqlite3_create_function_v2(handle, "sealed_document", 2, SQLITE_UTF8, nullptr, nullptr, nullptr, nullptr, nullptr);
  return database.execute("PRAGMA secure_delete = FAST");
}

}  // namespace

Result<Database> open_for_writing(const std::string& path, std::size_t cache_kib, const SealDocument& seal) {
  SB_TRY(Database database, Database::open(path, Database::Access::read_write));
  // page_size counts only before the file exists. The log file keeps its size when it starts over (journal_size_limit):
  // overwriting allocated blocks makes fdatasync cheaper than extending the file.
  SB_CHECK(
      database.execute("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                       "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864;"
                       "PRAGMA secure_delete = FAST; PRAGMA temp_store = MEMORY"));
  SB_CHECK(database.execute(fmt::format("PRAGMA cache_size = -{}", cache_kib).c_str()));
  SB_TRY(const auto version, version_of(database, path));
  SB_CHECK(migrate(database, version, {path, seal, {}}));
  return database;
}

Result<Database> open_for_reading(const std::string& path, std::size_t cache_kib) {
  if (::access(path.c_str(), F_OK) != 0) return fail(Errc::not_found, fmt::format("no database at {}", path));
  SB_TRY(Database database, Database::open(path, Database::Access::read_only));
  SB_CHECK(database.execute(fmt::format("PRAGMA cache_size = -{}", cache_kib).c_str()));
  SB_TRY(const auto version, version_of(database, path));
  if (version == 0) return fail(Errc::corrupt, fmt::format("{} is empty: there is nothing to read", path));
  if (version != current_version()) {
    return fail(Errc::unsupported,
                fmt::format("{} has schema version {}, this program reads {}; start the server once to "
                            "bring it up to date",
                            path, version, current_version()));
  }
  return database;
}

}  // namespace sb::store::sqlite
