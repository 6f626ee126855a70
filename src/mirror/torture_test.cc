// A server's store, record and mirror on a disk that dies, tears, loses and fills up by plan; then the next start.
//
// After each crash: everything acknowledged is there, whole and once; what was refused is not; the record verifies and
// continues every tree head that anybody may have seen; the mirror is the store, and a restore from it has it all. What
// the crash left of the mirror restores too, to a record that verifies; with before-ack to everything.
//
//   SB_TORTURE_SEEDS=1000 build/release/src/mirror/mirror_test --gtest_filter='Torture.*'
//   SB_SEED=17 ...             that crash again
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "audit/log.h"
#include "audit/merkle.h"
#include "audit/tile.h"
#include "audit/verify.h"
#include "audit/verify_log.h"
#include "base/log.h"
#include "mirror/check.h"
#include "mirror/folder_target.h"
#include "mirror/mirror.h"
#include "mirror/restore.h"
#include "mirror/testing.h"
#include "store/data_dir.h"
#include "store/sqlite/codec.h"
#include "store/sqlite/sqlite_store.h"
#include "store/testing.h"
#include "testing/fault_disk.h"

namespace sb::mirror {
namespace {

namespace fs = std::filesystem;
using sb::testing::FaultDisk;
using store::testing::TemporaryFolder;
using store::testing::wait_for;
using testing::kKey;
using Steady = std::chrono::steady_clock;

constexpr std::chrono::seconds kLong{60};  // on a machine that does other things

// A service that now and then does not answer: before it did what was asked, or after.
class FlakyTarget final : public testing::ForwardingTarget {
 public:
  FlakyTarget(std::unique_ptr<Target> inner, std::uint64_t seed) : ForwardingTarget(std::move(inner)), entropy_(seed) {}
  Result<> put_new(const std::string& name, std::string_view bytes) override {
    return flaky([&] { return inner_->put_new(name, bytes); });
  }
  Result<> put(const std::string& name, std::string_view bytes) override {
    if (name.starts_with("audit/")) return inner_->put(name, bytes);
    return flaky([&] { return inner_->put(name, bytes); });
  }
  Result<std::string> get(const std::string& name) override {
    return flaky([&] { return inner_->get(name); });
  }
  Result<std::vector<std::string>> list(const std::string& prefix, const std::string& after) override {
    return flaky([&] { return inner_->list(prefix, after); });
  }
  Result<> remove(const std::string& name) override {
    return flaky([&] { return inner_->remove(name); });
  }
  Result<> forget(const std::string& name) override {
    return flaky([&] { return inner_->forget(name); });
  }
  Result<> clean_up() override {
    return flaky([&] { return inner_->clean_up(); });
  }

 private:
  template <class Work>
  auto flaky(Work work) -> decltype(work()) {
    const auto drawn = entropy_.next_u64() % 24;
    if (drawn == 0) return fail(Errc::unavailable, "injected before");
    auto done = work();
    if (drawn == 1) return fail(Errc::unavailable, "injected after");
    return done;
  }
  SeededEntropy entropy_;
};

struct Plan {
  bool before_ack = true;
  bool flaky = false;
  bool power_loss = false;
  bool sync_tiles = false;
  std::uint64_t snapshot_after_bytes = 0;
  std::uint64_t seed = 0;
};

// One life of a server's process over `root`: root/data, root/mirror.
class Life {
 public:
  Life(std::string root, const Plan& plan, const FaultDisk& disk) : root_(std::move(root)), plan_(plan), disk_(disk) {}
  ~Life() {
    undertaker_ = {};
    if (mirror_) mirror_->let_go();
    store_.reset();
    log_.reset();
    mirror_.reset();
  }

