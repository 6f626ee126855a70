#include "mirror/mirror.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "audit/verify.h"
#include "mirror/prune.h"
#include "mirror/testing.h"

namespace sb::mirror {
namespace {

using namespace testing;

TEST_F(Mirrored, ALostMachineIsMadeAgainWithEveryRunThatWasAcknowledged) {
  open();
  add_runs(40);
  ASSERT_TRUE(wait_for(store_->flush()));
  faults_.all = true;  // cut off while it runs: whatever it still does, the mirror hears no more
  const std::string folder = restored("again");
  close();
  faults_.all = false;
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

TEST_F(Mirrored, WhatWakesARunAtRestIsInWhatIsMadeAgain) {
  open();
  const auto rest = [&](store::WakeUp wake) {
    store::Commit commit = chat_commit(new_run_id());
    commit.create->status = store::RunStatus::waiting;
    commit.create->data_key = "wrapped key";
    commit.wake = std::move(wake);
    const RunId id = commit.create->id;
    EXPECT_TRUE(wait_for(store_->commit(std::move(commit))));
    return id;
  };
  const RunId sleeps = rest({5'000'000, {}}), listens = rest({0, {"order"}});
  close();
  EXPECT_TRUE(check(*open_target(place_, {}).value(), kKey, data_)->ok());
  data_ = restored("again");
  open();
  ASSERT_EQ(opened_, Errc{0}) << why_;
  const auto timers = wait_for(store_->timers({}, 10));
  ASSERT_EQ(timers->size(), 1U);
  EXPECT_EQ(timers->at(0).run, sleeps);
  const auto listeners = wait_for(store_->listeners("acme", "order", 0, 10));
  ASSERT_EQ(listeners->size(), 1U);
  EXPECT_EQ(listeners->at(0).run, listens);
}

TEST_F(Mirrored, WhatRunsHaveToTellIsInWhatIsMadeAgainAndWhatWasToldIsNot) {
  open();
  store::Commit commit = chat_commit(new_run_id());
  commit.create->data_key = "wrapped key";
  commit.outbox = {{0, commit.create->id, 1, "told"}, {0, commit.create->id, 2, "waits"}};
  ASSERT_TRUE(wait_for(store_->commit(std::move(commit))));
  store::Commit told;
  told.told = {wait_for(store_->outbox(0, 10))->at(0).no};
  ASSERT_TRUE(wait_for(store_->commit(std::move(told))));
  close();
  EXPECT_TRUE(check(*open_target(place_, {}).value(), kKey, data_)->ok());
  data_ = restored("again");
  open();
  ASSERT_EQ(opened_, Errc{0}) << why_;
  const auto rows = wait_for(store_->outbox(0, 10));
  ASSERT_EQ(rows->size(), 1U);
  EXPECT_EQ(rows->at(0).sealed, "waits");
}

TEST_F(Mirrored, WhatIsNotedOnRunsIsInWhatIsMadeAgainAndWhatWasErasedIsNot) {
  open();
  std::vector<RunId> runs;
  for (int i = 0; i < 2; ++i) {
    store::Commit commit = chat_commit(runs.emplace_back(new_run_id()));
    commit.create->data_key = "wrapped key";
    commit.notes = {{store::NoteKind::tag, "team", "mark", "beta"}, {store::NoteKind::annotation, "a", "", "words"}};
    store::LabelRow label;
    label.id = "label " + std::to_string(i);
    label.sealed = "sealed";
    commit.labels = {std::move(label)};
    ASSERT_TRUE(wait_for(store_->commit(std::move(commit))));
  }
  store::Commit erasure;
  erasure.erase = {runs[1]};
  ASSERT_TRUE(wait_for(store_->commit(std::move(erasure))));
  close();
  EXPECT_TRUE(check(*open_target(place_, {}).value(), kKey, data_)->ok());
  data_ = restored("again");
  open();
  ASSERT_EQ(opened_, Errc{0}) << why_;
  EXPECT_EQ(wait_for(store_->notes(runs[0]))->size(), 2U);
  EXPECT_TRUE(wait_for(store_->notes(runs[1]))->empty());
  store::RunFilter filter;
  filter.tag = "mark";
  EXPECT_EQ(wait_for(store_->list_runs(filter))->size(), 1U);
  const auto labels = wait_for(store_->labels({}));
  ASSERT_EQ(labels->size(), 1U);
  EXPECT_EQ(labels->at(0).run, runs[0]);
  EXPECT_EQ(labels->at(0).data_key, "wrapped key");
}

TEST_F(Mirrored, FaultsOfThePlaceOnlyAddLagAndLoseNothing) {
  open(false);
  faults_.some = 7;
  add_runs(10);
  close();
  EXPECT_LE(faults_.some.load(), 0);
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
  const SnapshotId newest = list_snapshots(*target)->back();
  EXPECT_TRUE(prunable(*target, kKey, newest, system_clock().now_us() - kDayUs)->empty());
  EXPECT_EQ(count("segments/"), segments);
  const auto groups = *list_snapshots(*target);
  const Micros first = read_snapshot(*target, kKey, groups[0])->time_us;
  const Micros second = read_snapshot(*target, kKey, groups[1])->time_us;
  ASSERT_LT(first, second);
  EXPECT_EQ(prunable(*target, kKey, newest, second - 1)->size(), 1U)
      << "the way since then begins at the first, after a segment";
  const auto old = *prunable(*target, kKey, newest, second);
  EXPECT_GT(old.size(), 1U);
  for (const std::string& name : old) ASSERT_TRUE(target->remove(name));
  EXPECT_EQ(list_snapshots(*target)->front(), groups[1]);
  data_ = restored("again");
  open();
  for (const RunId& run : runs_) EXPECT_TRUE(wait_for(store_->load_run(run)));
}

TEST_F(Mirrored, ASnapshotThatDoesNotReadBackReplacesNothing) {
  open();
  add_runs(3);
  close();
  // A piece that is not what was written: another one of the same name, sealed by the same key.
  class Liar final : public testing::ForwardingTarget {
   public:
    using ForwardingTarget::ForwardingTarget;
    Result<std::string> get(const std::string& name) override {
      return name.ends_with("/0") ? seal_object(kKey, name, "not the database", system_entropy()) : inner_->get(name);
    }
  } liar(*open_target(place_, {}));
  const auto before = *list_snapshots(liar);
  SnapshotJob job(liar, kKey, data_ + "/signalbox.db", "01234567", 3, {});
  Result<bool> done = false;
  while (done && !*done) done = job.step(std::chrono::milliseconds(100));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::corrupt);
  EXPECT_EQ(*list_snapshots(liar), before);
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
  std::filesystem::remove_all(data_ + "/mirror-spool");
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
