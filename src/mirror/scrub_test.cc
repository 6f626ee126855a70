// A log that cannot be emptied after an erasure, on a disk that fails by plan.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "store/sqlite/sqlite_store.h"
#include "store/testing.h"
#include "testing/fault_disk.h"

namespace sb::mirror {
namespace {

using store::testing::wait_for;

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Scrub, ThatFindsNoRoomIsOwedAndMadeUpFor) {
  const store::testing::TemporaryFolder folder;
  sb::testing::FaultDisk disk(folder.path(), 1);
  store::testing::PlainLog log;
  store::SqliteOptions options;
  options.path = folder.file("test.db");
  options.scrub_again = std::chrono::milliseconds(5);
  const auto store = *store::open_sqlite_store(std::move(options), log);
  store::Commit made = store::testing::chat_commit(store::testing::new_run_id());
  const RunId id = made.create->id;
  const std::string canary = "canary-7f3a9c of a wrapped key";
  made.create->data_key = canary;
  ASSERT_TRUE(wait_for(store->commit(std::move(made))));
  store::Commit erasure;
  erasure.erase = {id};
  ASSERT_TRUE(wait_for(store->commit(std::move(erasure))));
  const std::string wal = folder.file("test.db-wal");
  ASSERT_NE(bytes_of(wal).find(canary), std::string::npos) << "there is something to scrub";

  disk.fill_after(0, 60);
  EXPECT_EQ(wait_for(store->scrub()).error().code, Errc::disk_full);
  EXPECT_EQ(store->stats().scrub_owed, 1U);
  EXPECT_NE(bytes_of(wal).find(canary), std::string::npos);
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (store->stats().scrub_owed != 0 && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
  EXPECT_EQ(store->stats().scrub_owed, 0U);
  EXPECT_EQ(bytes_of(wal).find(canary), std::string::npos);
  EXPECT_EQ(bytes_of(folder.file("test.db")).find(canary), std::string::npos);
}

// What a process that died owed is made up for by the next one.
TEST(Scrub, IsMadeUpForAtTheNextStart) {
  const store::testing::TemporaryFolder before, after;
  const std::string canary = "canary-7f3a9c of a wrapped key";
  {
    sb::testing::FaultDisk disk(before.path(), 1);
    store::testing::PlainLog log;
    store::SqliteOptions options;
    options.path = before.file("test.db");
    auto store = *store::open_sqlite_store(std::move(options), log);
    store::Commit made = store::testing::chat_commit(store::testing::new_run_id());
    made.create->data_key = canary;
    store::Commit erasure;
    erasure.erase = {made.create->id};
    ASSERT_TRUE(wait_for(store->commit(std::move(made))));
    ASSERT_TRUE(wait_for(store->commit(std::move(erasure))));
    disk.die_after(0);
    EXPECT_FALSE(wait_for(store->scrub()));
    store.reset();
    disk.leave(after.path(), false);
  }
  ASSERT_NE(bytes_of(after.file("test.db-wal")).find(canary), std::string::npos);
  store::testing::PlainLog log;
  store::SqliteOptions options;
  options.path = after.file("test.db");
  const auto store = *store::open_sqlite_store(std::move(options), log);
  EXPECT_EQ(store->stats().scrub_owed, 0U);
  EXPECT_EQ(bytes_of(after.file("test.db-wal")).find(canary), std::string::npos);
  EXPECT_EQ(bytes_of(after.file("test.db")).find(canary), std::string::npos);
}

}  // namespace
}  // namespace sb::mirror