  Result<> start() {
    SB_TRY(const auto data, store::DataDir::open_or_create(root_ + "/data", system_entropy()));
    SB_TRY(std::unique_ptr<Target> target, open_folder_target(root_ + "/mirror"));
    if (plan_.flaky) target = std::make_unique<FlakyTarget>(std::move(target), plan_.seed);
    MirrorOptions options;
    options.key = kKey;
    options.before_ack = plan_.before_ack;
    options.database = data.database();
    options.audit_folder = data.audit_folder();
    options.spool_folder = data.path() + "/mirror-spool";
    options.on_end = [](const Error& error) { ADD_FAILURE() << error.detail; };
    options.secrets = {{"audit.seed", data.audit_seed()}, {"vault.key", data.vault_key()}, {"pepper", data.pepper()}};
    options.snapshot_after_bytes = plan_.snapshot_after_bytes;
    options.longest_pause = std::chrono::milliseconds(20);
    options.patience_at_end = std::chrono::milliseconds(0);
    mirror_ = std::make_unique<Mirror>(std::move(target), std::move(options));
    undertaker_ = std::jthread([this](const std::stop_token& stop) { let_go_when_dead(stop); });
    audit::AuditLogOptions log_options{.origin = {}, .folder = data.audit_folder()};
    log_options.publish.delay = std::chrono::milliseconds(0);
    if (plan_.sync_tiles) log_options.publish.sync_every = std::chrono::seconds(0);
    SB_TRY(log_, audit::AuditLog::create(data.audit_seed(), std::move(log_options)));
    store::SqliteOptions store_options;
    store_options.path = data.database();
    store_options.sink = mirror_.get();
    store_options.min_free_disk_bytes = 0;
    SB_TRY(store_, store::open_sqlite_store(std::move(store_options), *log_));
    return {};
  }

  store::Store& store() { return *store_; }
  const audit::NoteVerifier& key() const { return log_->verifier(); }

  /// All threads have done what there is to do: the same operations in the same order, each time.
  void settle() {
    const auto end = Steady::now() + kLong;
    const auto settled = [&] {
      if (!has_snapshot_ && !(has_snapshot_ = has_whole_snapshot())) return false;
      const MirrorStats stats = mirror_->stats();
      return !stats.making_snapshot && log_->shown() >= store_->stats().leaves &&
             stats.groups_mirrored >= stats.groups_committed;
    };
    bool was_settled = false;  // asked again, a snapshot that became due by what was sent last may have begun
    while (!disk_.dead() && !(was_settled = settled()) && Steady::now() < end)
      std::this_thread::sleep_for(std::chrono::microseconds(300));
    ASSERT_TRUE(disk_.dead() || was_settled) << "the record or the mirror stands still";
  }

 private:
  bool has_whole_snapshot() const {
    std::error_code none_yet;
    for (const auto& snapshot : fs::directory_iterator(root_ + "/mirror/snapshots", none_yet)) {
      if (fs::exists(snapshot.path() / "manifest")) return true;
    }
    return false;
  }

  // Who waits for the mirror of a dead process would wait for ever.
  void let_go_when_dead(const std::stop_token& stop) {
    while (!stop.stop_requested() && !disk_.dead()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (disk_.dead()) mirror_->let_go();
  }

  const std::string root_;
  const Plan plan_;
  const FaultDisk& disk_;
  bool has_snapshot_ = false;
  std::unique_ptr<Mirror> mirror_;
  std::unique_ptr<audit::AuditLog> log_;
  std::unique_ptr<store::Store> store_;
  std::jthread undertaker_;
};

// What must be there, by the answers alone.
struct Model {
  struct Run {
    RunId id;
    bool ended = false;
    bool erased = false;
  };
  std::vector<Run> runs;
  std::uint64_t leaves = 0;
  std::vector<RunId> refused;     ///< answered with an error, by a process that lived on
  std::optional<RunId> doubtful;  ///< of the commit that the crash cut off
  std::uint64_t doubtful_leaves = 0;
  std::vector<std::string> heads;  ///< every tree head that was shown

  std::vector<Run*> those(bool ended) {
    std::vector<Run*> found;
    for (Run& run : runs) {
      if (run.ended == ended && !run.erased) found.push_back(&run);
    }
    return found;
  }
};

class Work {
 public:
  Work(Life& life, Model& model, FaultDisk& disk, std::uint64_t seed)
      : life_(life), model_(model), disk_(disk), entropy_(seed) {}

  void commits(int count) {
    for (int i = 0; i < count && !disk_.dead(); ++i) {
      one();
      life_.settle();
      if (::testing::Test::HasFatalFailure()) return;
    }
  }

 private:
  std::uint64_t draw(std::uint64_t below) { return entropy_.next_u64() % below; }

  void one() {
    const auto open = model_.those(false);
    const auto ended = model_.those(true);
    const std::uint64_t kind = draw(10);
    if (kind < 2 && !open.empty()) return end(*open[draw(open.size())]);
    if (kind < 4 && !ended.empty()) return erase(*ended[draw(ended.size())]);
    if (kind < 5) return notes();
    begin(kind < 7);
  }

