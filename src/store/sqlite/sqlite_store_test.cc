#include "store/sqlite/sqlite_store.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <latch>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "store/patient_read.h"
#include "store/sqlite/group_sink.h"
#include "store/store_contract.h"

namespace sb::store::testing {
namespace {

constexpr std::uint64_t kPlenty = std::uint64_t{1} << 40;

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreContract,
                         ::testing::Values(StoreFactory{"sqlite",
                                                        [](const std::string& folder, LeafLog& log) {
                                                          SqliteOptions options;
                                                          options.path = folder + "/test.db";
                                                          return open_sqlite_store(std::move(options), log);
                                                        }}),
                         [](const auto& info) { return info.param.name; });

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

TEST_F(SqliteStore, ErrorsThatStayedInErasedRunsGoWithTheMigration) {
  const RunId erased = new_run_id(), kept = new_run_id();
  {
    const auto store = open();
    for (const RunId& id : {erased, kept}) {
      Commit ended = chat_commit(id);
      ended.create->data_key = "wrapped";
      ended.steps[1].error = "in clear";
      ASSERT_TRUE(wait_for(store->commit(std::move(ended))));
    }
  }
  // As an erasure of schema 3 left it.
  sql("PRAGMA user_version = 3; DROP TABLE mirror_lineages; ALTER TABLE mirror_state DROP COLUMN mark; ALTER "
      "TABLE runs DROP COLUMN rejected_cost; DROP TABLE timers; DROP TABLE listeners; UPDATE data_keys SET wrapped = "
      "NULL WHERE run = (SELECT min(no) FROM runs)");
  const auto store = open();
  ASSERT_TRUE(wait_for(store->load_run(erased))->erased);
  EXPECT_EQ(wait_for(store->load_steps(erased))->at(1).error, "null");
  EXPECT_EQ(wait_for(store->load_steps(kept))->at(1).error, "in clear");
}

// As schema 9 had them; and what else lies there is left alone.
TEST_F(SqliteStore, DocumentsInClearAreSealedByTheMigrationAndLeaveNoTrace) {
  const std::string canary = "canary-51ab of a policy", large = std::string(50'000, 'x') + canary;
  {
    const auto store = open();
    Commit commit;
    for (const char* name :
         {"keys", "policy:ab", "flow:a/b@1", "tenant_keys", "legal_holds", "flows", "policies", "event:x"})
      commit.documents.emplace_back(name, std::string("plain ") + name);
    commit.documents.emplace_back("flow:a/large@1", large);
    ASSERT_TRUE(wait_for(store->commit(std::move(commit))));
  }
  sql("PRAGMA secure_delete = FAST; UPDATE documents SET body = x'00' || CAST(printf('%.*c', 60000, 'y') || "
      "'canary-51ab of a policy' AS BLOB) WHERE name = 'policy:ab'; UPDATE documents SET body = x'00706c61696e' WHERE "
      "name = 'policy:ab'; PRAGMA user_version = 9; PRAGMA wal_checkpoint(TRUNCATE)");
  const auto file = [&] {
    std::ifstream bytes(folder_.file("test.db"), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(bytes), {});
  };
  ASSERT_NE(file().find(canary), std::string::npos) << "in a page that is free";
  EXPECT_EQ(open_error(), Errc::unsupported);
  EXPECT_NE(detail_.find("start the server once"), std::string::npos) << detail_;

  std::vector<std::string> asked;
  const auto seal = [&](std::string_view name, std::string_view text) -> Result<std::string> {
    asked.emplace_back(name);
    if (name == "flow:a/b@1" && asked.size() < 4) return fail(Errc::permission_denied, "another master key");
    return fmt::format("sealed {} of {} bytes", name, text.size());
  };
  {
    SqliteOptions options;
    options.path = folder_.file("test.db");
    options.seal = seal;
    const auto failed = open_sqlite_store(std::move(options), log_);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Errc::permission_denied) << failed.error().detail;
    EXPECT_EQ(asked.front(), "tenant_keys") << "it has the key that all others are sealed under";
  }
  asked.resize(4);
  auto store = open([&](SqliteOptions& options) { options.seal = seal; });
  for (const auto& [name, text] : {std::pair("keys", "sealed keys of 10 bytes"),
                                   {"policy:ab", "sealed policy:ab of 5 bytes"},
                                   {"flow:a/b@1", "sealed flow:a/b@1 of 16 bytes"},
                                   {"flow:a/large@1", "sealed flow:a/large@1 of 50023 bytes"},
                                   {"tenant_keys", "sealed tenant_keys of 17 bytes"},
                                   {"legal_holds", "sealed legal_holds of 17 bytes"},
                                   {"flows", "plain flows"},
                                   {"policies", "plain policies"},
                                   {"event:x", "plain event:x"}})
    EXPECT_EQ(wait_for(store->load_document(name)).value(), text);
  EXPECT_EQ(file().find(canary), std::string::npos);
  std::ifstream wal(folder_.file("test.db-wal"), std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(wal), {}).find(canary), std::string::npos);
  asked.clear();
  store.reset();
  store = open([&](SqliteOptions& options) { options.seal = seal; });
  EXPECT_TRUE(asked.empty()) << "once";
}

