// Whose a mirror is: a machine that was replaced comes back, or never knew; and a place that is not there at the start.
#include <filesystem>
#include <fstream>
#include <map>

#include "audit/checkpoint_note.h"
#include "audit/tile_files.h"
#include "audit/verify.h"
#include "mirror/testing.h"
#include "store/sqlite/sql.h"

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
  // Leaves in a restored database, which is not opened as one.
  static std::uint64_t leaves_in(const std::string& folder) {
    auto database = store::sqlite::Database::open(folder + "/signalbox.db", store::sqlite::Database::Access::read_only);
    return static_cast<std::uint64_t>(
        *database->integer("SELECT coalesce((SELECT first + count FROM leaves ORDER BY first DESC LIMIT 1), 0)"));
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

TEST_F(Takeover, OfTwoCopiesOfADataDirectoryTheFirstOneToStartHasItFromThenOn) {
  open();
  add_runs(3);
  close();
  Box copy(scratch_.file("copy"), place_);
  std::filesystem::copy(data_, copy.data_, std::filesystem::copy_options::recursive);
  copy.open();
  ASSERT_EQ(copy.opened_, Errc{0}) << copy.why_;
  copy.add_runs(1);
  open();
  EXPECT_EQ(opened_, Errc::conflict);
  EXPECT_NE(why_.find("a copy of this one"), std::string::npos) << why_;
  copy.close();
  open();
  EXPECT_EQ(opened_, Errc::conflict) << "nor when the other one has stopped";
  copy.open();
  EXPECT_EQ(copy.opened_, Errc{0}) << copy.why_;
}

TEST_F(Takeover, ACopyOfAServerAtWorkReplacesItAndStaysReplacedWhenItHasDone) {
  open();
  add_runs(3);
  Box copy(scratch_.file("copy"), place_);
  std::filesystem::copy(data_, copy.data_, std::filesystem::copy_options::recursive);
  faults_.all = true;  // and it hears of nothing
  copy.open();
  ASSERT_EQ(copy.opened_, Errc{0}) << copy.why_;
  copy.add_runs(1);
  faults_.all = false;
  std::thread caller([&] { (void)wait_for(store_->commit(chat_commit(new_run_id()))); });
  EXPECT_TRUE(becomes([&] { return ended_.load() == Errc::conflict; }));
  mirror_->let_go();
  caller.join();
  close();
  open();  // with as many groups as the mirror has
  EXPECT_EQ(opened_, Errc::conflict);
  copy.add_runs(2);
  copy.close();
  EXPECT_TRUE(check(**open_target(place_, {}), kKey, copy.data_)->ok());
}

TEST_F(Takeover, OfTwoWhoWriteOneObjectAtOnceOneIsToldThatItIsThere) {
  constexpr int kRounds = 100;
  for (int round = 0; round < kRounds; ++round) {
    const std::string name = segment_name(static_cast<std::uint64_t>(round + 1));
    std::atomic<int> ready = 0;
    const auto write = [&](const std::string& bytes) {
      const auto target = *open_folder_target(place_);
      for (++ready; ready < 2;) std::this_thread::yield();
      return target->put_new(name, bytes).has_value();
    };
    bool others = false;
    std::thread other([&] { others = write("theirs"); });
    const bool mine = write("mine");
    other.join();
    ASSERT_NE(mine, others);
    ASSERT_EQ(*(*open_folder_target(place_))->get(name), mine ? "mine" : "theirs");
  }
}

TEST_F(Takeover, APlaceThatWritesAnObjectTwiceIsRefused) {
  class Forgetful final : public testing::ForwardingTarget {
   public:
    using ForwardingTarget::ForwardingTarget;
    Result<> put_new(const std::string& name, std::string_view bytes) override { return inner_->put(name, bytes); }
  };
  MirrorOptions options;
  options.key = kKey;
  options.spool_folder = scratch_.file("spool");
  options.on_end = [](const Error&) {};
  Mirror mirror(std::make_unique<Forgetful>(*open_folder_target(place_)), options);
  const auto opened = mirror.opened({0, {}, std::string(16, 'l'), {std::string(16, 'l')}, 0, {}});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::unsupported);
}