  // A run from start to end in one commit, or its start alone.
  void begin(bool whole) {
    const RunId id = store::testing::new_run_id();
    store::Commit commit = store::testing::chat_commit(id);
    commit.create->data_key = "wrapped key of " + id.to_string();
    commit.create->subject = "p";
    if (!whole) {
      commit.create->status = store::RunStatus::running;
      commit.create->output.clear();
      commit.steps.clear();
      commit.leaves = {store::testing::start_leaf(*commit.create)};
    }
    const std::uint64_t leaves = commit.leaves.size();
    if (told(std::move(commit), id, leaves)) model_.runs.push_back({id, whole, false});
  }

  void end(Model::Run& run) {
    store::Commit commit = store::testing::chat_commit(run.id);
    std::swap(commit.create, commit.update);
    if (told(std::move(commit), run.id, 5)) run.ended = true;
  }

  void erase(Model::Run& run) {
    store::Commit commit;
    commit.erase = {run.id};
    commit.leaves.emplace_back().kind = "erasure";
    commit.leaves.back().summary = R"({"runs":1})";
    if (!told(std::move(commit), run.id, 1)) return;
    run.erased = true;
    (void)wait_for(life_.store().scrub());
  }

  // Enough leaves that tiles become full.
  void notes() {
    store::Commit commit;
    commit.leaves.resize(100 + draw(150));
    for (store::LeafDraft& leaf : commit.leaves) leaf.kind = "note";
    const std::uint64_t leaves = commit.leaves.size();
    told(std::move(commit), {}, leaves);
  }

  // Whether it was acknowledged, at the latest by a flush.
  bool told(store::Commit commit, RunId run, std::uint64_t leaves) {
    if (draw(4) == 0) commit.durability = store::Durability::async;
    const bool is_async = commit.durability == store::Durability::async;
    const bool is_new = commit.create.has_value();
    Result<> answer = wait_for(life_.store().commit(std::move(commit)));
    if (is_async && answer) answer = flush_until_done();
    if (disk_.dead()) {
      model_.doubtful = run;
      model_.doubtful_leaves = leaves;
      return false;
    }
    if (answer) model_.leaves += leaves;
    if (!answer && is_new) model_.refused.push_back(run);
    return answer.has_value();
  }

  // What was acknowledged early is held while the disk is full, and written when it is not.
  Result<> flush_until_done() {
    for (;;) {
      const Result<> done = wait_for(life_.store().flush());
      if (done || disk_.dead()) return done;
    }
  }

