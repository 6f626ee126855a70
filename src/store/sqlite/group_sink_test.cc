// A store that sends its groups to another place, and whoever reads while that has not taken them in.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "store/patient_read.h"
#include "store/sqlite/group_sink.h"
#include "store/sqlite/sqlite_store_testing.h"

namespace sb::store::testing {
namespace {

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

}  // namespace
}  // namespace sb::store::testing