TEST_F(Takeover, AStartListsNoMoreOfTheChainThanCameSinceTheNewestSnapshot) {
  open();
  add_runs(200);
  close();
  snapshot_after_us_ = 1;
  open();
  add_runs(1);
  wait_for_snapshots(2);
  close();
  snapshot_after_us_ = kDayUs;
  ASSERT_GT(count("segments/"), 200U);
  faults_.segments_listed = 0;
  open();
  add_runs(1);
  close();
  EXPECT_LT(faults_.segments_listed, 10U);
  const auto other = replacement("other");
  other->open();
  for (const RunId& run : runs_) EXPECT_TRUE(wait_for(other->store_->load_run(run)));
}

// Lists are rewritten while a restore reads them: what is gone from them must be known as erased.
TEST_F(Takeover, ARestoreBesideErasuresKnowsEachOfThem) {
  open();
  add_runs(150);
  std::thread writer([&] {
    for (const RunId& run : runs_) {
      store::Commit commit;
      commit.erase = {run};
      commit.leaves.emplace_back().kind = "erasure";
      commit.leaves.back().summary = R"({"runs":1})";
      ASSERT_TRUE(wait_for(store_->commit(std::move(commit))));
    }
  });
  for (int i = 0; i < 12; ++i) {
    const std::string folder = Mirrored::restored("beside" + std::to_string(i));
    const auto verified = audit::verify_store({folder + "/signalbox.db", log_->verifier(), {}});
    EXPECT_TRUE(verified && verified->ok()) << (verified ? verified->problems.front() : verified.error().detail);
  }
  writer.join();
}

// The server that is replaced lets a newer snapshot count while a restore reads, and takes away what that needs.
TEST_F(Takeover, ARestoreBesideASnapshotThatIsJustMadeHasEveryKey) {
  open(true, 4'000);  // one snapshot after the other
  add_runs(1);
  const std::jthread writer([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) add_runs(1);
  });
  for (int i = 0; i < 8; ++i) {
    Box other(scratch_.file("other" + std::to_string(i)), scratch_.file("elsewhere" + std::to_string(i)));
    const auto made = restore(**open_target(place_, {}), kKey, other.data_);
    if (!made) {
      EXPECT_EQ(made.error().code, Errc::unavailable) << made.error().detail;
      continue;
    }
    store::RunFilter filter;
    filter.limit = 1000;
    other.open();
    EXPECT_EQ(other.opened_, Errc{0}) << other.why_;
    if (other.opened_ != Errc{0}) break;
    for (const auto& run : *wait_for(other.store_->list_runs(filter)))
      EXPECT_FALSE(wait_for(other.store_->load_run(run.id))->data_key.empty());
  }
}

TEST_F(Takeover, AGroupThatWasWrittenAndNotCommittedIsNotTakenForTheOneThatWas) {
  const std::string folder = scratch_.file("spool");
  const auto group = [](std::uint64_t number, const char* mark, const char* previous, const char* patchset) {
    return Spool::Group{number, mark, previous, patchset, {}};
  };
  {
    Spool spool(folder);
    spool.append(group(7, "seven", "six", "seventh"));
    spool.append(group(8, "never", "seven", "was never committed"));
  }
  {
    Spool spool(folder);
    spool.append(group(8, "eight", "seven", "eighth"));
    spool.append(group(9, "nine", "eight", "ninth"));
    const auto all = spool.read(7, 9, "nine");
    ASSERT_TRUE(all);
    EXPECT_EQ((*all)[1].patchset, "eighth");
    EXPECT_FALSE(spool.read(7, 9, "another"));
    EXPECT_FALSE(spool.read(6, 9, "nine")) << "the sixth is missing";
  }
  std::filesystem::remove(folder + "/000000000008");  // power went, and took it
  EXPECT_FALSE(Spool(folder).read(7, 8, "eight"));
}

