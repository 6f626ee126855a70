#include "store/sqlite/group_recorder.h"

// The header declares the extension only where it is asked for; Debian's library has it.
#define SQLITE_ENABLE_SESSION
#define SQLITE_ENABLE_PREUPDATE_HOOK
#include <fmt/format.h>
#include <sqlite3.h>

namespace sb::store::sqlite {
namespace {

// Data keys and placeholders travel apart: they must be able to go.
constexpr const char* kTables[] = {"journal",      "runs",     "states",    "timers", "listeners",
                                   "reviews",      "spending", "documents", "leaves", "tree_heads",
                                   "mirror_state", "outbox",   "notes",     "labels"};

std::unexpected<Error> failed(const char* what) {
  return fail(Errc::internal, std::string("cannot ") + what + " the changes of a group of commits");
}

}  // namespace

void GroupRecorder::Delete::operator()(sqlite3_session* session) const {
  sqlite3session_delete(session);
}

Result<GroupRecorder> GroupRecorder::begin(Database& database) {
  GroupRecorder recorder(database);
  SB_CHECK(recorder.start());
  return recorder;
}

Result<> GroupRecorder::start() {
  session_.reset();
  sqlite3_session* session = nullptr;
  if (sqlite3session_create(database_->handle(), "main", &session) != SQLITE_OK) return failed("record");
  session_.reset(session);
  for (const char* table : kTables) {
    if (sqlite3session_attach(session, table) != SQLITE_OK) return failed("record");
  }
  return {};
}

Result<std::string> GroupRecorder::take() {
  int size = 0;
  void* bytes = nullptr;
  if (sqlite3session_patchset(session_.get(), &size, &bytes) != SQLITE_OK) return failed("read");
  std::string patchset(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
  sqlite3_free(bytes);
  SB_CHECK(start());
  return patchset;
}

Result<> apply_patchset(Database& database, std::string_view patchset) {
  if (patchset.empty()) return {};
  std::string where;
  const auto on_conflict = [](void* told, int kind, sqlite3_changeset_iter* change) {
    const char* table = nullptr;
    int columns = 0, operation = 0, indirect = 0;
    sqlite3changeset_op(change, &table, &columns, &operation, &indirect);
    *static_cast<std::string*>(told) =
        fmt::format("table {}, operation {}, conflict {}", table ? table : "?", operation, kind);
    return SQLITE_CHANGESET_ABORT;
  };
  std::string bytes(patchset);
  const int result = sqlite3changeset_apply(database.handle(), static_cast<int>(bytes.size()), bytes.data(), nullptr,
                                            on_conflict, &where);
  if (result == SQLITE_OK) return {};
  if (result == SQLITE_ABORT)
    return fail(Errc::corrupt, fmt::format("a group of commits does not fit the database before it ({})", where));
  return std::unexpected(database.error("cannot apply a group of commits to"));
}

}  // namespace sb::store::sqlite
