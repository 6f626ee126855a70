// Whose a mirror is: a machine that was replaced comes back, or never knew; and a place that is not there at the start.
#include <filesystem>
#include <map>

#include "mirror/testing.h"

namespace sb::mirror {
namespace {

using namespace testing;
using std::chrono::milliseconds;

class Takeover : public Mirrored {
 protected:
  Takeover() { patience_ = milliseconds(200); }

  // A machine made again from the mirror as it is now, which goes on.
  std::unique_ptr<Box> replacement(const std::string& name) {
    auto box = std::make_unique<Box>(restored(name), place_);
    box->runs_ = runs_;
    return box;
  }
  std::map<std::string, std::string> contents() {
    std::map<std::string, std::string> all;
    const auto target = *open_target(place_, {});
    for (const std::string& name : *target->list("")) all[name] = *target->get(name);
    return all;
  }
  template <class Condition>
  static bool becomes(Condition condition) {
    for (int i = 0; i < 1000 && !condition(); ++i) std::this_thread::sleep_for(milliseconds(10));
    return condition();
  }
  void erase(const RunId& run) {
    store::Commit commit;
    commit.erase = {run};
    (void)wait_for(store_->commit(std::move(commit)));
  }
  void die() {  // with what is not in the mirror
    faults_.all = true;
    close();
    faults_.all = false;
  }
};

TEST_F(Takeover, AMachineThatComesBackAfterItWasReplacedChangesNothing) {
  open();
  add_runs(3);
  close();
  const auto other = replacement("other");
  other->open();
  other->add_runs(2);
  other->close();
  const auto before = contents();
  open();
  EXPECT_EQ(opened_, Errc::conflict);
  EXPECT_NE(why_.find("belongs to another database"), std::string::npos) << why_;
  EXPECT_EQ(contents(), before);
  other->open();
  EXPECT_EQ(other->opened_, Errc{0}) << other->why_;
}

TEST_F(Takeover, AMachineThatStillRunsFindsOutWithTheNextThingItWrites) {
  open(false);
  add_runs(3);
  ASSERT_TRUE(becomes([&] { return mirror_->stats().groups_mirrored == mirror_->stats().groups_committed; }));
  faults_.all = true;  // cut off, and it goes on
  const auto other = replacement("other");
  other->open();
  other->add_runs(1);
  erase(runs_[0]);
  faults_.all = false;
  ASSERT_TRUE(becomes([&] { return ended_.load() == Errc::conflict; }));
  close();
  other->add_runs(1);
  other->close();
  const Box third(Box::restored(scratch_.file("third")), place_);
  const auto report = check(**open_target(place_, {}), kKey, other->data_);
  ASSERT_TRUE(report) << report.error().detail;
  EXPECT_TRUE(report->ok()) << (report->problems.empty() ? "" : report->problems.front());
  EXPECT_NE(all_objects().find("wrapped key 0"), std::string::npos) << "the one that was replaced erased nothing";
}

TEST_F(Takeover, WhatItWritesIsNeverAcknowledged) {
  open();
  add_runs(3);
  faults_.all = true;
  const auto other = replacement("other");
  other->open();
  faults_.all = false;
  std::atomic<bool> told = false;
  std::thread caller([&] {
    (void)wait_for(store_->commit(chat_commit(new_run_id())));
    told = true;
  });
  EXPECT_TRUE(becomes([&] { return ended_.load() == Errc::conflict; }));
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_FALSE(told);
  mirror_->let_go();  // as its end does, where nobody can hear it any more
  caller.join();
}

TEST_F(Takeover, OfTwoThatWereMadeFromTheSameMirrorTheFirstOneToStartHasIt) {
  open();
  add_runs(3);
  close();
  const auto first = replacement("first");
  const auto second = replacement("second");
  first->open();
  EXPECT_EQ(first->opened_, Errc{0}) << first->why_;
  second->open();
  EXPECT_EQ(second->opened_, Errc::conflict);
  EXPECT_NE(second->why_.find("went on after this database was made from it"), std::string::npos) << second->why_;
}

TEST_F(Takeover, OfTwoCopiesOfADataDirectoryTheLastOneToStartHasIt) {
  open();
  add_runs(3);
  close();
  const auto copy = std::make_unique<Box>(scratch_.file("copy"), place_);
  std::filesystem::copy(data_, copy->data_, std::filesystem::copy_options::recursive);
  open(false);
  copy->open();
  EXPECT_EQ(copy->opened_, Errc{0}) << copy->why_;
  add_runs(1);
  EXPECT_TRUE(becomes([&] { return ended_.load() == Errc::conflict; }));
  copy->add_runs(1);
  EXPECT_EQ(copy->ended_.load(), Errc{});
}

TEST_F(Takeover, ASnapshotThatAReplacedMachineMadeDoesNotCount) {
  open();
  add_runs(3);
  close();
  const auto other = replacement("other");
  other->open();
  other->add_runs(1);
  // Made by the old one of what it alone has, while it did not know yet: with more groups than the chain has.
  {
    auto log = *audit::AuditLog::create(store::DataDir::open(data_)->audit_seed());
    store::SqliteOptions options;
    options.path = data_ + "/signalbox.db";
    for (int i = 0; i < 20; ++i) (void)*store::open_sqlite_store(options, *log);
  }
  const auto target = *open_target(place_, {});
  SnapshotJob job(*target, kKey, data_ + "/signalbox.db", "01234567", 4, {});
  Result<bool> done = false;
  while (done && !*done) done = job.step(milliseconds(100));
  ASSERT_TRUE(done) << done.error().detail;
  ASSERT_GT(job.snapshot().id.group, other->mirror_->stats().groups_committed);
  other->close();
  Box third(Box::restored(scratch_.file("third")), place_);
  third.open();
  EXPECT_EQ(third.opened_, Errc{0}) << third.why_;
  for (const RunId& run : other->runs_) EXPECT_TRUE(wait_for(third.store_->load_run(run)));
}

TEST_F(Takeover, WhatAKillKeptFromTheMirrorIsSentAtTheNextStartWithoutASnapshot) {
  open(false);
  add_runs(3);
  ASSERT_TRUE(becomes([&] { return mirror_->stats().groups_mirrored == mirror_->stats().groups_committed; }));
  const std::size_t snapshots = count("snapshots/");
  faults_.all = true;
  add_runs(40);
  erase(runs_[39]);
  die();
  open();
  ASSERT_EQ(opened_, Errc{0}) << why_;
  EXPECT_EQ(mirror_->stats().groups_mirrored, mirror_->stats().groups_committed) << "before anybody is told of them";
  EXPECT_EQ(count("snapshots/"), snapshots);
  close();
  const auto report = check(**open_target(place_, {}), kKey, data_);
  ASSERT_TRUE(report) << report.error().detail;
  EXPECT_TRUE(report->ok()) << (report->problems.empty() ? "" : report->problems.front());
  EXPECT_EQ(all_objects().find("wrapped key 39"), std::string::npos) << "it was erased before it was sent";
  const auto other = replacement("other");
  other->open();
  for (std::size_t i = 0; i < runs_.size(); ++i)
    EXPECT_EQ(wait_for(other->store_->load_run(runs_[i]))->data_key, i == 39 ? "" : "wrapped key " + std::to_string(i));
}

TEST_F(Takeover, WithoutWhatWasKeptForItASnapshotBringsIt) {
  open(false);
  add_runs(3);
  ASSERT_TRUE(becomes([&] { return mirror_->stats().groups_mirrored == mirror_->stats().groups_committed; }));
  const std::size_t snapshots = list_snapshots(**open_target(place_, {}))->size();
  faults_.all = true;
  add_runs(5);
  die();
  for (const auto& file : std::filesystem::directory_iterator(data_ + "/mirror-spool"))
    std::filesystem::resize_file(file.path(), std::filesystem::file_size(file.path()) - 7);  // power went
  open();
  ASSERT_EQ(opened_, Errc{0}) << why_;
  EXPECT_EQ(mirror_->stats().groups_mirrored, mirror_->stats().groups_committed);
  EXPECT_EQ(list_snapshots(**open_target(place_, {}))->size(), snapshots + 1);
  close();
  EXPECT_TRUE(check(**open_target(place_, {}), kKey, data_)->ok());
}

TEST_F(Takeover, AnErasureThatWasCutOffIsFinishedByTheNextStartAndByARestore) {
  open();
  add_runs(3);
  faults_.cut_after_group = mirror_->stats().groups_committed + 1;
  std::thread caller([&] { erase(runs_[0]); });
  ASSERT_TRUE(becomes([&] { return faults_.all.load(); }));
  mirror_->let_go();
  caller.join();
  die();
  EXPECT_NE(all_objects().find("wrapped key 0"), std::string::npos) << "its list was not rewritten";
  const auto other = replacement("other");
  other->open();
  ASSERT_EQ(other->opened_, Errc{0}) << other->why_;
  EXPECT_TRUE(wait_for(other->store_->load_run(runs_[0]))->data_key.empty());
  EXPECT_EQ(wait_for(other->store_->load_run(runs_[1]))->data_key, "wrapped key 1");
  EXPECT_EQ(all_objects().find("wrapped key 0"), std::string::npos);
}

TEST_F(Takeover, WithThePlaceAwayAnAsyncServerStartsAndTheMirrorFollows) {
  open(false);
  add_runs(2);
  close();
  faults_.all = true;
  open(false);
  ASSERT_EQ(opened_, Errc{0}) << why_;
  add_runs(3);
  EXPECT_LT(mirror_->stats().groups_mirrored, mirror_->stats().groups_committed);
  EXPECT_GT(mirror_->stats().lag_seconds, 0);
  faults_.all = false;
  ASSERT_TRUE(becomes([&] { return mirror_->stats().groups_mirrored == mirror_->stats().groups_committed; }));
  close();
  EXPECT_TRUE(check(**open_target(place_, {}), kKey, data_)->ok());
}

TEST_F(Takeover, WithThePlaceAwayABeforeAckServerWaitsForItUntilItIsTold) {
  open();
  add_runs(2);
  close();
  faults_.all = true;
  make_mirror();
  std::thread starting([&] { open_store(); });
  ASSERT_TRUE(becomes([&] { return mirror_->stats().failures > 1; }));
  EXPECT_EQ(store_, nullptr);
  faults_.all = false;
  starting.join();
  EXPECT_EQ(opened_, Errc{0}) << why_;
  close();
  faults_.all = true;
  make_mirror();
  starting = std::thread([&] { open_store(); });
  ASSERT_TRUE(becomes([&] { return mirror_->stats().failures > 1; }));
  mirror_->let_go();
  starting.join();
  EXPECT_EQ(opened_, Errc::cancelled);
}

TEST_F(Takeover, AnAsyncServerThatWasReplacedWhileThePlaceWasAwayEndsWhenItIsBack) {
  open(false);
  add_runs(2);
  close();
  const auto other = replacement("other");
  other->open();
  ASSERT_EQ(other->opened_, Errc{0}) << other->why_;
  faults_.all = true;
  open(false);
  ASSERT_EQ(opened_, Errc{0}) << why_;
  EXPECT_EQ(ended_.load(), Errc{});
  faults_.all = false;
  EXPECT_TRUE(becomes([&] { return ended_.load() == Errc::conflict; }));
}

TEST_F(Takeover, AMirrorIsComparedWithItsStoreWhileThatWorks) {
  open(false);
  wait_for_snapshots(1);
  std::atomic<bool> enough = false;
  std::atomic<int> commits = 0;
  std::thread writer([&] {
    for (; !enough; ++commits) {
      const RunId id = new_run_id();
      store::Commit commit = chat_commit(id);
      commit.create->data_key = "wrapped key";
      ASSERT_TRUE(wait_for(store_->commit(std::move(commit))));
      if (id.uuid.bytes[15] % 4 == 0) erase(id);
    }
  });
  for (int i = 1; i <= 3; ++i) {
    ASSERT_TRUE(becomes([&] { return commits > i * 20; }));
    const auto report = check(**open_target(place_, {}), kKey, data_);
    EXPECT_TRUE(report) << report.error().detail;
    if (report) {
      EXPECT_TRUE(report->ok()) << report->store_groups << " " << report->mirror_groups
                                << (report->problems.empty() ? "" : report->problems.front());
    }
  }
  enough = true;
  writer.join();
}

}  // namespace
}  // namespace sb::mirror
