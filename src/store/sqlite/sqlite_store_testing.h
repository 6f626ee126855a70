/// A SQLite store in a folder of its own, for the tests of what this engine does beyond the contract of every store.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "store/sqlite/sqlite_store.h"
#include "store/testing.h"

namespace sb::store::testing {

class SqliteStore : public ::testing::Test {
 protected:
  std::unique_ptr<Store> open(const std::function<void(SqliteOptions&)>& change = {}) {
    SqliteOptions options;
    options.path = folder_.file("test.db");
    if (change) change(options);
    auto opened = open_sqlite_store(std::move(options), log_);
    EXPECT_TRUE(opened) << opened.error().detail;
    return opened ? *std::move(opened) : nullptr;
  }
  Errc open_error() {
    SqliteOptions options;
    options.path = folder_.file("test.db");
    auto opened = open_sqlite_store(std::move(options), log_);
    if (opened) return Errc{0};
    detail_ = opened.error().detail;
    return opened.error().code;
  }
  void sql(const char* text) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(folder_.file("test.db").c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, text, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
  }
  static Commit async_chat(RunId id) {
    Commit commit = chat_commit(id);
    commit.durability = Durability::async;
    return commit;
  }

  TemporaryFolder folder_;
  PlainLog log_;
  std::string detail_;
};

/// No file of this process grows beyond `bytes`: as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

/// Counts what comes of it.
inline Task<> send(Store& store, Commit commit, std::map<Errc, int>& outcomes) {
  const auto done = co_await store.commit(std::move(commit));
  ++outcomes[done ? Errc{0} : done.error().code];
}

}  // namespace sb::store::testing
