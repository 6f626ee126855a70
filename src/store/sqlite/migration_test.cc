// Files of older schemas: what becomes of what lies in them.
#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "store/sqlite/sql.h"
#include "store/sqlite/sqlite_store_testing.h"

namespace sb::store::testing {
namespace {

/// Takes migrations back, from the newest to the outbox's; more statements follow.
#define SB_WITHOUT_ORIGINS \
  "DROP INDEX runs_origin; ALTER TABLE runs DROP COLUMN origin; ALTER TABLE runs DROP COLUMN origin_step; "
#define SB_WITHOUT_LABELS SB_WITHOUT_ORIGINS "DROP TABLE labels; "
#define SB_WITHOUT_NOTES \
  SB_WITHOUT_LABELS "DROP TABLE notes; DROP INDEX runs_tagged; ALTER TABLE runs DROP COLUMN tags; "
#define SB_WITHOUT_OUTBOX SB_WITHOUT_NOTES "DROP TABLE outbox; "

TEST_F(SqliteStore, ErrorsThatStayedInErasedRunsGoWithTheMigration) {
  const RunId erased = new_run_id(), kept = new_run_id();
  {
    const auto store = open();
    for (const RunId& id : {erased, kept}) {
      Commit ended = chat_commit(id);
      ended.create->data_key = "wrapped";
      ended.steps[1].error = "in clear";
      ASSERT_TRUE(wait_for(store->commit(std::move(ended))));
    }
  }
  // As an erasure of schema 3 left it.
  sql(SB_WITHOUT_OUTBOX
      "PRAGMA user_version = 3; DROP TABLE mirror_lineages; ALTER TABLE mirror_state DROP COLUMN mark; ALTER TABLE "
      "runs "
      "DROP COLUMN rejected_cost; DROP TABLE timers; DROP TABLE listeners; UPDATE data_keys SET wrapped = NULL WHERE "
      "run = (SELECT min(no) FROM runs)");
  const auto store = open();
  ASSERT_TRUE(wait_for(store->load_run(erased))->erased);
  EXPECT_EQ(wait_for(store->load_steps(erased))->at(1).error, "null");
  EXPECT_EQ(wait_for(store->load_steps(kept))->at(1).error, "in clear");
}

// As schema 9 had them; and what else lies there is left alone.
TEST_F(SqliteStore, DocumentsInClearAreSealedByTheMigrationAndLeaveNoTrace) {
  const std::string canary = "canary-51ab of a policy", large = std::string(50'000, 'x') + canary;
  {
    const auto store = open();
    Commit commit;
    for (const char* name :
         {"keys", "policy:ab", "flow:a/b@1", "tenant_keys", "legal_holds", "flows", "policies", "event:x"})
      commit.documents.emplace_back(name, std::string("plain ") + name);
    commit.documents.emplace_back("flow:a/large@1", large);
    ASSERT_TRUE(wait_for(store->commit(std::move(commit))));
  }
  sql(SB_WITHOUT_OUTBOX
      "PRAGMA secure_delete = FAST; UPDATE documents SET body = x'00' || CAST(printf('%.*c', 60000, 'y') || "
      "'canary-51ab of a policy' AS BLOB) WHERE name = 'policy:ab'; UPDATE documents SET body = x'00706c61696e' WHERE "
      "name = 'policy:ab'; PRAGMA user_version = 9; PRAGMA wal_checkpoint(TRUNCATE)");
  const auto file = [&] {
    std::ifstream bytes(folder_.file("test.db"), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(bytes), {});
  };
  ASSERT_NE(file().find(canary), std::string::npos) << "in a page that is free";
  EXPECT_EQ(open_error(), Errc::unsupported);
  EXPECT_NE(detail_.find("start the server once"), std::string::npos) << detail_;

  std::vector<std::string> asked;
  const auto seal = [&](std::string_view name, std::string_view text) -> Result<std::string> {
    asked.emplace_back(name);
    if (name == "flow:a/b@1" && asked.size() < 4) return fail(Errc::permission_denied, "another master key");
    return fmt::format("sealed {} of {} bytes", name, text.size());
  };
  {
    SqliteOptions options;
    options.path = folder_.file("test.db");
    options.seal = seal;
    const auto failed = open_sqlite_store(std::move(options), log_);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Errc::permission_denied) << failed.error().detail;
    EXPECT_EQ(asked.front(), "tenant_keys") << "it has the key that all others are sealed under";
  }
  asked.resize(4);
  auto store = open([&](SqliteOptions& options) { options.seal = seal; });
  for (const auto& [name, text] : {std::pair("keys", "sealed keys of 10 bytes"),
                                   {"policy:ab", "sealed policy:ab of 5 bytes"},
                                   {"flow:a/b@1", "sealed flow:a/b@1 of 16 bytes"},
                                   {"flow:a/large@1", "sealed flow:a/large@1 of 50023 bytes"},
                                   {"tenant_keys", "sealed tenant_keys of 17 bytes"},
                                   {"legal_holds", "sealed legal_holds of 17 bytes"},
                                   {"flows", "plain flows"},
                                   {"policies", "plain policies"},
                                   {"event:x", "plain event:x"}})
    EXPECT_EQ(wait_for(store->load_document(name)).value(), text);
  EXPECT_EQ(file().find(canary), std::string::npos);
  std::ifstream wal(folder_.file("test.db-wal"), std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(wal), {}).find(canary), std::string::npos);
  asked.clear();
  store.reset();
  store = open([&](SqliteOptions& options) { options.seal = seal; });
  EXPECT_TRUE(asked.empty()) << "once";
}

TEST_F(SqliteStore, RunsThatWereAtRestBeforeThereWereTimersAreWokenOnce) {
  const RunId resting = new_run_id(), with_a_person = new_run_id(), decided = new_run_id();
  {
    const auto store = open();
    for (const RunId& id : {resting, with_a_person, decided, new_run_id()}) {
      Commit commit = chat_commit(id);
      const bool waits = id == resting || id == with_a_person || id == decided;
      commit.create->status = waits ? RunStatus::waiting : RunStatus::running;
      if (id == with_a_person || id == decided) {
        ReviewRow review;
        review.id = ReviewId::generate(system_clock(), system_entropy());
        review.run = id;
        review.state = id == decided ? ReviewState::expired : ReviewState::claimed;
        commit.review_create = std::move(review);
      }
      ASSERT_TRUE(wait_for(store->commit(std::move(commit))));
    }
  }
  sql(SB_WITHOUT_OUTBOX
      "PRAGMA user_version = 5; DROP TABLE timers; DROP TABLE listeners; ALTER TABLE runs DROP COLUMN rejected_cost");
  const auto store = open();
  const auto timers = wait_for(store->timers({}, 10));
  ASSERT_TRUE(timers) << timers.error().detail;
  ASSERT_EQ(timers->size(), 2U) << "who waits for a person is not woken";
  EXPECT_EQ(timers->at(0).run, resting);
  EXPECT_EQ(timers->at(1).run, decided);
  EXPECT_LT(timers->at(0).due_us, system_clock().now_us());
}

TEST_F(SqliteStore, RunsFromBeforeThereWereNotesHaveNoneAndTakeThem) {
  const RunId id = new_run_id();
  {
    const auto store = open();
    ASSERT_TRUE(wait_for(store->commit(chat_commit(id))));
  }
  sql(SB_WITHOUT_NOTES "PRAGMA user_version = 12; UPDATE mirror_state SET groups = 7");
  const auto store = open();
  EXPECT_TRUE(wait_for(store->notes(id))->empty());
  EXPECT_EQ(wait_for(store->load_run(id))->cost, 120);
  Commit noted;
  noted.run = id;
  noted.notes = {{NoteKind::tag, "team", "mark", "beta"}};
  ASSERT_TRUE(wait_for(store->commit(std::move(noted))));
  const auto costs = wait_for(store->costs("acme", 0, INT64_MAX));
  ASSERT_EQ(costs->size(), 1U);
  EXPECT_EQ(costs->at(0).tagged, id);
  sqlite::Database copy = *sqlite::Database::open(folder_.file("test.db"), sqlite::Database::Access::read_only);
  EXPECT_EQ(copy.integer("SELECT groups FROM mirror_state").value(), 11)
      << "the migrations, and a start without a mirror";
}

TEST_F(SqliteStore, RunsFromBeforeThereWereLabelsTakeThemAndAMirrorLearnsOfTheTable) {
  const RunId id = new_run_id();
  {
    const auto store = open();
    ASSERT_TRUE(wait_for(store->commit(chat_commit(id))));
  }
  sql(SB_WITHOUT_LABELS "PRAGMA user_version = 13; UPDATE mirror_state SET groups = 7");
  const auto store = open();
  EXPECT_EQ(wait_for(store->count_labels()), 0U);
  Commit labelled;
  labelled.run = id;
  labelled.labels.emplace_back().id = "l1";
  ASSERT_TRUE(wait_for(store->commit(std::move(labelled))));
  const auto labels = wait_for(store->labels({}));
  ASSERT_EQ(labels->size(), 1U);
  EXPECT_EQ(labels->at(0).run, id);
  sqlite::Database copy = *sqlite::Database::open(folder_.file("test.db"), sqlite::Database::Access::read_only);
  EXPECT_EQ(copy.integer("SELECT groups FROM mirror_state").value(), 10)
      << "the migrations, and a start without a mirror";
}

#undef SB_WITHOUT_OUTBOX
#undef SB_WITHOUT_NOTES
#undef SB_WITHOUT_LABELS
#undef SB_WITHOUT_ORIGINS

}  // namespace
}  // namespace sb::store::testing
