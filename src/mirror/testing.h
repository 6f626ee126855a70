/// A mirror under test, in a folder that fails as networks do.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "audit/log.h"
#include "mirror/check.h"
#include "mirror/folder_target.h"
#include "mirror/mirror.h"
#include "mirror/restore.h"
#include "store/data_dir.h"
#include "store/sqlite/sqlite_store.h"
#include "store/testing.h"

namespace sb::mirror::testing {

using store::testing::chat_commit;
using store::testing::new_run_id;
using store::testing::TemporaryFolder;
using store::testing::wait_for;

inline const std::string kKey(32, 'k');

struct Faults {
  std::atomic<int> some{0};      ///< so many calls fail: before they did anything, or after
  std::atomic<bool> all{false};  ///< every call fails
  std::atomic<std::size_t> segments_listed{0};
  std::atomic<std::uint64_t> cut_after_group{
      0};  ///< every call does after the segment that ends with this group; 0: none
};

/// Another place, but for what a test changes of it.
class ForwardingTarget : public Target {
 public:
  explicit ForwardingTarget(std::unique_ptr<Target> inner) : inner_(std::move(inner)) {}
  Result<> put_new(const std::string& name, std::string_view bytes) override { return inner_->put_new(name, bytes); }
  Result<> put(const std::string& name, std::string_view bytes) override { return inner_->put(name, bytes); }
  Result<std::string> get(const std::string& name) override { return inner_->get(name); }
  Result<std::vector<std::string>> list(const std::string& prefix, const std::string& after) override {
    return inner_->list(prefix, after);
  }
  Result<> remove(const std::string& name) override { return inner_->remove(name); }
  Result<> forget(const std::string& name) override { return inner_->forget(name); }
  Result<> clean_up() override { return inner_->clean_up(); }
  void interrupt() override { inner_->interrupt(); }
  std::string name() const override { return inner_->name(); }

 protected:
  std::unique_ptr<Target> inner_;
};

class FaultyTarget final : public ForwardingTarget {
 public:
  FaultyTarget(std::unique_ptr<Target> inner, Faults& faults) : ForwardingTarget(std::move(inner)), faults_(faults) {}
  Result<> put_new(const std::string& name, std::string_view bytes) override {
    if (faults_.all || fault()) return fail(Errc::unavailable, "injected before");
    auto done = inner_->put_new(name, bytes);
    if (fault()) return fail(Errc::unavailable, "injected after");
    cut(name, bytes);
    return done;
  }
  Result<> put(const std::string& name, std::string_view bytes) override {
    if (faults_.all || fault()) return fail(Errc::unavailable, "injected");
    return inner_->put(name, bytes);
  }
  Result<std::string> get(const std::string& name) override {
    return faults_.all ? fail(Errc::unavailable, "injected") : inner_->get(name);
  }
  Result<std::vector<std::string>> list(const std::string& prefix, const std::string& after) override {
    if (faults_.all) return fail(Errc::unavailable, "injected");
    auto names = inner_->list(prefix, after);
    if (names && prefix == "segments/") faults_.segments_listed += names->size();
    return names;
  }
  Result<> remove(const std::string& name) override {
    return faults_.all ? fail(Errc::unavailable, "injected") : inner_->remove(name);
  }

 private:
  bool fault() { return faults_.some.load() > 0 && ++calls_ % 2 == 1 && faults_.some.fetch_sub(1) > 0; }
  void cut(const std::string& name, std::string_view bytes) {
    const auto plain = open_object(kKey, name, bytes);
    const std::uint64_t group = faults_.cut_after_group;
    if (group > 0 && plain && parse_segment(*plain)->last_group >= group) faults_.all = true;
  }
  Faults& faults_;
  int calls_ = 0;
};

/// A data directory, its mirror, and what a server has open of both.
class Box {
 public:
  explicit Box(std::string data, std::string place) : data_(std::move(data)), place_(std::move(place)) {}
  ~Box() { close(); }

  static constexpr Micros kDayUs = Micros{86'400} * 1'000'000;

  void open(bool before_ack = true, std::uint64_t snapshot_after = std::uint64_t{1} << 30) {
    make_mirror(before_ack, snapshot_after);
    open_store();
  }
  void make_mirror(bool before_ack = true, std::uint64_t snapshot_after = std::uint64_t{1} << 30) {
    const auto data = store::DataDir::open_or_create(data_, system_entropy());
    ASSERT_TRUE(data) << data.error().detail;
    MirrorOptions options;
    options.key = kKey;
    options.before_ack = before_ack;
    options.database = data->database();
    options.audit_folder = data->audit_folder();
    options.spool_folder = data_ + "/mirror-spool";
    options.on_end = [this](const Error& error) { ended_ = error.code; };
    options.secrets = {
        {"audit.seed", data->audit_seed()}, {"vault.key", data->vault_key()}, {"pepper", data->pepper()}};
    options.snapshot_after_bytes = snapshot_after;
    options.snapshot_after_us = snapshot_after_us_;
    options.keep_us = keep_us_;
    options.longest_pause = std::chrono::milliseconds(100);
    options.first_patience = std::chrono::milliseconds(500);
    options.patience_at_end = patience_;
    options.queue_bytes_max = queue_bytes_;
    auto target = std::make_unique<FaultyTarget>(*open_folder_target(place_), faults_);
    mirror_ = std::make_unique<Mirror>(std::move(target), std::move(options));
  }
  // What it answers is in opened_ and why_.
  void open_store() {
    const auto data = store::DataDir::open(data_);
    ASSERT_TRUE(data) << data.error().detail;
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
    ASSERT_NE(store_, nullptr) << why_;
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
    const auto made = [&] { return list_snapshots(*target)->size() >= count && !mirror_->stats().making_snapshot; };
    for (int i = 0; i < 1000 && !made(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
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
  std::string restored(const std::string& folder) {
    const auto report = restore(**open_target(place_, {}), kKey, folder);
    EXPECT_TRUE(report) << report.error().detail;
    return folder;
  }

  std::string data_;
  std::string place_;
  Faults faults_;
  Micros snapshot_after_us_ = kDayUs;
  Micros keep_us_ = 30 * kDayUs;
  std::chrono::milliseconds patience_{10'000};
  std::size_t queue_bytes_ = 128 << 20;
  std::unique_ptr<Mirror> mirror_;
  std::unique_ptr<audit::AuditLog> log_;
  std::unique_ptr<store::Store> store_;
  Errc opened_{};
  std::atomic<Errc> ended_{};
  std::string why_;
  std::vector<RunId> runs_;
};

class Mirrored : public ::testing::Test, public Box {
 protected:
  Mirrored() : Box("", "") {
    data_ = scratch_.file("data");
    place_ = scratch_.file("mirror");
  }
  ~Mirrored() override { close(); }

  std::string restored(const std::string& name) { return Box::restored(scratch_.file(name)); }

  TemporaryFolder scratch_;
};

}  // namespace sb::mirror::testing
