// What a restore and a check make of a mirror that is damaged, or of a folder that is not empty.
#include <filesystem>
#include <fstream>
#include <functional>

#include "audit/tile_files.h"
#include "audit/verify.h"
#include "audit/verify_log.h"
#include "mirror/key_lists.h"
#include "mirror/mirrored_log.h"
#include "mirror/scratch_folder.h"
#include "mirror/testing.h"

namespace sb::mirror {
namespace {

using namespace testing;
namespace fs = std::filesystem;
using std::chrono::milliseconds;

class Damaged : public Mirrored {
 protected:
  Damaged() { patience_ = milliseconds(200); }

  static std::uint64_t leaves_under(const std::string& checkpoint) {
    return sb::mirror::leaves_under(audit::read_whole_file(checkpoint, 64 * 1024).value_or(""));
  }
  void wait_for_log(std::uint64_t leaves) {
    const auto there = [&] { return leaves_under(place_ + "/audit/checkpoint") >= leaves; };
    for (int i = 0; i < 1000 && !there(); ++i) std::this_thread::sleep_for(milliseconds(10));
    ASSERT_TRUE(there());
  }
  // With a snapshot, lists, a published log, and segments that know of it.
  void make() {
    open();
    add_runs(6);
    wait_for_log(30);
    wait_for_snapshots(1);
    add_runs(2);
    wait_for_log(40);
    add_runs(1);
    close();
  }
  static void flip(const std::string& path) {
    std::string bytes = *audit::read_whole_file(path, 1 << 30);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  static std::vector<std::string> files_in(const std::string& folder) {
    std::vector<std::string> files;
    for (const auto& file : fs::recursive_directory_iterator(folder)) {
      if (file.is_regular_file()) files.push_back(file.path().string());
    }
    std::ranges::sort(files);
    return files;
  }
  // A snapshot's lists come first, though their names sort last: the first start's may have a run or two.
  static std::string newest_list(const std::string& mirror) {
    const auto lists = files_in(mirror + "/keys");
    return *std::ranges::max_element(lists, {}, [](const std::string& list) { return parse_list_name(list); });
  }
  static std::string newest_bundle(const std::string& mirror) {
    const std::uint64_t leaves = leaves_under(mirror + "/audit/checkpoint");
    return mirror + "/audit/" + audit::TileId{audit::TileId::kEntries, 0, static_cast<unsigned>(leaves)}.path();
  }
  // The mirror, with one thing done to it.
  std::string with(const std::string& name, const std::function<void(const std::string&)>& damage) {
    std::string copy = scratch_.file("damaged " + name);
    fs::copy(place_, copy, fs::copy_options::recursive);
    damage(copy);
    return copy;
  }

  struct Damage {
    const char* name;
    std::function<void(const std::string&)> done;
  };
  static std::vector<Damage> losses() {
    return {
        {"the last segments are gone",
         [](const std::string& m) {
           const auto segments = files_in(m + "/segments");
           for (std::size_t i = segments.size() - 4; i < segments.size(); ++i) fs::remove(segments[i]);
         }},
        {"a segment in between is gone",
         [](const std::string& m) { fs::remove(m + "/" + segment_name(files_in(m + "/segments").size() - 2)); }},
        {"the tree head is flipped", [](const std::string& m) { flip(m + "/audit/checkpoint"); }},
        {"the tree head is gone", [](const std::string& m) { fs::remove(m + "/audit/checkpoint"); }},
        {"a list of keys is gone", [](const std::string& m) { fs::remove(newest_list(m)); }},
        {"a list of keys is flipped", [](const std::string& m) { flip(newest_list(m)); }},
        {"all lists of keys are gone", [](const std::string& m) { fs::remove_all(m + "/keys"); }},
    };
  }
};

TEST_F(Damaged, WhatIsMissingIsSaidAndNothingIsMade) {
  make();
  for (const Damage& damage : losses()) {
    SCOPED_TRACE(damage.name);
    const std::string folder = scratch_.file(std::string("new ") + damage.name);
    const auto made = restore(**open_target(with(damage.name, damage.done), {}), kKey, folder);
    EXPECT_FALSE(made);
    EXPECT_FALSE(fs::exists(folder));
    fs::create_directories(folder);
    EXPECT_FALSE(restore(**open_target(scratch_.file(std::string("damaged ") + damage.name), {}), kKey, folder));
    EXPECT_TRUE(fs::is_empty(folder)) << "nor in a folder that was there";
  }
}

TEST_F(Damaged, WhatIsLeftIsRestoredForWhoAcceptsTheLoss) {
  make();
  for (const Damage& damage : losses()) {
    SCOPED_TRACE(damage.name);
    Box box(scratch_.file(std::string("new ") + damage.name), scratch_.file(std::string("mirror of ") + damage.name));
    const auto made =
        restore(**open_target(with(damage.name, damage.done), {}), kKey, box.data_, {.accept_loss = true});
    ASSERT_TRUE(made) << made.error().detail;
    EXPECT_FALSE(made->losses.empty());
    box.open();
    ASSERT_EQ(box.opened_, Errc{0}) << box.why_;
    EXPECT_TRUE(wait_for(box.store_->load_run(runs_[0])));
  }
}

TEST_F(Damaged, AfterALossWasAcceptedTheFirstStartMakesTheMirrorWhole) {
  make();
  const std::string damaged = with("no lists", [](const std::string& m) { fs::remove_all(m + "/keys"); });
  Box box(scratch_.file("new"), damaged);
  ASSERT_TRUE(restore(**open_target(damaged, {}), kKey, box.data_, {.accept_loss = true}));
  box.open();
  ASSERT_EQ(box.opened_, Errc{0}) << box.why_;
  box.add_runs(1);
  const auto is_whole = [&] { return check(**open_target(damaged, {}), kKey, box.data_)->ok(); };
  for (int i = 0; i < 100 && !is_whole(); ++i) std::this_thread::sleep_for(milliseconds(50));
  EXPECT_TRUE(is_whole());
}

// It would be tried for ever, and the person's key be in what is left of the list.
TEST_F(Damaged, AnErasureGoesOnWhereAListOfKeysIsDamaged) {
  open();
  add_runs(4);
  wait_for_log(20);
  const std::string list = newest_list(place_);
  flip(list);
  store::Commit erase;
  erase.erase = {runs_.back()};
  erase.leaves.emplace_back().kind = "erasure";
  erase.leaves.back().summary = R"({"runs":1})";
  ASSERT_TRUE(wait_for(store_->commit(std::move(erase))));
  EXPECT_FALSE(fs::exists(list));
  const auto is_whole = [&] { return check(**open_target(place_, {}), kKey, data_)->ok(); };
  for (int i = 0; i < 100 && !is_whole(); ++i) std::this_thread::sleep_for(milliseconds(50));
  EXPECT_TRUE(is_whole()) << "a snapshot has what else was in it";
}

class Counting final : public ForwardingTarget {
 public:
  using ForwardingTarget::ForwardingTarget;
  Result<std::string> get(const std::string& name) override {
    ++waits;
    return inner_->get(name);
  }
  Result<std::vector<std::string>> get_all(std::span<const std::string> names) override {
    ++waits;
    return inner_->get_all(names);
  }
  int waits = 0;
};

// Each wait is a way to S3 and back: a log of a million leaves has eight thousand tiles.
TEST_F(Damaged, ALogInAMirrorIsReadManyTilesAtATime) {
  open(false);
  store::Commit notes;
  notes.leaves.resize(40 * 256 + 3);
  for (store::LeafDraft& leaf : notes.leaves) leaf.kind = "note";
  ASSERT_TRUE(wait_for(store_->commit(std::move(notes))));
  wait_for_log(40 * 256 + 3);
  const std::string key_of_log = log_->verifier().to_string();
  close();
  Counting target(*open_folder_target(place_));
  const auto report = audit::verify_log(*log_in(target), *audit::NoteVerifier::parse(key_of_log), {});
  ASSERT_TRUE(report) << report.error().detail;
  EXPECT_TRUE(report->ok()) << report->problems.front();
  EXPECT_EQ(report->checked, 40U * 256 + 3);
  EXPECT_LT(target.waits, 20) << "40 bundles, 40 tiles and more";
}

TEST_F(Damaged, TimeStampsComeBackWithTheLog) {
  open();
  add_runs(2);
  wait_for_log(10);
  close();
  fs::create_directories(place_ + "/audit/timestamp");
  for (const char* name : {"newest", "5", "5.tsr", "..x"}) std::ofstream(place_ + "/audit/timestamp/" + name) << name;
  const std::string folder = restored("again");
  EXPECT_EQ(audit::read_whole_file(folder + "/audit/timestamp/5.tsr", 100), "5.tsr");
  EXPECT_EQ(audit::read_whole_file(folder + "/audit/timestamp/newest", 100), "newest");
  EXPECT_FALSE(fs::exists(folder + "/audit/timestamp/..x"));
}

TEST_F(Damaged, LostKeysAreCountedByTheirRunsAndErasedOnesAreNotLost) {
  open();
  add_runs(3);
  store::Commit erase;
  erase.erase = {runs_[0]};
  ASSERT_TRUE(wait_for(store_->commit(std::move(erase))));
  close();
  const auto whole = restore(**open_target(place_, {}), kKey, scratch_.file("whole"));
  ASSERT_TRUE(whole) << whole.error().detail;
  EXPECT_EQ(whole->erased_runs, 1U);
  EXPECT_EQ(whole->keys, 2U);
  const std::string damaged = with("no lists", [](const std::string& m) { fs::remove_all(m + "/keys"); });
  const auto made = restore(**open_target(damaged, {}), kKey, scratch_.file("new"), {.accept_loss = true});
  ASSERT_TRUE(made) << made.error().detail;
  ASSERT_EQ(made->losses.size(), 2U);
  EXPECT_NE(made->losses[1].find("the keys of 2 runs"), std::string::npos) << made->losses[1];
}

TEST_F(Damaged, WithoutItsSecretsAMirrorIsRestoredToKeysThatAPersonHas) {
  make();
  const std::string damaged = with("no secrets", [](const std::string& m) { fs::remove(m + "/secrets"); });
  const std::string folder = scratch_.file("new");
  EXPECT_FALSE(restore(**open_target(damaged, {}), kKey, folder));
  fs::create_directories(folder);
  fs::copy(data_ + "/keys", folder + "/keys");
  const auto made = restore(**open_target(damaged, {}), kKey, folder);
  ASSERT_TRUE(made) << made.error().detail;
}

TEST_F(Damaged, ACheckFindsWhatARestoreWouldLack) {
  make();
  std::vector<Damage> damages = losses();
  damages.push_back({"the secrets are gone", [](const std::string& m) { fs::remove(m + "/secrets"); }});
  damages.push_back({"the secrets are flipped", [](const std::string& m) { flip(m + "/secrets"); }});
  damages.push_back({"a tile is flipped", [](const std::string& m) { flip(newest_bundle(m)); }});
  damages.push_back({"the tiles are gone", [](const std::string& m) { fs::remove_all(m + "/audit/tile"); }});
  EXPECT_TRUE(check(**open_target(place_, {}), kKey, data_)->ok());
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.name);
    const auto report = check(**open_target(with(damage.name, damage.done), {}), kKey, data_);
    EXPECT_FALSE(report && report->ok());
  }
}

TEST_F(Damaged, OtherKeysThanTheMirrorsAreFoundByACheck) {
  make();
  flip(data_ + "/keys/pepper");
  EXPECT_FALSE(check(**open_target(place_, {}), kKey, data_)->ok());
}

TEST_F(Damaged, ARestoredRecordVerifiesBeforeAnyServerWasStarted) {
  make();
  const std::string folder = restored("again");
  const auto log = audit::open_log_folder(folder + "/audit");
  const auto key = *audit::AuditLog::create(store::DataDir::open(folder)->audit_seed());
  const auto report = audit::verify_log(*log, key->verifier(), {});
  ASSERT_TRUE(report) << report.error().detail;
  EXPECT_TRUE(report->ok()) << (report->problems.empty() ? "" : report->problems.front());
  EXPECT_GE(report->leaves, 40U);
}

// Power went, and the mirror's thread is at work before the log has written its files again.
TEST_F(Damaged, ALogThatPowerLossToreIsNotMirrored) {
  make();
  const auto mirrored = [&](const std::string& place) {
    place_ = place;
    make_mirror();
    const std::string lineage(16, 'l');
    EXPECT_TRUE(mirror_->opened({0, {}, lineage, {lineage}, 0, {}}));  // and nobody opens the log
    const auto there = [&] { return fs::exists(place + "/audit/checkpoint"); };
    for (int i = 0; i < 250 && !there(); ++i) std::this_thread::sleep_for(milliseconds(10));
    mirror_.reset();
    return there();
  };
  EXPECT_TRUE(mirrored(scratch_.file("sound")));
  const std::string bundle = newest_bundle(data_);
  fs::resize_file(bundle, fs::file_size(bundle) / 2);
  EXPECT_FALSE(mirrored(scratch_.file("torn")));
}

class RestoreInPlace : public Damaged {
 protected:
  void lose_database() {
    for (const char* name : {"", "-wal", "-shm"}) fs::remove(data_ + "/signalbox.db" + name);
  }
  // The mirror has ten leaves; a tree head over thirty was shown, and the database with them is gone.
  void lose_what_only_this_machine_showed() {
    open(false);
    add_runs(2);
    wait_for_log(10);
    faults_.all = true;
    add_runs(4);
    ASSERT_TRUE(wait_for(store_->flush()));
    close();
    faults_.all = false;
    lose_database();
  }
};

// The published log and the keys survived; some of what was shown was on this machine alone.
TEST_F(RestoreInPlace, ATreeHeadThatTheMirrorDoesNotLeadToIsNotWrittenOver) {
  lose_what_only_this_machine_showed();
  const std::string shown = *audit::read_whole_file(data_ + "/audit/checkpoint", 4096);
  ASSERT_EQ(leaves_under(data_ + "/audit/checkpoint"), 30U);
  const auto before = files_in(data_);
  EXPECT_FALSE(restore(**open_target(place_, {}), kKey, data_));
  EXPECT_EQ(*audit::read_whole_file(data_ + "/audit/checkpoint", 4096), shown);
  EXPECT_EQ(files_in(data_), before);
}

TEST_F(RestoreInPlace, ATreeHeadThatAWitnessCosignedIsKept) {
  lose_what_only_this_machine_showed();
  fs::create_directories(data_ + "/audit/.witness");
  fs::rename(data_ + "/audit/checkpoint", data_ + "/audit/.witness/0123456789abcdef");
  EXPECT_FALSE(restore(**open_target(place_, {}), kKey, data_));
}

TEST_F(RestoreInPlace, WhatIsThereStaysWhereTheMirrorLeadsToIt) {
  make();
  lose_database();
  const std::string seed = *audit::read_whole_file(data_ + "/keys/audit.seed", 64);
  fs::create_directories(data_ + "/audit/.witness");
  fs::copy(data_ + "/audit/checkpoint", data_ + "/audit/.witness/0123456789abcdef");
  const std::uint64_t shown = leaves_under(data_ + "/audit/checkpoint");
  const auto made = restore(**open_target(place_, {}), kKey, data_);
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_EQ(leaves_under(data_ + "/audit/checkpoint"), shown);
  EXPECT_EQ(leaves_under(data_ + "/audit/.witness/0123456789abcdef"), shown);
  EXPECT_EQ(*audit::read_whole_file(data_ + "/keys/audit.seed", 64), seed);
  open();
  ASSERT_EQ(opened_, Errc{0}) << why_;
  for (const RunId& run : runs_) EXPECT_TRUE(wait_for(store_->load_run(run)));
}

TEST_F(RestoreInPlace, OverKeysOfAnotherRecordNothingIsRestored) {
  make();
  const std::string folder = scratch_.file("another");
  ASSERT_TRUE(store::DataDir::open_or_create(folder, system_entropy()));
  const auto before = files_in(folder);
  EXPECT_FALSE(restore(**open_target(place_, {}), kKey, folder));
  EXPECT_EQ(files_in(folder), before);
}

TEST_F(RestoreInPlace, WhatAKillLeftAtItsEndIsServedByNobodyAndSaidToTheNextRestore) {
  make();
  const std::string folder = restored("cut off");
  fs::create_directories(folder + "/" + kRestoreFolder);
  fs::rename(folder + "/keys", folder + "/" + kRestoreFolder + "/keys");  // they come last
  EXPECT_FALSE(store::DataDir::open_or_create(folder, system_entropy()));
  const auto again = restore(**open_target(place_, {}), kKey, folder);
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().detail.find("cut off at its end"), std::string::npos) << again.error().detail;
}

