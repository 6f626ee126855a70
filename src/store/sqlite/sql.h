/// SQLite's C interface with owners and errors as values. One connection belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/errors.h"

struct sqlite3;
struct sqlite3_stmt;

namespace sb::store::sqlite {

/// A prepared statement. Bound text and blobs are borrowed until reset().
class Statement {
 public:
  Statement() = default;

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view text);
  Statement& bind_blob(int index, std::string_view bytes);
  Statement& bind_null(int index);

  /// The SQLite result code of one step: SQLITE_ROW, SQLITE_DONE, or an error (see Database::error).
  int step();
  void reset();

  /// Columns of the current row; views end with the next step or reset.
  std::int64_t integer(int column) const;
  std::string_view bytes(int column) const;  ///< text or blob; empty where NULL
  std::string text(int column) const { return std::string(bytes(column)); }
  bool is_blob(int column) const;
  int type(int column) const;  ///< as SQLite numbers them
  int columns() const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// Resets a statement when the scope ends, so that it holds no read transaction and no borrowed bytes.
class ResetAtEnd {
 public:
  explicit ResetAtEnd(Statement& statement) : statement_(statement) {}
  ~ResetAtEnd() { statement_.reset(); }
  ResetAtEnd(const ResetAtEnd&) = delete;
  ResetAtEnd& operator=(const ResetAtEnd&) = delete;

 private:
  Statement& statement_;
};

class Database {
 public:
  enum class Access { read_only, read_write };

  /// Errors: not_found (read_only and no such file), permission_denied, corrupt.
  static Result<Database> open(const std::string& path, Access access);

  /// One or more statements without results. Errors: as error().
  Result<> execute(const char* sql);
  /// Errors: internal (the statement does not fit the schema), corrupt.
  Result<Statement> prepare(std::string_view sql);
  /// The first column of the first row. Errors: not_found (no row).
  Result<std::int64_t> integer(std::string_view sql);

  bool in_transaction() const;
  std::int64_t changes() const;
  sqlite3* handle() const { return handle_.get(); }

  /// What a failed call means: disk_full (no room, or the disk fails), corrupt, unavailable (locked by another
  /// process), permission_denied, internal. `what` begins the sentence.
  Error error(std::string_view what) const;

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  std::unique_ptr<sqlite3, Close> handle_;
  std::string path_;
};

}  // namespace sb::store::sqlite