TEST_F(SqliteStore, RunsThatWereAtRestBeforeThereWereTimersAreWokenOnce) {
  const RunId resting = new_run_id(), with_a_person = new_run_id(), decided = new_run_id();
  {
    const auto store = open();
    for (const RunId& id : {resting, with_a_person, decided, new_run_id()}) {
      Commit commit = chat_commit(id);
      const bool waits = id == resting || id == with_a_person || id == decided;
      commit.create->status = waits ? RunStatus::waiting : RunStatus::running;
      if (id == with_a_person || id == decided) {
        ReviewRow review;
        review.id = ReviewId::generate(system_clock(), system_entropy());
        review.run = id;
        review.state = id == decided ? ReviewState::expired : ReviewState::claimed;
        commit.review_create = std::move(review);
      }
      ASSERT_TRUE(wait_for(store->commit(std::move(commit))));
    }
  }
  sql("PRAGMA user_version = 5; DROP TABLE timers; DROP TABLE listeners; ALTER TABLE runs DROP COLUMN rejected_cost");
  const auto store = open();
  const auto timers = wait_for(store->timers({}, 10));
  ASSERT_TRUE(timers) << timers.error().detail;
  ASSERT_EQ(timers->size(), 2U) << "who waits for a person is not woken";
  EXPECT_EQ(timers->at(0).run, resting);
  EXPECT_EQ(timers->at(1).run, decided);
  EXPECT_LT(timers->at(0).due_us, system_clock().now_us());
}

TEST_F(SqliteStore, LeavesOfOneGroupTakeLessRoomThanTheyAreLong) {
  Commit commit;
  for (int i = 0; i < 20; ++i) {
    LeafDraft leaf;
    leaf.kind = "step";
    leaf.summary = R"({"kind":"guard","versions":{"policy":"f415521d528f1953"}})" + std::string(100, 'x');
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

Task<> send(Store& store, Commit commit, std::map<Errc, int>& outcomes) {
  const auto done = co_await store.commit(std::move(commit));
  ++outcomes[done ? Errc{0} : done.error().code];
}

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

class KeySink final : public sqlite::GroupSink {
 public:
  Result<> opened(const CopyState&) override { return {}; }
  void committing(const Group&) override {}
  bool committed(Group group) override {
    groups.push_back(std::move(group));
    return true;
  }
  std::vector<Group> groups;
};

TEST_F(SqliteStore, KeysOfAGroupThatWasTakenBackAreToldToNobody) {
  KeySink sink;
  const auto store = open([&](SqliteOptions& options) { options.sink = &sink; });
  Commit made = chat_commit(new_run_id());
  const RunId id = made.create->id;
  made.create->data_key = "wrapped";
  ASSERT_TRUE(wait_for(store->commit(std::move(made))));
  {
    const FileSizeLimit limit(1);
    Commit erasure;
    erasure.erase = {id};
    ASSERT_EQ(wait_for(store->commit(std::move(erasure))).error().code, Errc::disk_full);
  }
  ASSERT_TRUE(wait_for(store->flush())) << "stores a tree head: a group of its own";
  Commit next;
  next.documents.emplace_back("next", "{}");
  ASSERT_TRUE(wait_for(store->commit(std::move(next))));
  EXPECT_FALSE(wait_for(store->load_run(id))->erased);
  ASSERT_GE(sink.groups.size(), 3U);
  for (const auto& group : sink.groups) {
    for (const auto& change : group.keys) EXPECT_EQ(change.sealed, "wrapped") << "group " << group.number;
  }
}

// A place that takes a group in when it is told to.
class SlowSink final : public sqlite::GroupSink {
 public:
  Result<> opened(const CopyState&) override { return {}; }
  void committing(const Group&) override {}
  bool committed(Group) override {
    std::unique_lock lock(mutex_);
    waits_ = !answers_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return answers_; });
    return true;
  }
  void wait_for_group() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waits_; });
  }
  void answer(bool answers) {
    const std::lock_guard lock(mutex_);
    answers_ = answers;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool answers_ = true;
  bool waits_ = false;
};