  Life& life_;
  Model& model_;
  FaultDisk& disk_;
  SeededEntropy entropy_;
};

std::string first_problem(const auto& report) {
  if (!report) return report.error().detail;
  return report->problems.empty() ? "" : report->problems.front();
}

// The published leaves, hashed into a tree that knows its root at every size.
audit::MerkleTree published_tree(const std::string& audit_folder, std::uint64_t leaves) {
  audit::MerkleTree tree;
  const auto source = audit::open_log_folder(audit_folder);
  while (tree.size() < leaves) {
    const auto width = static_cast<unsigned>(std::min(audit::kTileWidth, leaves - tree.size()));
    const auto bundle = source->tile({audit::TileId::kEntries, tree.size() / audit::kTileWidth, width});
    SB_ASSERT(bundle.has_value());
    for (std::string_view rest = *bundle; !rest.empty();)
      tree.append(audit::leaf_hash(*store::sqlite::take_leaf(rest)));
  }
  return tree;
}

// The record as it lies in `data`: whole, and what every tree head says that was ever shown.
void expect_record(const std::string& data, const audit::NoteVerifier& key, const Model& model, std::uint64_t leaves) {
  const std::string newest = model.heads.empty() ? std::string() : model.heads.back();
  const auto stored = audit::verify_store({data + "/signalbox.db", key, newest});
  ASSERT_TRUE(stored && stored->ok()) << first_problem(stored);
  ASSERT_EQ(stored->leaves, leaves);
  const auto published = audit::verify_log(*audit::open_log_folder(data + "/audit"), key, {newest, false});
  ASSERT_TRUE(published && published->ok()) << first_problem(published);
  const audit::MerkleTree tree = published_tree(data + "/audit", leaves);
  for (const std::string& note : model.heads) {
    const auto head = audit::open_tree_head(note, key);
    ASSERT_TRUE(head) << head.error().detail;
    ASSERT_LE(head->size, leaves) << "a tree head was shown over leaves that are gone";
    ASSERT_EQ(head->root, tree.root(head->size)) << "a tree head was shown that the log does not continue";
  }
}

// Runs and leaves are what was acknowledged, and the doubtful commit as a whole or not at all.
std::uint64_t expect_model(store::Store& store, Model& model) {
  std::uint64_t leaves = model.leaves;
  std::size_t known = 0;
  for (const Model::Run& run : model.runs) {
    const auto row = wait_for(store.load_run(run.id));
    EXPECT_TRUE(row) << "an acknowledged run is lost";
    if (!row) continue;
    ++known;
    const bool ended = row->status == store::RunStatus::completed;
    const bool doubtful = model.doubtful == run.id && (ended != run.ended || row->erased != run.erased);
    if (doubtful) leaves += model.doubtful_leaves;
    EXPECT_TRUE(doubtful || (ended == run.ended && row->erased == run.erased))
        << "run " << run.id.to_string() << " is " << (ended ? "ended" : "open") << (row->erased ? ", erased" : "")
        << "; acknowledged: " << (run.ended ? "ended" : "open") << (run.erased ? ", erased" : "")
        << "; in doubt: " << (model.doubtful ? model.doubtful->to_string() : "nothing");
    EXPECT_EQ(wait_for(store.load_steps(run.id))->size(), ended ? 4U : 0U);
    EXPECT_EQ(row->data_key.empty(), row->erased);
    EXPECT_EQ(row->input.empty(), row->erased);
  }
  for (const RunId& run : model.refused) EXPECT_FALSE(wait_for(store.load_run(run))) << "a refused run is there";
  if (model.doubtful && *model.doubtful != RunId()) {
    const bool is_new = std::ranges::find(model.runs, *model.doubtful, &Model::Run::id) == model.runs.end();
    const auto row = wait_for(store.load_run(*model.doubtful));
    if (is_new && row) {
      ++known;
      leaves += model.doubtful_leaves;
      EXPECT_EQ(wait_for(store.load_steps(row->id))->size(), row->status == store::RunStatus::completed ? 4U : 0U);
    }
  }
  store::RunFilter filter;
  filter.limit = 1000;
  EXPECT_EQ(wait_for(store.list_runs(filter))->size(), known) << "a run is there that nobody made, or twice";
  return leaves;
}

// Another machine is made from the mirror alone.
void expect_restore(const std::string& root, const std::string& folder, const Plan& plan, Model& model) {
  SCOPED_TRACE("restored from the mirror");
  const auto target = open_folder_target(root + "/mirror");
  ASSERT_TRUE(target);
  const auto report = restore(**target, kKey, folder);
  if (!report && !plan.before_ack && report.error().code == Errc::not_found) return;  // it had not come that far
  ASSERT_TRUE(report) << report.error().detail;
  const auto data = store::DataDir::open(folder);
  ASSERT_TRUE(data) << data.error().detail;
  const auto log = *audit::AuditLog::create(data->audit_seed(), {.origin = {}, .folder = data->audit_folder()});
  store::SqliteOptions options;
  options.path = data->database();
  const auto store = store::open_sqlite_store(std::move(options), *log);
  ASSERT_TRUE(store) << store.error().detail;
  Model known = plan.before_ack ? model : Model{};
  if (plan.before_ack) {
    const std::uint64_t leaves = expect_model(**store, known);
    ASSERT_TRUE(report->leaves == leaves ||
                (known.doubtful == RunId() && report->leaves == leaves + known.doubtful_leaves))
        << report->leaves << " leaves are restored, " << leaves << " were acknowledged";
  }
  const auto end = Steady::now() + kLong;
  while (log->shown() < report->leaves && Steady::now() < end)
    std::this_thread::sleep_for(std::chrono::microseconds(300));
  expect_record(folder, log->verifier(), known, report->leaves);
}

class Crash {
 public:
  explicit Crash(std::uint64_t seed) : entropy_(seed) {}

  void run() {
    fs::create_directories(root());
    const auto told = [&](int life) {
      return std::string(plan_.before_ack ? "before-ack" : "async") + (plan_.flaky ? ", flaky" : "") +
             (plan_.power_loss ? ", power loss" : ", kill") + ", life " + std::to_string(life);
    };
    for (int life = 0; life < 2 && !::testing::Test::HasFailure(); ++life) {
      choose(life);
      SCOPED_TRACE(told(life));
      live();
      if (::testing::Test::HasFailure()) return;
      next_start();
    }
  }

 private:
  std::string root() const { return scratch_.file(std::to_string(number_)); }
  std::uint64_t draw(std::uint64_t below) { return entropy_.next_u64() % below; }

  void choose(int life) {
    if (life == 0) plan_.before_ack = draw(4) != 0;
    plan_.flaky = draw(4) == 0;
    plan_.power_loss = draw(3) != 0;
    plan_.sync_tiles = draw(2) == 0;
    plan_.snapshot_after_bytes = draw(3) == 0 ? 8'000 : std::uint64_t{1} << 30;
    plan_.seed = entropy_.next_u64();
  }

