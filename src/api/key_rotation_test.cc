#include "api/key_rotation.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <filesystem>
#include <thread>

#include "base/crypto.h"
#include "base/json.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite_store.h"
#include "store/testing.h"

namespace sb::api {
namespace {

using store::testing::chat_commit;
using store::testing::new_run_id;
using store::testing::PlainLog;
using store::testing::TemporaryFolder;
using store::testing::wait_for;
using Step = KeyRotation::Step;

const std::string kMaster(32, 'm');
const std::string kVaultKey(32, 'v');

/// A server's store and keys; `restart` is a kill: what was not committed is gone.
class Rotation : public ::testing::Test {
 protected:
  Rotation() { start(kMaster); }

  void start(const std::string& master) {
    store::SqliteOptions options;
    options.path = folder_.file("store.db");
    store_ = *store::open_sqlite_store(std::move(options), log_);
    keys_ = std::make_unique<TenantKeys>(master);
    sealer_ = std::make_unique<flow::Sealer>(*keys_, kVaultKey, system_entropy());
    if (const auto stored = *wait_for(store_->load_document("tenant_keys"))) {
      loaded_ = keys_->load(*parse_json(*stored));
    } else {
      keys_->add("acme", system_entropy());
      keys_->add("globex", system_entropy());
      store::Commit commit;
      commit.documents.emplace_back("tenant_keys", to_text(keys_->document(system_entropy())));
      EXPECT_TRUE(wait_for(store_->commit(std::move(commit))));
    }
    rotation_ = std::make_unique<KeyRotation>(*store_, *keys_, *sealer_, changes_, system_clock(), system_entropy(),
                                              KeyRotation::Options{.batch = 4, .grace = grace_});
  }
  void restart(const std::string& master = kMaster) {
    rotation_.reset();
    store_.reset();
    start(master);
  }

