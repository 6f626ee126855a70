#include "mirror/mirror.h"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <filesystem>
#include <fstream>

#include "audit/log.h"
#include "audit/verify.h"
#include "mirror/folder_target.h"
#include "mirror/restore.h"
#include "store/data_dir.h"
#include "store/sqlite/sqlite_store.h"
#include "store/testing.h"

namespace sb::mirror {
namespace {

using store::testing::chat_commit;
using store::testing::new_run_id;
using store::testing::TemporaryFolder;
using store::testing::wait_for;

const std::string kKey(32, 'k');

// A place that fails as networks do: before the request, or after it was done.
class FaultyTarget final : public Target {
 public:
  FaultyTarget(std::unique_ptr<Target> inner, std::atomic<int>& faults) : inner_(std::move(inner)), faults_(faults) {}
  Result<> put_new(const std::string& name, std::string_view bytes) override {
    if (fault()) return fail(Errc::unavailable, "injected before");
    auto done = inner_->put_new(name, bytes);
    if (fault()) return fail(Errc::unavailable, "injected after");
    return done;
  }
  Result<> put(const std::string& name, std::string_view bytes) override {
    if (fault()) return fail(Errc::unavailable, "injected");
    return inner_->put(name, bytes);
  }
  Result<std::string> get(const std::string& name) override { return inner_->get(name); }
  Result<std::vector<std::string>> list(const std::string& prefix) override { return inner_->list(prefix); }
  Result<> remove(const std::string& name) override { return inner_->remove(name); }
  std::string name() const override { return inner_->name(); }

 private:
  bool fault() { return faults_.load() > 0 && ++calls_ % 2 == 1 && faults_.fetch_sub(1) > 0; }
  std::unique_ptr<Target> inner_;
  std::atomic<int>& faults_;
  int calls_ = 0;
};

class Mirrored : public ::testing::Test {
 protected:
  ~Mirrored() override { close(); }

  void open(bool before_ack = true, std::uint64_t snapshot_after = std::uint64_t{1} << 30) {
    const auto data = store::DataDir::open_or_create(data_, system_entropy());
    ASSERT_TRUE(data) << data.error().detail;
    MirrorOptions options;
    options.key = kKey;
    options.before_ack = before_ack;
    options.database = data->database();
    options.audit_folder = data->audit_folder();
    options.secrets = {
        {"audit.seed", data->audit_seed()}, {"vault.key", data->vault_key()}, {"pepper", data->pepper()}};
    options.snapshot_after_bytes = snapshot_after;
    auto target = std::make_unique<FaultyTarget>(*open_folder_target(place_), faults_);
    auto mirror = Mirror::open(std::move(target), std::move(options));
    ASSERT_TRUE(mirror) << mirror.error().detail;
    mirror_ = *std::move(mirror);
    log_ = *audit::AuditLog::create(data->audit_seed(), {.origin = {}, .folder = data->audit_folder()});
    store::SqliteOptions store_options;
    store_options.path = data->database();
    store_options.sink = mirror_.get();
    auto store = store::open_sqlite_store(std::move(store_options), *log_);
    opened_ = store ? Errc{0} : store.error().code;
    if (!store) why_ = store.error().detail;
    if (store) store_ = *std::move(store);
  }
  void close() {
    if (mirror_) mirror_->let_go();
    store_.reset();
    log_.reset();
    mirror_.reset();
  }
  void add_runs(int count) {
    for (int i = 0; i < count; ++i) {
      store::Commit commit = chat_commit(new_run_id());
      commit.create->data_key = "wrapped key " + std::to_string(runs_.size());
      commit.create->subject = i % 2 == 0 ? "p-even" : "";
      runs_.push_back(commit.create->id);
      ASSERT_TRUE(wait_for(store_->commit(std::move(commit))));
    }
  }
  // What a machine that never saw the old one makes of the mirror.
  std::string restored(const std::string& name) {
    const std::string folder = scratch_.file(name);
    const auto report = restore(**open_target(place_, {}), kKey, folder);
    EXPECT_TRUE(report) << report.error().detail;
    return folder;
  }

