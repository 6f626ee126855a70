/// Records what a connection changes, by SQLite's session extension.
#pragma once

#include <memory>
#include <string>

#include "store/sqlite/sql.h"

struct sqlite3_session;

namespace sb::store::sqlite {

class GroupRecorder {
 public:
  /// Borrows the connection. Errors: internal.
  static Result<GroupRecorder> begin(Database& database);
  /// What was changed since the last call, as a patchset, and begins anew. Errors: internal.
  Result<std::string> take();

 private:
  explicit GroupRecorder(Database& database) : database_(&database) {}
  Result<> start();
  struct Delete {
    void operator()(sqlite3_session* session) const;
  };
  Database* database_;
  std::unique_ptr<sqlite3_session, Delete> session_;
};

/// Does to the database what the patchset says. Errors: corrupt (it does not fit), as Database::error.
Result<> apply_patchset(Database& database, std::string_view patchset);

}  // namespace sb::store::sqlite
