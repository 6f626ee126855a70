// A full queue, log or disk: who is refused, and that nothing is lost that was acknowledged.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <latch>
#include <thread>

#include "store/sqlite/sqlite_store_testing.h"

namespace sb::store::testing {
namespace {

constexpr std::uint64_t kPlenty = std::uint64_t{1} << 40;

// A log that keeps the writer busy until it is let go.
class BlockingLog final : public LeafLog {
 public:
  void encode(std::string& out, LeafIndex, const LeafDraft& draft) override {
    if (draft.kind == "block") {
      reached.count_down();
      go_on.wait();
    }
    out += draft.kind;
  }
  void committed(std::string) override {}
  std::optional<StoredTreeHead> take_head(std::uint64_t) override { return std::nullopt; }
  Result<> open(std::uint64_t, const std::function<Result<std::string>(LeafIndex)>&,
                std::optional<std::string>) override {
    return {};
  }
  std::latch reached{1};
  std::latch go_on{1};
};

TEST_F(SqliteStore, AFullQueueRefusesAndOneBadCommitHarmsNobodyElseInItsGroup) {
  BlockingLog log;
  SqliteOptions options;
  options.path = folder_.file("test.db");
  options.queue_max = 8;
  auto store = *open_sqlite_store(std::move(options), log);
  asio::io_context& context = lasting_context();
  std::map<Errc, int> outcomes;
  Commit block;
  block.leaves.emplace_back().kind = "block";
  asio::co_spawn(context, send(*store, block, outcomes), asio::detached);
  context.poll();
  log.reached.wait();
  for (int i = 0; i < 12; ++i) {
    Commit commit = chat_commit(new_run_id());
    if (i == 3) std::swap(commit.create, commit.update);  // of a run that is not there
    asio::co_spawn(context, send(*store, std::move(commit), outcomes), asio::detached);
  }
  context.poll();
  EXPECT_EQ(store->stats().queued, 8U);
  log.go_on.count_down();
  context.run();
  EXPECT_EQ(outcomes, (std::map<Errc, int>{{Errc{0}, 8}, {Errc::not_found, 1}, {Errc::unavailable, 4}}));
  EXPECT_EQ(store->stats().groups, 2U);
  EXPECT_EQ(wait_for(store->list_runs({}))->size(), 7U);
}

// A log that has room when it is told so.
class FullLog final : public LeafLog {
 public:
  Result<> has_room() const override { return room ? Result<>() : fail(Errc::unavailable, "the log has no room"); }
  void encode(std::string& out, LeafIndex, const LeafDraft& draft) override { out += draft.kind; }
  void committed(std::string) override { ++groups; }
  std::optional<StoredTreeHead> take_head(std::uint64_t) override { return std::nullopt; }
  Result<> open(std::uint64_t, const std::function<Result<std::string>(LeafIndex)>&,
                std::optional<std::string>) override {
    return {};
  }
  std::atomic<bool> room{false};
  std::atomic<int> groups{0};
};

TEST_F(SqliteStore, WhileTheLogHasNoRoomWhoWaitsIsToldAndWhatWasTakenIsWrittenLater) {
  FullLog log;
  SqliteOptions options;
  options.path = folder_.file("test.db");
  auto store = *open_sqlite_store(std::move(options), log);
  ASSERT_TRUE(wait_for(store->commit(async_chat(new_run_id()))));
  const auto refused = wait_for(store->commit(chat_commit(new_run_id())));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  log.room = true;
  ASSERT_TRUE(wait_for(store->commit(chat_commit(new_run_id()))));
  EXPECT_EQ(store->stats().leaves, 10U);
}

TEST_F(SqliteStore, ALowDiskRefusesAndGoesOnByItself) {
  std::atomic<std::uint64_t> free_bytes{0};
  const auto store = open([&](SqliteOptions& options) { options.free_disk_bytes = [&] { return free_bytes.load(); }; });
  // Acknowledged before anybody knew: kept, not lost.
  const RunId held = new_run_id();
  ASSERT_TRUE(wait_for(store->commit(async_chat(held))));
  EXPECT_EQ(wait_for(store->commit(chat_commit(new_run_id()))).error().code, Errc::disk_full);
  EXPECT_EQ(wait_for(store->commit(async_chat(new_run_id()))).error().code, Errc::disk_full);
  EXPECT_EQ(wait_for(store->flush()).error().code, Errc::disk_full);
  EXPECT_EQ(wait_for(store->load_run(held)).error().code, Errc::not_found) << "reads go on";
  EXPECT_GE(store->stats().failed_groups, 2U);
  free_bytes = kPlenty;
  const RunId next = new_run_id();
  ASSERT_TRUE(wait_for(store->commit(chat_commit(next))));
  EXPECT_TRUE(wait_for(store->load_run(held)));
  EXPECT_TRUE(wait_for(store->load_run(next)));
  EXPECT_EQ(wait_for(store->list_runs({}))->size(), 2U) << "what was refused is not there";
}

TEST_F(SqliteStore, AWriteThatFailsLosesNothingThatWasAcknowledged) {
  std::vector<RunId> acknowledged;
  std::vector<RunId> refused;
  auto store = open();
  {
    const FileSizeLimit limit(680 * 1024);
    for (int i = 0; i < 400 && refused.size() < 3; ++i) {
      const RunId id = new_run_id();
      const auto done = wait_for(store->commit(chat_commit(id)));
      if (done)
        acknowledged.push_back(id);
      else
        EXPECT_EQ(done.error().code, Errc::disk_full);
      if (!done) refused.push_back(id);
    }
  }
  EXPECT_EQ(refused.size(), 3U);
  EXPECT_GT(acknowledged.size(), 10U);
  acknowledged.push_back(new_run_id());
  ASSERT_TRUE(wait_for(store->commit(chat_commit(acknowledged.back())))) << "there is room again";
  for (int round = 0; round < 2; ++round) {
    for (const RunId& id : acknowledged) EXPECT_TRUE(wait_for(store->load_run(id)));
    for (const RunId& id : refused) EXPECT_FALSE(wait_for(store->load_run(id)));
    store.reset();
    store = open();
  }
  EXPECT_EQ(log_.read.size(), 5 * acknowledged.size());
}

TEST_F(SqliteStore, ALogThatCouldNotBeEmptiedIsEmptiedWhenItsReaderHasEnded) {
  const auto store = open([](SqliteOptions& options) { options.scrub_again = std::chrono::milliseconds(5); });
  ASSERT_TRUE(wait_for(store->commit(chat_commit(new_run_id()))));
  sqlite3* reader = nullptr;
  ASSERT_EQ(sqlite3_open(folder_.file("test.db").c_str(), &reader), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM runs", nullptr, nullptr, nullptr), SQLITE_OK);
  ASSERT_TRUE(wait_for(store->commit(chat_commit(new_run_id()))));
  EXPECT_EQ(wait_for(store->scrub()).error().code, Errc::unavailable);
  EXPECT_EQ(store->stats().scrub_owed, 1U);
  EXPECT_GT(std::filesystem::file_size(folder_.file("test.db-wal")), 0U);
  sqlite3_close(reader);
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (store->stats().scrub_owed != 0 && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
  EXPECT_EQ(store->stats().scrub_owed, 0U);
  EXPECT_EQ(std::filesystem::file_size(folder_.file("test.db-wal")), 0U);
}

TEST_F(SqliteStore, TheLogIsMovedIntoTheFileUnderLoad) {
  const auto store = open([](SqliteOptions& options) { options.free_disk_bytes = [] { return kPlenty; }; });
  std::uint64_t highest = 0;
  std::size_t runs = 0;
  bool restarted = false;
  const auto fill = [&]() -> Task<Result<>> {
    while (runs < 200'000 && !restarted) {
      for (int i = 0; i < 256; ++i, ++runs) SB_CO_CHECK(co_await store->commit(async_chat(new_run_id())));
      SB_CO_CHECK(co_await store->flush());
      const std::uint64_t now = store->stats().wal_bytes;
      restarted = now < highest;
      highest = std::max(highest, now);
    }
    co_return Result<>();
  };
  const auto filled = wait_for(fill());
  ASSERT_TRUE(filled) << filled.error().detail;
  EXPECT_TRUE(restarted);
  EXPECT_EQ(store->stats().leaves, 5 * runs);
}

}  // namespace
}  // namespace sb::store::testing
