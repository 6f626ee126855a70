#include "store/sqlite/sqlite_store.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "store/sqlite/sqlite_store_testing.h"
#include "store/store_contract.h"

namespace sb::store::testing {
namespace {

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreContract,
                         ::testing::Values(StoreFactory{"sqlite",
                                                        [](const std::string& folder, LeafLog& log) {
                                                          SqliteOptions options;
                                                          options.path = folder + "/test.db";
                                                          return open_sqlite_store(std::move(options), log);
                                                        }}),
                         [](const auto& info) { return info.param.name; });

TEST_F(SqliteStore, OneProcessAtATimeAndTheErrorNamesIt) {
  const auto store = open();
  PlainLog other;
  SqliteOptions options;
  options.path = folder_.file("test.db");
  const auto second = open_sqlite_store(options, other);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::conflict);
  EXPECT_NE(second.error().detail.find(std::to_string(::getpid())), std::string::npos);
}

TEST_F(SqliteStore, LeavesOfOneGroupTakeLessRoomThanTheyAreLong) {
  Commit commit;
  for (int i = 0; i < 20; ++i) {
    LeafDraft leaf;
    leaf.kind = "step";
    leaf.summary =
        R"({"kind":"guard","pad":")" + std::string(100, 'x') + R"(","versions":{"policy":"f415521d528f1953"}})";
    commit.leaves.push_back(std::move(leaf));
  }
  ASSERT_TRUE(wait_for(open()->commit(std::move(commit))));
  sql("CREATE TABLE small (x CHECK (x)); INSERT INTO small SELECT length(pack) < 1000 FROM leaves WHERE count = 20; "
      "DROP TABLE small");
  log_.read.clear();
  open();
  ASSERT_EQ(log_.read.size(), 20U);
  EXPECT_EQ(log_.read[19].substr(0, 10), "19 step {\"");
}

TEST_F(SqliteStore, RefusesFilesItDoesNotUnderstand) {
  open().reset();
  sql("PRAGMA user_version = 99");
  EXPECT_EQ(open_error(), Errc::unsupported);
  EXPECT_NE(detail_.find("99"), std::string::npos);
  std::filesystem::remove(folder_.file("test.db"));
  sql("CREATE TABLE theirs (x)");
  EXPECT_EQ(open_error(), Errc::corrupt);
  std::filesystem::remove(folder_.file("test.db"));
  std::FILE* file = std::fopen(folder_.file("test.db").c_str(), "w");
  std::fputs(std::string(20'000, 'x').c_str(), file);
  std::fclose(file);
  EXPECT_EQ(open_error(), Errc::corrupt);
}

// Who asks how much of the disk is free is who writes.
TEST_F(SqliteStore, WhoIsAloneWritesItself) {
  std::vector<std::thread::id> writers;
  const auto store = open([&](SqliteOptions& options) {
    options.disk_check_every = std::chrono::milliseconds(0);
    options.free_disk_bytes = [&] {
      writers.push_back(std::this_thread::get_id());
      return std::uint64_t{1} << 40;
    };
  });
  const auto commit = [&](bool alone, Durability durability = Durability::sync) {
    Commit made = chat_commit(new_run_id());
    made.alone = alone;
    made.durability = durability;
    return wait_for(store->commit(std::move(made)));
  };
  const auto ours = [&] { return std::ranges::count(writers, std::this_thread::get_id()); };
  std::uint64_t asked = 0;
  for (; ours() == 0 && asked < 2'000; ++asked) ASSERT_TRUE(commit(true)) << "as soon as the disk is quick";
  const auto alone = ours();
  EXPECT_EQ(alone, 1);
  ASSERT_TRUE(commit(false));
  EXPECT_EQ(ours(), alone) << "others wait for this thread, too";
  ASSERT_TRUE(commit(false, Durability::async));
  Commit taken = chat_commit(new_run_id());
  taken.create->idempotency_key = "once";
  Commit again = chat_commit(new_run_id());
  again.create->idempotency_key = "once";
  taken.alone = again.alone = true;
  ASSERT_TRUE(wait_for(store->commit(std::move(taken))));
  const auto refused = wait_for(store->commit(std::move(again)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::already_exists);
  EXPECT_EQ(store->stats().commits, asked + 4);
  ASSERT_TRUE(wait_for(store->flush())) << "the writer's thread goes on";
}

struct Tally {
  std::mutex mutex;
  std::map<std::string, std::set<std::string>> winners;  // idempotency key -> ids that were acknowledged
  std::map<std::string, std::set<std::string>> named;    // idempotency key -> ids that refusals named
  std::size_t acknowledged = 0;
  std::size_t strangers = 0;  // resumed on another thread than asked from
};

Task<> race(Store& store, Tally& tally, int commits) {
  for (int i = 0; i < commits; ++i) {
    const RunId id = new_run_id();
    Commit commit = chat_commit(id);
    const std::string key = "key-" + std::to_string(i);
    commit.create->idempotency_key = key;
    commit.alone = i % 2 == 0;
    const auto thread = std::this_thread::get_id();
    const auto done = co_await store.commit(std::move(commit));
    const std::lock_guard lock(tally.mutex);
    if (thread != std::this_thread::get_id()) ++tally.strangers;
    if (done) {
      ++tally.acknowledged;
      tally.winners[key].insert(id.to_string());
    } else if (done.error().code == Errc::already_exists) {
      tally.named[key].insert(done.error().detail);
    }
  }
}

TEST_F(SqliteStore, ManyThreadsRaceForOneKeyAndOneWins) {
  constexpr int kThreads = 3;
  constexpr int kTasks = 16;
  constexpr int kCommits = 12;
  const auto store = open();
  Tally tally;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      asio::io_context& context = lasting_context();
      for (int i = 0; i < kTasks; ++i) asio::co_spawn(context, race(*store, tally, kCommits), asio::detached);
      context.run();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(tally.strangers, 0U);
  EXPECT_EQ(tally.acknowledged, std::size_t{kCommits});
  for (const auto& [key, ids] : tally.winners) {
    EXPECT_EQ(ids.size(), 1U);
    EXPECT_EQ(tally.named[key], ids) << "a refusal names the run that has the key";
  }
  ASSERT_TRUE(wait_for(store->flush()));
  const StoreStats stats = store->stats();
  EXPECT_EQ(stats.commits, std::uint64_t{kThreads} * kTasks * kCommits);
  EXPECT_LT(stats.groups, stats.commits) << "commits that wait together share a transaction";
  EXPECT_EQ(stats.leaves, 5U * kCommits);
}

}  // namespace
}  // namespace sb::store::testing