TEST_F(Damaged, WhatAKilledCheckOrRestoreLeftGoesWithTheNextStart) {
  open();
  add_runs(1);
  close();
  for (const char* left : {kCheckFolder, kRestoreFolder}) {
    fs::create_directories(data_ + "/" + left);
    std::ofstream(data_ + "/" + left + "/signalbox.db") << "with keys";
  }
  const auto at_work = ScratchFolder::create(data_ + "/" + kCheckFolder);
  ASSERT_TRUE(at_work);
  EXPECT_FALSE(fs::exists(at_work->file("signalbox.db")));
  EXPECT_EQ(ScratchFolder::create(data_ + "/" + kCheckFolder).error().code, Errc::conflict);
  open();
  EXPECT_TRUE(fs::exists(data_ + "/" + kCheckFolder)) << "somebody works there";
  EXPECT_FALSE(fs::exists(data_ + "/" + kRestoreFolder));
}

// Whoever is killed while a mirror is checked must not leave keys where no erasure finds them.
TEST_F(Damaged, WhileAMirrorIsComparedNoFileHoldsItsKeys) {
  make();
  class Watch final : public testing::ForwardingTarget {
   public:
    Watch(std::unique_ptr<Target> inner, std::string folder)
        : ForwardingTarget(std::move(inner)), folder_(std::move(folder)) {}
    Result<std::vector<std::string>> list(const std::string& prefix, const std::string& after) override {
      for (const std::string& file : files_in(folder_)) {
        const auto bytes = audit::read_whole_file(file, 1 << 30);
        const bool is_live = file.find("/signalbox.db") != std::string::npos;
        if (bytes && !is_live && bytes->find("wrapped key 0") != std::string::npos) found_ = file;
        was_there_ |= bytes && !is_live && bytes->find("small-a") != std::string::npos;
      }
      return inner_->list(prefix, after);
    }
    std::string found_;
    bool was_there_ = false;

   private:
    const std::string folder_;
  } watch(*open_target(place_, {}), data_);
  EXPECT_TRUE(check(watch, kKey, data_)->ok());
  EXPECT_TRUE(watch.was_there_) << "the database in the making was looked at";
  EXPECT_EQ(watch.found_, "");
}

}  // namespace
}  // namespace sb::mirror