// Reads on a thread of its own, as a shard does.
class ReadElsewhere {
 public:
  ReadElsewhere(Store& store, RunId run) : ReadElsewhere([&store, run] { return store.load_run(run); }) {}
  explicit ReadElsewhere(std::function<Task<Result<RunRow>>()> read)
      : thread_([this, read = std::move(read)] {
          outcome_ = wait_for(read());
          done_ = true;
        }) {}
  bool done() const { return done_; }
  Result<RunRow> outcome() {
    thread_.join();
    return *std::move(outcome_);
  }

 private:
  std::atomic<bool> done_{false};
  std::optional<Result<RunRow>> outcome_;
  std::thread thread_;
};

class BehindASink : public SqliteStore {
 protected:
  void start(std::chrono::milliseconds reads_wait_max) {
    store_ = open([&](SqliteOptions& options) {
      options.sink = &sink_;
      options.reads_wait_max = reads_wait_max;
    });
    ASSERT_TRUE(wait_for(store_->commit(chat_commit(old_))));
    ASSERT_TRUE(wait_for(store_->flush())) << "no tree head is left to store";
  }
  // It is on disk, and the sink has not taken it in.
  void begin(Commit commit) {
    const bool async = commit.durability == Durability::async;
    sink_.answer(false);
    asio::co_spawn(context_, send(*store_, std::move(commit), outcomes_), asio::detached);
    context_.poll();
    if (!async) EXPECT_EQ(outcomes_.size(), 0U);
    sink_.wait_for_group();
  }
  void TearDown() override {
    sink_.answer(true);
    store_.reset();
  }

  SlowSink sink_;
  asio::io_context& context_ = lasting_context();
  std::map<Errc, int> outcomes_;
  const RunId old_ = new_run_id(), young_ = new_run_id();
  std::unique_ptr<Store> store_;
};

constexpr std::chrono::milliseconds kForEver{600'000};

TEST_F(BehindASink, ReadsTellNothingThatTheSinkHasNot) {
  start(kForEver);
  begin(chat_commit(young_));
  ReadElsewhere young(*store_, young_), old(*store_, old_), none(*store_, new_run_id());
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_FALSE(young.done() || old.done() || none.done());
  sink_.answer(true);
  EXPECT_EQ(young.outcome()->id, young_);
  EXPECT_EQ(old.outcome()->id, old_);
  EXPECT_EQ(none.outcome().error().code, Errc::not_found);
  context_.restart();
  context_.run();
  EXPECT_EQ(outcomes_, (std::map<Errc, int>{{Errc{0}, 1}}));
}

TEST_F(BehindASink, AReadDoesNotWaitForEver) {
  start(std::chrono::milliseconds(20));
  begin(chat_commit(young_));
  EXPECT_EQ(wait_for(store_->load_run(young_)).error().code, Errc::unavailable);
  EXPECT_EQ(wait_for(store_->load_run(old_)).error().code, Errc::unavailable);
  sink_.answer(true);
  ASSERT_TRUE(wait_for(store_->flush()));
  EXPECT_TRUE(wait_for(store_->load_run(young_)));
}

TEST_F(BehindASink, AReadThatOwesNobodyAnAnswerWaits) {
  start(std::chrono::milliseconds(20));
  begin(chat_commit(young_));
  ReadElsewhere young([this] { return read_patiently([this] { return store_->load_run(young_); }); });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_FALSE(young.done());
  sink_.answer(true);
  EXPECT_TRUE(young.outcome());
}

TEST_F(BehindASink, AReadBehindAsyncCommitsDoesNotWaitForEverEither) {
  start(std::chrono::milliseconds(20));
  begin(async_chat(young_));
  EXPECT_EQ(wait_for(store_->load_run(young_)).error().code, Errc::unavailable);
  sink_.answer(true);
  ASSERT_TRUE(wait_for(store_->flush()));
  EXPECT_TRUE(wait_for(store_->load_run(young_)));
}

TEST_F(BehindASink, WhereNobodyWaitsForTheSinkReadsDoNotEither) {
  start({});
  begin(chat_commit(young_));
  EXPECT_TRUE(wait_for(store_->load_run(young_)));
}

TEST_F(BehindASink, AGroupThatWasTakenBackHoldsNobody) {
  start(kForEver);
  {
    const FileSizeLimit limit(1);
    ASSERT_EQ(wait_for(store_->commit(chat_commit(young_))).error().code, Errc::disk_full);
  }
  EXPECT_TRUE(wait_for(store_->load_run(old_)));
}

TEST_F(BehindASink, AStoreThatEndsAnswersReadsThatWait) {
  start(kForEver);
  begin(chat_commit(young_));
  ReadElsewhere young(*store_, young_);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(young.done());
  sink_.answer(true);
  store_.reset();
  EXPECT_TRUE(young.outcome());
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