  // A process starts, works, and dies somewhere; sometimes while it starts.
  void live() {
    FaultDisk disk(root(), plan_.seed);
    const bool dies_early = draw(6) == 0;
    const std::uint64_t dies_after = dies_early ? draw(120) : 1 + draw(900);
    if (dies_early) disk.die_after(dies_after);
    {
      Life life(root(), plan_, disk);
      const auto started = life.start();
      ASSERT_TRUE(started || disk.dead()) << started.error().detail;
      if (!dies_early) disk.die_after(dies_after);
      if (draw(3) == 0) disk.fill_after(draw(400), 1 + draw(6));
      if (started) life.settle();
      if (started) Work(life, model_, disk, plan_.seed).commits(60);
      if (!disk.dead()) disk.die_after(0);  // it was let go on: it is killed where it stands
    }
    const std::string left = scratch_.file(std::to_string(number_ + 1));
    keep_heads(disk);
    disk.leave(left, plan_.power_loss);
    fs::remove_all(root());
    ++number_;
  }

  void next_start() {
    const FaultDisk sound(root(), plan_.seed);
    // The machine does not come back: what the mirror has at the crash is all there is. Before the first answer there
    // may be none.
    if (model_.leaves > 0) restore_into("at-crash");
    if (::testing::Test::HasFailure()) return;
    Life life(root(), plan_, sound);
    const auto started = life.start();
    ASSERT_TRUE(started) << "after the crash: " << started.error().detail;
    const std::uint64_t leaves = expect_model(life.store(), model_);
    ASSERT_TRUE(wait_for(life.store().flush()));
    life.settle();
    if (::testing::Test::HasFailure()) return;
    // Leaves that belong to no run are known by their number alone.
    const std::uint64_t there = life.store().stats().leaves;
    ASSERT_TRUE(there == leaves || (model_.doubtful == RunId() && there == leaves + model_.doubtful_leaves))
        << there << " leaves are there, " << leaves << " were acknowledged";
    expect_record(root() + "/data", life.key(), model_, there);
    if (::testing::Test::HasFailure()) return;
    const auto same = check(**open_folder_target(root() + "/mirror"), kKey, root() + "/data");
    ASSERT_TRUE(same && same->ok()) << first_problem(same);
    restore_into("again");
    resolve(life.store(), there);
    keep_heads(sound);
  }

  void restore_into(const std::string& name) {
    const std::string folder = root() + "/" + name;  // on the disk whose syncs cost nothing
    expect_restore(root(), folder, plan_, model_);
    fs::remove_all(folder);
  }

  void keep_heads(const FaultDisk& disk) {
    for (std::string& head : disk.contents_of("data/audit/checkpoint")) model_.heads.push_back(std::move(head));
  }

  // What was doubtful is known from now on.
  void resolve(store::Store& store, std::uint64_t leaves) {
    if (model_.doubtful && *model_.doubtful != RunId()) {
      const auto row = wait_for(store.load_run(*model_.doubtful));
      const auto known = std::ranges::find(model_.runs, *model_.doubtful, &Model::Run::id);
      if (row && known == model_.runs.end()) model_.runs.push_back({*model_.doubtful, false, false});
      for (Model::Run& run : model_.runs) {
        if (!row || run.id != *model_.doubtful) continue;
        run.ended = row->status == store::RunStatus::completed;
        run.erased = row->erased;
      }
    }
    model_.doubtful.reset();
    model_.leaves = leaves;
  }

  SeededEntropy entropy_;
  TemporaryFolder scratch_;
  int number_ = 0;
  Plan plan_;
  Model model_;
};

std::uint64_t number_in(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(Torture, WhateverTheDiskDoesNothingIsLostDoubledOrContradicted) {
  const std::uint64_t first = number_in("SB_SEED", 1);
  const std::uint64_t count = number_in("SB_TORTURE_SEEDS", std::getenv("SB_SEED") ? 1 : 40);
  const LogLevel level = log_level();
  set_log_level(LogLevel::off);  // a disk that fails is told of, many times
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("again: SB_SEED=" + std::to_string(seed) +
                 " build/release/src/mirror/mirror_test --gtest_filter='Torture.*'");
    Crash(seed).run();
    if (HasFailure()) break;
  }
  set_log_level(level);
  std::printf("%llu seeds, two crashes each\n", static_cast<unsigned long long>(count));
}

}  // namespace
}  // namespace sb::mirror
