#include "store/sqlite/sql.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <limits>

namespace sb::store::sqlite {
namespace {

// Another process may hold the write lock (a shell, a backup tool); ours never do among themselves.
constexpr int kBusyTimeoutMs = 5000;

Errc code_of(int result) {
  switch (result & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
      return Errc::disk_full;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Errc::corrupt;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Errc::unavailable;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
      return Errc::permission_denied;
    case SQLITE_TOOBIG:
      return Errc::too_large;
    default:
      return Errc::internal;
  }
}

std::string_view advice(Errc code) {
  switch (code) {
    case Errc::disk_full:
      return "; free space on this disk or check it, work goes on by itself";
    case Errc::corrupt:
      return "; restore the file from a backup or mirror";
    case Errc::unavailable:
      return "; another program holds the database, close it";
    case Errc::permission_denied:
      return "; the server's user must own file and folder";
    default:
      return "";
  }
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}
void Database::Close::operator()(sqlite3* database) const {
  sqlite3_close_v2(database);
}

Statement& Statement::bind(int index, std::int64_t value) {
  SB_ASSERT(sqlite3_bind_int64(statement_.get(), index, value) == SQLITE_OK);
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  const char* const data = text.data() ? text.data() : "";
  SB_ASSERT(sqlite3_bind_text64(statement_.get(), index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK);
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  const char* const data = bytes.data() ? bytes.data() : "";
  SB_ASSERT(sqlite3_bind_blob64(statement_.get(), index, data, bytes.size(), SQLITE_STATIC) == SQLITE_OK);
  return *this;
}

Statement& Statement::bind_null(int index) {
  SB_ASSERT(sqlite3_bind_null(statement_.get(), index) == SQLITE_OK);
  return *this;
}

int Statement::step() {
  return sqlite3_step(statement_.get());
}
void Statement::reset() {
  sqlite3_reset(statement_.get());
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string_view Statement::bytes(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  return data ? std::string_view(data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column)))
              : std::string_view();
}

int Statement::type(int column) const {
  return sqlite3_column_type(statement_.get(), column);
}

bool Statement::is_blob(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_BLOB;
}
int Statement::columns() const {
  return sqlite3_column_count(statement_.get());
}

Result<Database> Database::open(const std::string& path, Access access) {
  Database database;
  database.path_ = path;
  const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (access == Access::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  sqlite3* handle = nullptr;
  const int result = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  database.handle_.reset(handle);
  if (result != SQLITE_OK) return std::unexpected(database.error("cannot open the database"));
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  return database;
}

Result<> Database::execute(const char* sql) {
  if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return std::unexpected(error("database"));
  }
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  Statement statement;
  sqlite3_stmt* raw = nullptr;
  SB_ASSERT(sql.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
  const int result = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  statement.statement_.reset(raw);
  if (result != SQLITE_OK) return std::unexpected(error("database schema"));
  return statement;
}

Result<std::int64_t> Database::integer(std::string_view sql) {
  SB_TRY(Statement statement, prepare(sql));
  const int result = statement.step();
  if (result == SQLITE_ROW) return statement.integer(0);
  if (result == SQLITE_DONE) return fail(Errc::not_found, "no such row");
  return std::unexpected(error("database"));
}

bool Database::in_transaction() const {
  return sqlite3_get_autocommit(handle_.get()) == 0;
}
std::int64_t Database::changes() const {
  return sqlite3_changes64(handle_.get());
}

Error Database::error(std::string_view what) const {
  const int result = handle_ ? sqlite3_extended_errcode(handle_.get()) : SQLITE_NOMEM;
  const Errc code = code_of(result);
  return Error(code, fmt::format("{} {}: {} (SQLite {}){}", what, path_, sqlite3_errstr(result), result, advice(code)));
}

}  // namespace sb::store::sqlite