  store::Commit run_of(const std::string& tenant) {
    store::Commit commit = chat_commit(new_run_id());
    commit.create->tenant = tenant;
    const auto key = *sealer_->new_key(commit.create->id, tenant);
    commit.create->data_key = key.wrapped;
    commit.create->input = sealer_->seal(key.key, commit.create->id, flow::place::kInput, "asked");
    return commit;
  }
  void add_runs(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string tenant = i % 3 == 0 ? "globex" : "acme";
      store::Commit commit = run_of(tenant);
      runs_.push_back(commit.create->id);
      const std::string token = "[EMAIL_T" + std::to_string(i) + "]";
      commit.tokens.push_back({tenant, token, "", *sealer_->seal_token(tenant, token, "value")});
      tokens_.emplace_back(tenant, token);
      ASSERT_TRUE(wait_for(store_->commit(std::move(commit))));
    }
  }
  /// How much of what there is opens.
  std::size_t opened(const flow::Sealer& sealer) {
    std::size_t count = 0;
    for (const RunId& id : runs_) {
      const auto run = *wait_for(store_->load_run(id));
      const auto key = sealer.key_of(run);
      count += key && flow::Sealer::open(*key, id, flow::place::kInput, run.input) == "asked" ? 1 : 0;
    }
    for (const auto& [tenant, token] : tokens_) {
      const auto sealed = **wait_for(store_->find_token(tenant, token));
      count += sealer.open_token(tenant, token, sealed) == "value" ? 1 : 0;
    }
    return count;
  }
  std::size_t all() const { return runs_.size() + tokens_.size(); }
  std::size_t of_globex() const {
    return 2 *
           static_cast<std::size_t>(std::ranges::count(tokens_, "globex", &std::pair<std::string, std::string>::first));
  }
  Result<> begin(const std::string& tenant = "acme") { return wait_for(rotation_->begin(tenant, "p-admin")); }
  Step step() {
    const auto done = wait_for(rotation_->step());
    EXPECT_TRUE(done) << done.error().detail;
    return done.value_or(Step::idle);
  }
  int finish() {
    for (int steps = 1; steps < 1000; ++steps) {
      const Step done = step();
      if (done == Step::ended) return steps;
      if (done == Step::waiting) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ADD_FAILURE() << "it never ends";
    return 0;
  }

  std::chrono::milliseconds grace_{0};
  TemporaryFolder folder_;
  PlainLog log_;
  ChangeGate changes_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<TenantKeys> keys_;
  std::unique_ptr<flow::Sealer> sealer_;
  std::unique_ptr<KeyRotation> rotation_;
  Result<> loaded_;
  std::vector<RunId> runs_;
  std::vector<std::pair<std::string, std::string>> tokens_;
};

TEST_F(Rotation, EverythingOpensAfterItAndNothingOfTheTenantWithACopyOfTheOldKey) {
  add_runs(20);
  TenantKeys copy(kMaster);
  ASSERT_TRUE(copy.load(keys_->document(system_entropy())));
  const flow::Sealer thief(copy, kVaultKey, system_entropy());
  EXPECT_EQ(opened(thief), all());
  ASSERT_TRUE(begin());
  EXPECT_EQ(begin().error().code, Errc::conflict);
  EXPECT_EQ(begin("initech").error().code, Errc::not_found);
  add_runs(5);  // while it is under way
  finish();
  EXPECT_EQ(step(), Step::idle);
  EXPECT_EQ(opened(*sealer_), all());
  EXPECT_EQ(opened(thief), of_globex()) << "another tenant's key was not touched";
  restart();
  EXPECT_EQ(opened(*sealer_), all());
  EXPECT_EQ(opened(thief), of_globex());
  EXPECT_TRUE(std::ranges::any_of(
      log_.read, [](const std::string& leaf) { return leaf.ends_with(R"(tenant_key.rotate {"version":1})"); }));
}

TEST_F(Rotation, AKillAfterAnyBatchOnlyMakesTheNextStartGoOn) {
  add_runs(12);
  ASSERT_TRUE(begin());
  const int steps = finish();
  for (int killed_after = 0; killed_after < steps; ++killed_after) {
    ASSERT_TRUE(begin());
    for (int i = 0; i < killed_after; ++i) step();
    restart();
    ASSERT_TRUE(loaded_);
    EXPECT_EQ(opened(*sealer_), all()) << "in the middle, after " << killed_after;
    EXPECT_FALSE(keys_->rotating().empty());
    finish();
    EXPECT_EQ(opened(*sealer_), all()) << "at the end, after " << killed_after;
    EXPECT_TRUE(keys_->rotating().empty());
  }
}

TEST_F(Rotation, ARunThatGotItsKeyBeforeItBeganIsNotLost) {
  grace_ = std::chrono::milliseconds(200);
  restart();
  add_runs(2);
  store::Commit early = run_of("acme");
  store::Commit late = run_of("acme");
  ASSERT_TRUE(begin());
  EXPECT_EQ(step(), Step::waiting) << "all that was there is moved";
  runs_.push_back(early.create->id);
  ASSERT_TRUE(wait_for(store_->commit(std::move(early))));
  finish();
  EXPECT_EQ(opened(*sealer_), all());
  const RunId id = late.create->id;
  EXPECT_EQ(wait_for(store_->commit(std::move(late))).error().code, Errc::unavailable)
      << "its key is gone: better refused than unreadable";
  EXPECT_FALSE(wait_for(store_->load_run(id)));
}

TEST_F(Rotation, AnUnstoredRunIsGivenTheNewKey) {
  store::RunRow row = *run_of("acme").create;
  const std::string key = *sealer_->key_of(row);
  const std::string before = row.data_key;
  ASSERT_TRUE(sealer_->renew(row, key));
  EXPECT_EQ(row.data_key, before);
  ASSERT_TRUE(begin());
  ASSERT_TRUE(sealer_->renew(row, key));
  EXPECT_TRUE(keys_->is_current("acme", row.data_key));
  EXPECT_EQ(sealer_->key_of(row), key);
}

TEST_F(Rotation, AnErasureWhileItIsUnderWayStays) {
  add_runs(9);
  ASSERT_TRUE(begin());
  step();
  store::Commit erase;
  erase.erase = {runs_[1], runs_[8]};
  ASSERT_TRUE(wait_for(store_->commit(std::move(erase))));
  finish();
  for (const RunId& id : {runs_[1], runs_[8]}) EXPECT_TRUE(wait_for(store_->load_run(id))->erased);
  EXPECT_EQ(opened(*sealer_), all() - 2);
}

TEST_F(Rotation, AStolenDatabaseWithoutItsMasterKeyOpensNothing) {
  add_runs(6);
  ASSERT_TRUE(begin());
  finish();
  for (const std::string& guess : {std::string(32, 'x'), kVaultKey, default_master_key(kVaultKey)}) {
    restart(guess);
    EXPECT_EQ(loaded_.error().code, Errc::permission_denied);
    EXPECT_EQ(opened(*sealer_), 0U);
  }
}

TEST_F(Rotation, PlaceholdersFromBeforeTenantsHadKeysComeUnderThem) {
  rotation_.reset();
  store_.reset();
  std::filesystem::remove(folder_.file("store.db"));
  {
    auto old = *store::sqlite::Database::open(folder_.file("store.db"), store::sqlite::Database::Access::read_write);
    for (const char* sql : store::sqlite::migrations().first(2)) ASSERT_TRUE(old.execute(sql));
    ASSERT_TRUE(old.execute("PRAGMA application_id = 1396854616; PRAGMA user_version = 2"));
    auto put = *old.prepare("INSERT INTO documents (name, body) VALUES ('vault/acme/[EMAIL_TA]', ?)");
    const std::string body = '\0' + aead_seal(kVaultKey, "value", "document/vault/acme/[EMAIL_TA]", system_entropy());
    put.bind_blob(1, body).step();
  }
  start(kMaster);
  tokens_.emplace_back("acme", "[EMAIL_TA]");
  EXPECT_EQ(opened(*sealer_), 1U);
  ASSERT_TRUE(begin());
  finish();
  EXPECT_EQ(opened(*sealer_), 1U);
  const flow::Sealer without_vault_key(*keys_, std::string(32, 'x'), system_entropy());
  EXPECT_EQ(opened(without_vault_key), 1U);
}

}  // namespace
}  // namespace sb::api