  TemporaryFolder scratch_;
  std::string data_ = scratch_.file("data");
  std::string place_ = scratch_.file("mirror");
  std::atomic<int> faults_{0};
  std::unique_ptr<Mirror> mirror_;
  std::unique_ptr<audit::AuditLog> log_;
  std::unique_ptr<store::Store> store_;
  Errc opened_{};
  std::string why_;
  std::vector<RunId> runs_;
};

TEST_F(Mirrored, ALostMachineIsMadeAgainWithEveryRunThatWasAcknowledged) {
  open();
  add_runs(40);
  ASSERT_TRUE(wait_for(store_->flush()));
  faults_ = std::numeric_limits<int>::max();  // cut off while it runs: whatever it still does, the mirror hears no more
  const std::string folder = restored("again");
  close();
  faults_ = 0;
  data_ = folder;
  open();
  ASSERT_EQ(opened_, Errc{0}) << why_;
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    const auto run = wait_for(store_->load_run(runs_[i]));
    ASSERT_TRUE(run) << run.error().detail;
    EXPECT_EQ(run->data_key, "wrapped key " + std::to_string(i));
    EXPECT_EQ(wait_for(store_->load_steps(runs_[i]))->size(), 4U);
  }
  add_runs(5);
  ASSERT_TRUE(wait_for(store_->flush()));
  const auto report = audit::verify_store({data_ + "/signalbox.db", log_->verifier(), {}});
  ASSERT_TRUE(report && report->ok()) << (report ? report->problems.front() : report.error().detail);
  EXPECT_EQ(report->leaves, 225U);
}

TEST_F(Mirrored, FaultsOfThePlaceOnlyAddLagAndLoseNothing) {
  open(false);
  faults_ = 7;
  add_runs(10);
  close();
  EXPECT_LE(faults_.load(), 0);
  data_ = restored("again");
  open();
  for (const RunId& run : runs_) EXPECT_TRUE(wait_for(store_->load_run(run)));
}

TEST_F(Mirrored, SnapshotsAndSegmentsGiveTheStoreRowByRow) {
  open(true, 20'000);
  add_runs(30);
  close();
  open();
  add_runs(3);
  ASSERT_TRUE(wait_for(store_->flush()));
  close();
  const auto report = check(**open_target(place_, {}), kKey, data_);
  ASSERT_TRUE(report) << report.error().detail;
  EXPECT_TRUE(report->ok()) << report->store_groups << " and " << report->mirror_groups << " groups"
                            << (report->problems.empty() ? "" : ", " + report->problems.front());
}

TEST_F(Mirrored, AnErasedKeyIsInNoObjectOfTheMirror) {
  open(true, 20'000);
  add_runs(20);
  close();
  open(true, 20'000);
  store::ErasableFilter filter;
  filter.subject = "p-even";
  store::Commit erase;
  erase.erase = *wait_for(store_->erasable_runs(filter));
  EXPECT_EQ(erase.erase.size(), 10U);
  erase.leaves.emplace_back().kind = "erasure";
  const auto first = erase.erase;
  ASSERT_TRUE(wait_for(store_->commit(std::move(erase))));
  ASSERT_TRUE(wait_for(store_->scrub()));
  EXPECT_TRUE(wait_for(store_->load_run(first.front()))->erased);
  close();
  data_ = restored("again");
  open();
  int keys = 0;
  for (const RunId& run : runs_) {
    const auto row = wait_for(store_->load_run(run));
    ASSERT_TRUE(row);
    const bool erased = std::ranges::find(first, run) != first.end();
    EXPECT_EQ(row->data_key.empty(), erased);
    EXPECT_EQ(row->input.empty(), erased);
    keys += row->data_key.empty() ? 0 : 1;
  }
  EXPECT_EQ(keys, 10);
}

TEST_F(Mirrored, ADatabaseThatIsOlderThanItsMirrorIsNotServed) {
  open();
  add_runs(3);
  close();
  const std::string old = scratch_.file("old");
  std::filesystem::copy(data_, old, std::filesystem::copy_options::recursive);
  open();
  add_runs(3);
  close();
  data_ = old;
  open();
  EXPECT_EQ(opened_, Errc::conflict);
}

TEST_F(Mirrored, WhatWasWrittenWithoutAMirrorIsInTheNextSnapshot) {
  open();
  add_runs(3);
  close();
  {
    auto log = *audit::AuditLog::create(store::DataDir::open(data_)->audit_seed());
    store::SqliteOptions options;
    options.path = data_ + "/signalbox.db";
    auto store = *store::open_sqlite_store(std::move(options), *log);
    runs_.push_back(new_run_id());
    ASSERT_TRUE(wait_for(store->commit(chat_commit(runs_.back()))));
  }
  open();
  add_runs(1);
  close();
  data_ = restored("again");
  open();
  for (const RunId& run : runs_) EXPECT_TRUE(wait_for(store_->load_run(run)));
}

TEST_F(Mirrored, WhatWasChangedExchangedOrTakenAwayIsNoticed) {
  open();
  add_runs(6);
  close();
  const auto target = open_target(place_, {});
  const auto fails = [&](const char* name) { return !restore(**target, kKey, scratch_.file(name)).has_value(); };
  EXPECT_FALSE(restore(**target, std::string(32, 'x'), scratch_.file("other key")));
  EXPECT_FALSE(restore(**target, kKey, data_)) << "it has a database";
  const std::string two = *(*target)->get("segments/000000000002");
  const std::string three = *(*target)->get("segments/000000000003");
  ASSERT_TRUE((*target)->put("segments/000000000002", three));
  EXPECT_TRUE(fails("exchanged"));
  std::string flipped = two;
  flipped[flipped.size() / 2] = static_cast<char>(flipped[flipped.size() / 2] ^ 1);
  ASSERT_TRUE((*target)->put("segments/000000000002", flipped));
  EXPECT_TRUE(fails("flipped"));
  ASSERT_TRUE((*target)->remove("segments/000000000002"));
  EXPECT_TRUE(fails("taken away"));
  ASSERT_TRUE((*target)->put("segments/000000000002", two));
  EXPECT_FALSE(fails("whole again"));
}

}  // namespace
}  // namespace sb::mirror
