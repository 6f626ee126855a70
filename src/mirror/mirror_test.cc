#include "mirror/mirror.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>

#include "audit/log.h"
#include "audit/verify.h"
#include "mirror/folder_target.h"
#include "mirror/prune.h"
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
  Result<> forget(const std::string& name) override { return inner_->forget(name); }
  Result<> clean_up() override { return inner_->clean_up(); }
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

  static constexpr Micros kDayUs = Micros{86'400} * 1'000'000;

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
    options.snapshot_after_us = snapshot_after_us_;
    options.keep_us = keep_us_;
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
  std::size_t count(const std::string& prefix) { return (*open_target(place_, {}))->list(prefix)->size(); }
  void wait_for_snapshots(std::size_t count) {
    const auto target = *open_target(place_, {});
    for (int i = 0; i < 1000 && list_snapshots(*target)->size() < count; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ASSERT_EQ(list_snapshots(*target)->size(), count);
  }
  // Everything in the mirror that its key opens, in clear.
  std::string all_objects() {
    std::string all;
    const auto target = *open_target(place_, {});
    for (const std::string& name : *target->list("")) {
      if (name.starts_with("audit/")) continue;
      all += *open_object(kKey, name, *target->get(name));
    }
    return all;
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
  Micros snapshot_after_us_ = kDayUs;
  Micros keep_us_ = 30 * kDayUs;
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

TEST_F(Mirrored, SnapshotsComeOnScheduleAndOldSegmentsGoWhenNothingNeedsThemAnyMore) {
  keep_us_ = 0;
  open();
  add_runs(10);
  EXPECT_GE(count("segments/"), 10U);
  close();
  snapshot_after_us_ = 0;  // due whenever something was committed since the last one
  open();
  add_runs(1);
  const auto target = *open_target(place_, {});
  const auto newest = [&] { return *read_snapshot(*target, kKey, list_snapshots(*target)->back()); };
  for (int i = 0; i < 1000 && newest().segment < 11; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  ASSERT_GE(newest().segment, 11U);
  snapshot_after_us_ = kDayUs;
  close();
  EXPECT_EQ(list_snapshots(*target)->size(), 1U) << "older ones went";
  for (const std::string& name : *target->list("segments/")) EXPECT_GT(number_at_end(name), newest().segment);
  EXPECT_EQ(target->list("snapshots/")->size(), newest().pieces + 1);

  open();  // goes on numbering where the segments that are gone ended
  add_runs(5);
  close();
  const auto report = check(*target, kKey, data_);
  ASSERT_TRUE(report) << report.error().detail;
  EXPECT_TRUE(report->ok());
  data_ = restored("again");
  open();
  for (const RunId& run : runs_) EXPECT_TRUE(wait_for(store_->load_run(run)));
}

TEST_F(Mirrored, WhatIsYoungerThanTheSpanStays) {
  open(true, 20'000);
  add_runs(30);
  wait_for_snapshots(2);
  close();
  const std::size_t segments = count("segments/");
  EXPECT_GE(segments, 30U);
  const auto target = *open_target(place_, {});
  EXPECT_EQ(prune(*target, kKey, system_clock().now_us() - kDayUs), 0U);
  EXPECT_EQ(count("segments/"), segments);
  const auto groups = *list_snapshots(*target);
  const Micros first = read_snapshot(*target, kKey, groups[0])->time_us;
  const Micros second = read_snapshot(*target, kKey, groups[1])->time_us;
  ASSERT_LT(first, second);
  EXPECT_EQ(prune(*target, kKey, second - 1), 0U) << "the way since then begins at the first";
  EXPECT_GT(*prune(*target, kKey, second), 0U);
  EXPECT_EQ(list_snapshots(*target)->front(), groups[1]);
  data_ = restored("again");
  open();
  for (const RunId& run : runs_) EXPECT_TRUE(wait_for(store_->load_run(run)));
}

TEST_F(Mirrored, ASnapshotThatDoesNotReadBackReplacesNothing) {
  open();
  add_runs(3);
  close();
  const auto target = *open_target(place_, {});
  // A piece that is not what was written: another one of the same name, sealed by the same key.
  class Liar final : public Target {
   public:
    explicit Liar(Target& inner) : inner_(inner) {}
    Result<> put_new(const std::string& name, std::string_view bytes) override { return inner_.put_new(name, bytes); }
    Result<> put(const std::string& name, std::string_view bytes) override { return inner_.put(name, bytes); }
    Result<std::string> get(const std::string& name) override {
      return name.ends_with("/0") ? seal_object(kKey, name, "not the database", system_entropy()) : inner_.get(name);
    }
    Result<std::vector<std::string>> list(const std::string& prefix) override { return inner_.list(prefix); }
    Result<> remove(const std::string& name) override { return inner_.remove(name); }
    Result<> forget(const std::string& name) override { return inner_.forget(name); }
    Result<> clean_up() override { return inner_.clean_up(); }
    std::string name() const override { return inner_.name(); }

   private:
    Target& inner_;
  } liar(*target);
  const auto before = *list_snapshots(*target);
  SnapshotJob job(liar, kKey, data_ + "/signalbox.db", 3, {});
  Result<bool> done = false;
  while (done && !*done) done = job.step(std::chrono::milliseconds(100));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::corrupt);
  EXPECT_EQ(*list_snapshots(*target), before);
}

TEST_F(Mirrored, WhatAKilledWriterLeftHalfWrittenIsTakenAway) {
  open();
  add_runs(1);
  close();
  const std::string half = place_ + "/segments/000000000009.new";
  std::ofstream(half) << "half";
  open();
  add_runs(1);
  close();
  EXPECT_FALSE(std::filesystem::exists(half));
}

TEST_F(Mirrored, AnErasedKeyIsInNoObjectOfTheMirror) {
  open(true, 20'000);
  add_runs(20);
  store::Commit tokens;
  for (const char* subject : {"p-even", "p-odd"})
    tokens.tokens.push_back({"acme", "[EMAIL_TA]", subject, std::string("sealed for ") + subject});
  ASSERT_TRUE(wait_for(store_->commit(std::move(tokens))));
  close();
  EXPECT_NE(all_objects().find("sealed for p-even"), std::string::npos);
  open(true, 20'000);
  store::ErasableFilter filter;
  filter.subject = "p-even";
  store::Commit erase;
  erase.erase = *wait_for(store_->erasable_runs(filter));
  EXPECT_EQ(erase.erase.size(), 10U);
  erase.leaves.emplace_back().kind = "erasure";
  for (const auto& token : *wait_for(store_->tokens_of_subject("acme", "p-even", 10)))
    erase.erase_tokens.push_back(token.no);
  const auto first = erase.erase;
  ASSERT_TRUE(wait_for(store_->commit(std::move(erase))));
  ASSERT_TRUE(wait_for(store_->scrub()));
  EXPECT_TRUE(wait_for(store_->load_run(first.front()))->erased);
  close();
  const std::string objects = all_objects();
  EXPECT_EQ(objects.find("wrapped key 0"), std::string::npos);
  EXPECT_EQ(objects.find("sealed for p-even"), std::string::npos);
  EXPECT_NE(objects.find("sealed for p-odd"), std::string::npos);
  data_ = restored("again");
  open();
  EXPECT_EQ(wait_for(store_->find_token("acme", "[EMAIL_TA]")).value(), "sealed for p-odd");
  int keys = 0;
  for (const RunId& run : runs_) {
    const auto row = wait_for(store_->load_run(run));
    ASSERT_TRUE(row);
    const bool erased = std::ranges::find(first, run) != first.end();
    EXPECT_EQ(row->data_key.empty(), erased);
    EXPECT_EQ(row->erased, erased);
    EXPECT_EQ(row->input.empty(), erased);
    keys += row->data_key.empty() ? 0 : 1;
  }
  EXPECT_EQ(keys, 10);
}

TEST_F(Mirrored, WhatAKillKeptInTheListsGoesWithTheNextStart) {
  open();
  add_runs(4);
  const std::string before = scratch_.file("before");
  std::filesystem::copy(place_, before, std::filesystem::copy_options::recursive);
  store::Commit erase;
  erase.erase = {runs_[0]};
  const auto no = wait_for(store_->sealed_by_others("acme", store::SealedKind::data_key, 0, 0, 2))->last;
  erase.reseal = {{store::SealedKind::data_key, no, "wrapped key 1", "wrapped anew"}};
  ASSERT_TRUE(wait_for(store_->commit(std::move(erase))));
  close();
  place_ = before;  // the commit is on disk, and a kill came before the mirror heard of it
  EXPECT_NE(all_objects().find("wrapped key 0"), std::string::npos);
  open();
  add_runs(1);
  close();
  EXPECT_EQ(all_objects().find("wrapped key 0"), std::string::npos);
  EXPECT_EQ(all_objects().find("wrapped key 1"), std::string::npos);
  data_ = restored("again");
  open();
  EXPECT_TRUE(wait_for(store_->load_run(runs_[0]))->data_key.empty());
  EXPECT_EQ(wait_for(store_->load_run(runs_[1]))->data_key, "wrapped anew");
}

TEST_F(Mirrored, AKeySealedAnewReplacesTheOldOneInTheMirror) {
  open();
  add_runs(4);
  const auto page = *wait_for(store_->sealed_by_others("acme", store::SealedKind::data_key, 0, 0, 10));
  ASSERT_EQ(page.rows.size(), 4U);
  store::Commit commit;
  for (const auto& row : page.rows) commit.reseal.push_back({row.kind, row.no, row.sealed, "anew " + row.sealed});
  commit.tokens.push_back({"acme", "[EMAIL_TA]", "p-1", "token"});
  ASSERT_TRUE(wait_for(store_->commit(std::move(commit))));
  const auto old_ones = [&] {
    const std::string all = all_objects();
    int count = 0;
    for (std::size_t at = 0; (at = all.find("wrapped key", at)) != std::string::npos; ++at)
      count += all.compare(at - 5, 5, "anew ") == 0 ? 0 : 1;
    return count;
  };
  EXPECT_GE(old_ones(), 4) << "a rotation goes fast";
  wait_for_snapshots(2);
  EXPECT_EQ(old_ones(), 0) << "and is followed by a snapshot";
  add_runs(1);
  close();
  const auto report = check(**open_target(place_, {}), kKey, data_);
  ASSERT_TRUE(report) << report.error().detail;
  EXPECT_TRUE(report->ok());
  data_ = restored("again");
  open();
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_EQ(wait_for(store_->load_run(runs_[i]))->data_key, "anew wrapped key " + std::to_string(i));
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