TEST_F(Takeover, WhatIsNotInTheMirrorIsNotShownWhenTheServerStops) {
  open();
  add_runs(3);
  ASSERT_TRUE(wait_for(store_->flush()));
  faults_.all = true;
  std::thread caller([&] { (void)wait_for(store_->commit(chat_commit(new_run_id()))); });
  ASSERT_TRUE(becomes([&] { return mirror_->stats().failures > 1; }));
  mirror_->let_go();
  caller.join();
  const auto leaves = store_->stats().leaves;
  close();
  faults_.all = false;
  const std::string folder = Takeover::restored("again");
  const auto there = leaves_in(folder);
  const auto note = audit::TileFiles::open(data_ + "/audit")->read_note(audit::TileFiles::kCheckpoint);
  const auto head = audit::parse_tree_head(audit::parse_note(note)->text);
  ASSERT_TRUE(head);
  EXPECT_LT(there, leaves);
  EXPECT_LE(head->size, there);
}

TEST_F(Takeover, ARestoreDoesNotGiveTheNumberOfAnErasedValueToAnother) {
  open();
  store::Commit first;
  first.tokens.push_back({"acme", "[EMAIL_T1]", "p-1", "sealed"});
  ASSERT_TRUE(wait_for(store_->commit(std::move(first))));
  store::Commit erase;
  for (const auto& token : *wait_for(store_->tokens_of_subject("acme", "p-1", 10)))
    erase.erase_tokens.push_back(token.no);
  ASSERT_TRUE(wait_for(store_->commit(std::move(erase))));
  close();
  data_ = restored("again");
  open();
  ASSERT_EQ(opened_, Errc{0}) << why_;
  store::Commit second;
  second.tokens.push_back({"acme", "[EMAIL_T2]", "p-2", "another"});
  ASSERT_TRUE(wait_for(store_->commit(std::move(second))));
  close();
  data_ = restored("once more");
  open();
  EXPECT_EQ(wait_for(store_->find_token("acme", "[EMAIL_T2]")).value(), "another");
}

TEST_F(Takeover, ARestoreIsRefusedBesideWhatIsLeftOfAnotherDatabase) {
  open();
  add_runs(1);
  close();
  const std::string folder = scratch_.file("again");
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/signalbox.db-wal") << "of another one";
  const auto made = restore(**open_target(place_, {}), kKey, folder);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Errc::already_exists);
}

TEST_F(Takeover, WithThePlaceAwayForLongAnAsyncServerWorksOnAndASnapshotBringsItAll) {
  queue_bytes_ = 20'000;
  open(false);
  add_runs(2);
  ASSERT_TRUE(becomes([&] { return mirror_->stats().groups_mirrored == mirror_->stats().groups_committed; }));
  faults_.all = true;
  add_runs(60);  // more than is kept
  faults_.all = false;
  ASSERT_TRUE(becomes([&] { return mirror_->stats().groups_mirrored == mirror_->stats().groups_committed; }));
  close();
  EXPECT_TRUE(check(**open_target(place_, {}), kKey, data_)->ok());
  data_ = restored("again");
  open();
  for (const RunId& run : runs_) EXPECT_TRUE(wait_for(store_->load_run(run)));
}

TEST_F(Takeover, TheLogIsInTheMirrorWhileTheServerWorksWithoutAPause) {
  open(false);
  std::atomic<bool> enough = false;
  std::thread writer([&] {
    while (!enough) add_runs(1);
  });
  EXPECT_TRUE(becomes([&] { return std::filesystem::exists(place_ + "/audit/checkpoint"); }));
  enough = true;
  writer.join();
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
  ASSERT_TRUE(becomes([&] { return mirror_->stats().groups_mirrored == mirror_->stats().groups_committed; }));
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
  std::jthread writer([&] {
    for (; !enough; ++commits) {
      const RunId id = new_run_id();
      store::Commit commit = chat_commit(id);
      commit.create->data_key = "wrapped key";
      ASSERT_TRUE(wait_for(store_->commit(std::move(commit))));
      if (id.uuid.bytes[15] % 4 == 0) erase(id);
    }
  });
  for (int i = 1; i <= 3; ++i) {
    EXPECT_TRUE(becomes([&] { return commits > i * 20; }));
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
