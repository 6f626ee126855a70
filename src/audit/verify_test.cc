#include "audit/verify.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "audit/command.h"
#include "audit/leaf.h"
#include "audit/log.h"
#include "audit/merkle.h"
#include "audit/tile.h"
#include "base/bytes.h"
#include "base/crypto.h"
#include "base/json.h"
#include "store/data_dir.h"
#include "store/sqlite/codec.h"
#include "store/sqlite/record_reader.h"
#include "store/sqlite/sqlite_store.h"
#include "store/testing.h"

namespace sb::audit {
namespace {

using store::testing::chat_commit;
using store::testing::new_run_id;
using store::testing::TemporaryFolder;
using store::testing::wait_for;

// A body column with one text for another of the same length, as somebody would write it who knows the format.
void repacked(sqlite3_context* context, int, sqlite3_value** arguments) {
  const auto text = [&](int i) {
    const auto* bytes = static_cast<const char*>(sqlite3_value_blob(arguments[i]));
    return std::string(bytes, static_cast<std::size_t>(sqlite3_value_bytes(arguments[i])));
  };
  std::string buffer;
  std::string body = '\0' + std::string(*store::sqlite::unpack(text(0), buffer));
  const std::string from = text(1), to = text(2);
  for (std::size_t at = 0; (at = body.find(from, at)) != std::string::npos; at += to.size())
    body.replace(at, from.size(), to);
  sqlite3_result_blob(context, body.data(), static_cast<int>(body.size()), SQLITE_TRANSIENT);
}

class Record : public ::testing::Test {
 protected:
  void SetUp() override {
    auto data = store::DataDir::open_or_create(folder_.path(), system_entropy());
    ASSERT_TRUE(data);
    seed_ = data->audit_seed();
    database_ = data->database();
    open();
  }

  void open() {
    auto log = AuditLog::create(seed_, {.origin = {}, .folder = folder_.file("audit")});
    ASSERT_TRUE(log);
    log_ = *std::move(log);
    key_ = log_->verifier();
    store::SqliteOptions options;
    options.path = database_;
    auto opened = store::open_sqlite_store(std::move(options), *log_);
    ASSERT_TRUE(opened) << opened.error().detail;
    store_ = *std::move(opened);
  }
  void close() {
    store_.reset();
    log_.reset();
  }
  void add_runs(int count) {
    for (int i = 0; i < count; ++i) {
      runs_.push_back(new_run_id());
      const auto done = wait_for(store_->commit(chat_commit(runs_.back())));
      ASSERT_TRUE(done) << done.error().detail;
    }
    ASSERT_TRUE(wait_for(store_->flush()));
  }
  void add_people();
  void add_retried(const char* goes_on);
  VerifyReport verify(std::string kept = {}) {
    auto report = verify_store({database_, key_, std::move(kept), {}, &actors_, nullptr});
    EXPECT_TRUE(report) << report.error().detail;
    return report ? *report : VerifyReport();
  }
  void sql(const std::string& text) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(database_.c_str(), &database), SQLITE_OK);
    sqlite3_create_function(database, "repacked", 3, SQLITE_UTF8, nullptr, repacked, nullptr, nullptr);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(database, text.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_close(database);
  }
  int run(std::vector<std::string> args) {
    out_.str("");
    err_.str("");
    return audit_command(args, out_, err_);
  }

  TemporaryFolder folder_;
  std::string seed_;
  std::string database_;
  std::optional<NoteVerifier> key_;
  std::unique_ptr<AuditLog> log_;
  std::unique_ptr<store::Store> store_;
  std::vector<RunId> runs_;
  const Pseudonyms actors_{"secret"};
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(Record, VerifiesWhileTheServerRunsAndAfterIt) {
  EXPECT_TRUE(verify().ok());
  add_runs(40);
  VerifyReport report = verify();
  EXPECT_TRUE(report.ok()) << report.problems.front();
  EXPECT_EQ(report.leaves, 200U);
  EXPECT_EQ(report.steps, 160U);
  EXPECT_EQ(report.signed_leaves, 200U);
  close();
  EXPECT_TRUE(verify().ok());
  open();
  add_runs(3);
  report = verify(report.newest_head);
  EXPECT_TRUE(report.ok()) << report.problems.front();
  EXPECT_EQ(report.leaves, 215U);
}

// One that failed, went on, and completed: a leaf for each, and the row as the last one left it.
void Record::add_retried(const char* goes_on) {
  const RunId id = new_run_id();
  std::string state;
  const auto chained = [&](store::LeafDraft leaf) {
    leaf.run = id;
    leaf.tenant = "acme";
    leaf.prev_state = state;
    state = to_hex(sha256(state + "\n" + leaf.kind + "\n" + leaf.summary.text() + "\n"));
    return std::vector{std::move(leaf)};
  };
  const auto leaf_of = [](const char* kind, std::string summary) {
    store::LeafDraft leaf;
    leaf.kind = kind;
    leaf.summary = std::move(summary);
    return leaf;
  };
  const auto end_as = [&](const char* status) {
    return chained(leaf_of(
        "run.end",
        fmt::format(R"({{"cost_micro":120,"error":"","model":"small-a","route":"small","status":"{}"}})", status)));
  };
  store::Commit born = chat_commit(id);
  born.create->status = store::RunStatus::running;
  born.create->data_key = "wrapped";
  born.steps.clear();
  auto start = store::testing::start_leaf(*born.create);
  start.actor = actors_.actor(born.create->key);
  born.leaves = chained(std::move(start));
  ASSERT_TRUE(wait_for(store_->commit(std::move(born))));
  const auto becomes = [&](store::RunStatus status, std::vector<store::LeafDraft> leaves, bool reopens = false) {
    store::Commit next;
    next.update = wait_for(store_->load_run(id)).value();
    next.update->status = status;
    next.reopen = reopens;
    next.leaves = std::move(leaves);
    ASSERT_TRUE(wait_for(store_->commit(std::move(next))));
  };
  becomes(store::RunStatus::faulted, end_as("faulted"));
  becomes(store::RunStatus::running, chained(leaf_of(goes_on, "{}")), true);
  becomes(store::RunStatus::completed, end_as("completed"));
  ASSERT_TRUE(wait_for(store_->flush()));
  close();
}

TEST_F(Record, ARunThatWasRetriedVerifiesAndItsEndsAreHeldAgainstTheRow) {
  add_retried("run.retry");
  ASSERT_TRUE(verify().ok()) << verify().problems.front();
  const std::string whole = folder_.file("whole.db");
  std::filesystem::copy_file(database_, whole);
  constexpr const char* kFirstEnd = "(SELECT no FROM journal ORDER BY no LIMIT 1 OFFSET 1)";
  const std::pair<std::string, const char*> changes[] = {
      {fmt::format("UPDATE runs SET status = 5, final = {}", kFirstEnd),
       "does not continue"},  // as if nobody retried it
      {fmt::format("UPDATE runs SET final = {}", kFirstEnd), "stored otherwise"},
      {"UPDATE runs SET status = 1, final = 0", "stored otherwise"},
  };
  for (const auto& [change, says] : changes) {
    sql(change);
    std::string all;
    for (const std::string& problem : verify().problems) all += problem + '\n';
    EXPECT_NE(all.find(says), std::string::npos) << change << "\n" << all;
    std::filesystem::copy_file(whole, database_, std::filesystem::copy_options::overwrite_existing);
  }
}

TEST_F(Record, ARunThatGoesOnAfterItsEndWithoutARetryIsFound) {
  add_retried("run.resume");
  ASSERT_FALSE(verify().ok());
  EXPECT_NE(verify().problems.front().find("nobody retried it"), std::string::npos) << verify().problems.front();
}

// A run that waits, one that a person decided about, and a hold: as the engine and the API record them.
void Record::add_people() {
  store::Commit open = chat_commit(new_run_id());
  open.create->status = store::RunStatus::waiting;
  open.create->data_key = "wrapped";
  open.steps.clear();
  open.leaves = {store::testing::start_leaf(*open.create)};
  open.leaves[0].actor = actors_.actor(open.create->key);
  store::ReviewRow review;
  review.id = ReviewId(new_run_id().uuid);
  review.run = open.create->id;
  review.tenant = "acme";
  open.review_create = review;
  ASSERT_TRUE(wait_for(store_->commit(std::move(open))));
  store::Commit decided;
  decided.run = review.run;
  decided.review_change = store::ReviewChange{review, store::ReviewState::open, {}};
  decided.review_change->row.state = store::ReviewState::rejected;
  decided.review_change->row.decided_by = "key-1";
  store::LeafDraft verdict;
  verdict.kind = "review.verdict";
  verdict.run = review.run;
  verdict.actor = actors_.actor("key-1");
  verdict.summary = fmt::format(R"({{"review":"{}","verdict":"reject"}})", review.id.to_string());
  decided.leaves.push_back(std::move(verdict));
  ASSERT_TRUE(wait_for(store_->commit(std::move(decided))));
  store::Commit hold;
  hold.documents.emplace_back("legal_holds", R"([{"id":"h1","subject":"p-1","tenant":"acme"}])");
  hold.leaves.emplace_back().kind = "hold.place";
  hold.leaves.back().tenant = "acme";
  hold.leaves.back().summary = R"({"hold":"h1","subject":"p-1"})";
  ASSERT_TRUE(wait_for(store_->commit(std::move(hold))));
}

// Whoever can write to the database, and not sign: each of these was "verified" as long as the numbers of steps were
// right.
TEST_F(Record, WhatIsStoredOtherwiseThanItIsRecordedIsFound) {
  for (int i = 0; i < 3; ++i) {
    runs_.push_back(new_run_id());
    store::Commit commit = chat_commit(runs_.back());
    commit.create->data_key = "wrapped";
    ASSERT_TRUE(wait_for(store_->commit(std::move(commit))));
  }
  store::Commit erasure;
  erasure.erase = {runs_[0]};
  erasure.leaves.resize(2);
  erasure.leaves[0].kind = "erasure";
  erasure.leaves[0].summary = R"({"runs":1})";
  erasure.leaves[1].kind = "run.erased";
  erasure.leaves[1].run = runs_[0];
  ASSERT_TRUE(wait_for(store_->commit(std::move(erasure))));
  add_people();
  ASSERT_TRUE(wait_for(store_->flush()));
  close();
  ASSERT_TRUE(verify().ok()) << verify().problems.front();
  const std::string whole = folder_.file("whole.db");
  std::filesystem::copy_file(database_, whole);
  const std::pair<const char*, const char*> changes[] = {
      {"UPDATE runs SET status = 5 WHERE no = (SELECT max(no) FROM runs WHERE status = 6)", "stored otherwise"},
      {"UPDATE runs SET cost = cost + 1 WHERE no = (SELECT max(no) FROM runs WHERE status = 6)", "stored otherwise"},
      {"UPDATE runs SET model = 'other' WHERE no = (SELECT max(no) FROM runs WHERE status = 6)", "stored otherwise"},
      {"UPDATE runs SET route = 'human' WHERE no = (SELECT max(no) FROM runs WHERE status = 6)", "stored otherwise"},
      {"UPDATE journal SET body = repacked(body, '0.93', '0.39')", "stored otherwise"},
      {"UPDATE journal SET body = repacked(body, 'step-chat', 'step-char')", "stored otherwise"},
      {"UPDATE runs SET status = 1 WHERE no = (SELECT max(no) FROM runs WHERE status = 6)", "stored otherwise"},
      {"UPDATE runs SET tenant = 'other' WHERE status = 2", "the start of run"},
      {"UPDATE runs SET key = 'another' WHERE status = 2", "the start of run"},
      {"UPDATE runs SET flow = 'other/flow@1.0.0' WHERE status = 2", "the start of run"},
      {"UPDATE runs SET flow_hash = 'other' WHERE status = 2", "the start of run"},
      {"DELETE FROM runs WHERE status = 2", "no run"},
      {"INSERT INTO runs SELECT no + 1000, x'00', tenant, key, flow, flow_hash, status, epoch, route, model, cost, "
       "cost_all_large, created_us, updated_us, ended_us, steps, last, final, NULL, NULL, error, NULL, tags, NULL, "
       "NULL FROM "
       "runs "
       "WHERE "
       "status "
       "= 2",
       "2 runs are stored as going on, by the record 1 do"},
      {"UPDATE reviews SET state = 2", "the verdict on review"},
      {"UPDATE reviews SET state = 0", "the verdict on review"},
      {"UPDATE reviews SET decided_by = 'key-2'", "the verdict on review"},
      {"UPDATE reviews SET run = x'00'", "the verdict on review"},
      {"DELETE FROM reviews", "no review"},
      {"INSERT INTO reviews SELECT x'00', run, step, tenant, 2, reason, priority, claimed_by, claim_until_us, "
       "decided_by, "
       "created_us, decided_us, due_us, question, verdict FROM reviews",
       "2 reviews are stored as decided, the verdict on 1 is recorded"},
      {"DELETE FROM documents", "legal hold h1 is on record, and not stored"},
      {"UPDATE documents SET body = CAST(replace(body, 'h1', 'h2') AS BLOB)",
       "legal hold h2 is stored, and not on record"},
      {"UPDATE documents SET body = CAST(replace(body, 'p-1', 'p-2') AS BLOB)", "another than was recorded"},
      {"UPDATE documents SET body = CAST(replace(body, 'acme', 'emca') AS BLOB)", "another than was recorded"},
      {"UPDATE data_keys SET wrapped = NULL", "4 runs is gone, the erasure of 1"},
      {"UPDATE data_keys SET wrapped = x'00'", "recorded as erased, and its content is there"},
  };
  for (const auto& [change, says] : changes) {
    sql(change);
    const VerifyReport report = verify();
    std::string all;
    for (const std::string& problem : report.problems) all += problem + '\n';
    EXPECT_NE(all.find(says), std::string::npos) << change << "\n" << all;
    std::filesystem::copy_file(whole, database_, std::filesystem::copy_options::overwrite_existing);
    ASSERT_TRUE(verify().ok()) << change;
  }
}

TEST_F(Record, TilesThatAreLostOrDamagedAreWrittenAgain) {
  add_runs(120);
  close();
  const std::string audit = folder_.file("audit");
  const auto whole = [&] {
    open();
    add_runs(1);
    close();
    EXPECT_EQ(run({"verify", "--data", folder_.path()}), 0) << out_.str() << err_.str();
  };
  std::filesystem::remove_all(audit);
  whole();
  std::ofstream(audit + "/tile/0/000", std::ios::binary | std::ios::trunc) << "torn";
  whole();
  std::ofstream(audit + "/checkpoint", std::ios::binary | std::ios::trunc) << "";
  std::ofstream(audit + "/.synced") << "512\n";
  std::ofstream(audit + "/tile/0/001", std::ios::binary | std::ios::trunc) << std::string(kTileBytes, 'x');
  whole();
}

TEST_F(Record, DoesNotGoOnUnderAnotherKeyOrAfterLosingLeaves) {
  add_runs(5);
  close();
  const auto reopen_with = [&](const std::string& seed) {
    const auto other = AuditLog::create(seed);
    store::SqliteOptions options;
    options.path = database_;
    auto opened = store::open_sqlite_store(options, **other);
    return opened ? Errc{0} : opened.error().code;
  };
  EXPECT_EQ(reopen_with(std::string(32, 'x')), Errc::corrupt);
  EXPECT_EQ(reopen_with(seed_), Errc{0});
  sql("DELETE FROM leaves WHERE first = (SELECT max(first) FROM leaves)");
  EXPECT_EQ(reopen_with(seed_), Errc::corrupt);
}

// Somebody with the file and a shell, but without the key.
struct Damage {
  const char* name;
  const char* sql;
};
class DamagedRecord : public Record, public ::testing::WithParamInterface<Damage> {};
TEST_P(DamagedRecord, IsNoticed) {
  add_runs(12);
  store::Commit alone;
  alone.leaves.emplace_back().kind = "note";
  alone.leaves.back().summary = R"({"route":"small"})";
  ASSERT_TRUE(wait_for(store_->commit(std::move(alone))));
  ASSERT_TRUE(wait_for(store_->flush()));
  close();
  ASSERT_TRUE(verify().ok());
  sql(GetParam().sql);
  const VerifyReport report = verify();
  EXPECT_FALSE(report.ok());
  EXPECT_FALSE(report.problems.empty());
}
INSTANTIATE_TEST_SUITE_P(
    Kinds, DamagedRecord,
    ::testing::Values(
        Damage{"leaf_changed",  // another of the right form, as it is
               "UPDATE leaves SET pack = CAST(x'00004a' || "
               "'{\"kind\":\"step\",\"seq\":60,\"summary\":{\"route\":\"large\"},\"tenant\":\"t\",\"time\":1}' AS "
               "BLOB) WHERE first = 60"},
        Damage{"leaf_lengthened", "UPDATE leaves SET pack = pack || x'00' WHERE first = 20"},
        Damage{"leaf_format_changed", "UPDATE leaves SET pack = x'7f' || substr(pack, 2) WHERE first = 20"},
        Damage{"row_cut_short", "UPDATE leaves SET pack = substr(pack, 1, length(pack) - 5) WHERE first = 20"},
        Damage{"count_changed", "UPDATE leaves SET count = count - 1 WHERE first = 20"},
        Damage{"leaves_dropped_in_the_middle", "DELETE FROM leaves WHERE first = 25"},
        Damage{"leaves_dropped_at_the_start", "DELETE FROM leaves WHERE first = 0"},
        Damage{"truncated", "DELETE FROM leaves WHERE first >= 50"},
        Damage{"truncated_with_its_commits",
               "DELETE FROM journal WHERE leaf >= 50; DELETE FROM leaves WHERE first >= 50"},
        Damage{"everything_gone_but_the_heads", "DELETE FROM leaves; DELETE FROM journal; DELETE FROM runs"},
        Damage{"two_rows_swapped",
               "UPDATE leaves SET pack = (SELECT l.pack FROM leaves l WHERE l.first = 15 + 20 - leaves.first) WHERE "
               "first IN (15, 20)"},
        Damage{"a_row_inserted", "INSERT INTO leaves SELECT first + 6, count, pack FROM leaves WHERE first = 55"},
        Damage{"a_row_shifted", "UPDATE leaves SET first = first + 1000 WHERE first = 30"},
        Damage{"head_changed", "UPDATE tree_heads SET note = replace(note, '6', '7')"},
        Damage{"head_moved", "UPDATE tree_heads SET size = size - 1 WHERE size = (SELECT max(size) FROM tree_heads)"},
        Damage{"heads_gone", "DELETE FROM tree_heads"}, Damage{"step_dropped", "DELETE FROM journal WHERE no = 4"},
        Damage{"run_dropped", "DELETE FROM runs WHERE no = 4"},
        Damage{"step_added",
               "INSERT INTO journal (no, run, prev, leaf, leaves, body) SELECT 1000, run, prev, 60, 0, body FROM "
               "journal WHERE no = 5"},
        Damage{"step_given_to_another_run", "UPDATE journal SET run = 2 WHERE no = 7"},
        Damage{"commits_reordered", "UPDATE journal SET leaf = 0 WHERE no = 9"}),
    [](const auto& info) { return info.param.name; });

// Where leaves are compressed, some bits say the same either way: what is read of them is unchanged then.
TEST_F(Record, AnyFlippedBitInTheLeavesIsNoticed) {
  add_runs(1);
  close();
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(database_.c_str(), &database), SQLITE_OK);
  sqlite3_exec(database, "PRAGMA synchronous = OFF", nullptr, nullptr, nullptr);
  int size = 0;
  const auto flip = [&](int offset) {
    sqlite3_blob* pack = nullptr;
    ASSERT_EQ(sqlite3_blob_open(database, "main", "leaves", "pack", 0, 1, &pack), SQLITE_OK);
    size = sqlite3_blob_bytes(pack);
    char byte = 0;
    ASSERT_EQ(sqlite3_blob_read(pack, &byte, 1, offset), SQLITE_OK);
    byte = static_cast<char>(byte ^ (1 << (offset % 8)));
    ASSERT_EQ(sqlite3_blob_write(pack, &byte, 1, offset), SQLITE_OK);
    sqlite3_blob_close(pack);  // ends the transaction: only now others see it
  };
  const auto leaves = [&] {
    std::string all;
    const auto record = *store::sqlite::RecordReader::open(database_);
    for (auto leaf = record->next_leaf(); leaf && *leaf; leaf = record->next_leaf()) (all += (*leaf)->bytes) += '\n';
    return all;
  };
  const std::string whole = leaves();
  int noticed = 0;
  for (int offset = 0; offset == 0 || offset < size; offset += 7) {
    flip(offset);
    const bool ok = verify().ok();
    EXPECT_TRUE(!ok || leaves() == whole) << "byte " << offset;
    noticed += ok ? 0 : 1;
    flip(offset);
  }
  sqlite3_close(database);
  EXPECT_GT(noticed, size / 7 - 5);
  EXPECT_TRUE(verify().ok());
}

TEST_F(Record, RollingBackToAnOlderCopyIsNoticedWithAKeptTreeHead) {
  add_runs(5);
  close();
  std::ifstream file(database_, std::ios::binary);
  const std::string old((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  open();
  add_runs(5);
  const std::string kept = verify().newest_head;
  close();
  std::ofstream(database_, std::ios::binary | std::ios::trunc) << old;
  EXPECT_TRUE(verify().ok()) << "the old copy is whole in itself";
  EXPECT_FALSE(verify(kept).ok());
  // The published tree head speaks of more leaves: a server does not fork its log.
  auto log = *AuditLog::create(seed_, {.origin = {}, .folder = folder_.file("audit")});
  store::SqliteOptions options;
  options.path = database_;
  const auto refused = store::open_sqlite_store(std::move(options), *log);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::corrupt);
  std::filesystem::remove_all(folder_.file("audit"));
  // Another history of the same length, signed with the right key, is not the one that was promised either.
  open();
  add_runs(5);
  EXPECT_TRUE(verify().ok());
  EXPECT_FALSE(verify(kept).ok());
}

// The two halves of a data directory must say the same.
TEST_F(Record, APublishedLogThatIsNotTheStoredOneIsNoticed) {
  add_runs(5);
  close();
  const std::string audit = folder_.file("audit");
  const auto copy = [](const std::string& from, const std::string& to) {
    std::filesystem::remove_all(to);
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
  };
  copy(audit, folder_.file("earlier"));
  const std::string database = database_;
  database_ = folder_.file("other.db");  // another history under the same key
  std::filesystem::remove_all(audit);
  open();
  add_runs(3);
  close();
  copy(audit, folder_.file("other"));
  database_ = database;
  copy(folder_.file("earlier"), audit);
  open();
  add_runs(5);
  close();
  copy(audit, folder_.file("whole"));
  EXPECT_EQ(run({"verify", folder_.path()}), 0) << out_.str();
  copy(folder_.file("earlier"), audit);
  EXPECT_EQ(run({"verify", folder_.path()}), 1);
  EXPECT_NE(out_.str().find("the published log has 25 leaves, a tree head over 50 is stored"), std::string::npos)
      << out_.str();
  copy(folder_.file("other"), audit);
  EXPECT_EQ(run({"verify", folder_.path()}), 1);
  EXPECT_NE(out_.str().find("the first 15 leaves are not those of the published tree head"), std::string::npos);
  copy(folder_.file("whole"), audit);
  std::filesystem::copy_file(folder_.file("other/checkpoint"), audit + "/checkpoint.witnessed");
  EXPECT_EQ(run({"verify", folder_.path()}), 1) << out_.str();
}

TEST_F(Record, TheCommandShowsProvesAndVerifies) {
  add_runs(7);
  const std::string& data = folder_.path();
  EXPECT_EQ(run({"verify", "--data", data, "--save", folder_.file("head")}), 0) << err_.str();
  EXPECT_NE(out_.str().find("verified: 35 leaves, 28 steps"), std::string::npos) << out_.str();
  EXPECT_EQ(run({"verify", "--data", data, "--head", folder_.file("head"), "--json"}), 0) << err_.str();
  const auto report = parse_json(out_.str());
  ASSERT_TRUE(report);
  EXPECT_TRUE(bool_member(*report, "ok"));
  EXPECT_EQ(int_member(*report, "leaves"), 35);

  EXPECT_EQ(run({"key", "--data", data}), 0);
  const auto key = NoteVerifier::parse(out_.str());
  ASSERT_TRUE(key);
  EXPECT_EQ(run({"verify", "--data=" + data, "--key", key->to_string()}), 0) << err_.str();

  EXPECT_EQ(run({"show", "--data", data, "--run", runs_[3].to_string()}), 0);
  const std::string shown = out_.str();
  EXPECT_EQ(std::count(shown.begin(), shown.end(), '\n'), 5);
  EXPECT_EQ(run({"show", "--data", data, "--from", "33"}), 0);
  EXPECT_TRUE(out_.str().starts_with("{\"attempt\":1,\"kind\":\"step\"")) << out_.str();
  EXPECT_EQ(parse_leaf(out_.str().substr(0, out_.str().find('\n')))->seq, 33U);

  EXPECT_EQ(run({"prove", "--data", data, "--run", runs_[3].to_string()}), 0) << err_.str();
  const auto proof = parse_json(out_.str());
  ASSERT_TRUE(proof);
  const auto head = open_tree_head(string_member(*proof, "checkpoint"), *key);
  ASSERT_TRUE(head);
  const auto& entries = find_member(*proof, "entries")->get_array();
  EXPECT_EQ(entries.size(), 5U);
  for (const auto& entry : entries) {
    std::vector<Digest> path;
    for (const auto& hash : find_member(entry, "proof")->get_array()) {
      const auto bytes = from_base64(std::string_view(hash.get_string()));
      Digest digest;
      std::copy(bytes->begin(), bytes->end(), digest.begin());
      path.push_back(digest);
    }
    EXPECT_TRUE(verify_inclusion(static_cast<std::uint64_t>(int_member(entry, "index")), head->size,
                                 leaf_hash(string_member(entry, "leaf")), path, head->root));
  }
}

TEST_F(Record, TheCommandSaysWhatIsWrong) {
  const std::string& data = folder_.path();
  EXPECT_EQ(run({}), 2);
  EXPECT_EQ(run({"verfy", "--data", data}), 2);
  EXPECT_EQ(run({"verify"}), 2);
  EXPECT_EQ(run({"verify", "--data"}), 2);
  EXPECT_EQ(run({"verify", "--data", data, "--kye", "x"}), 2);
  EXPECT_NE(err_.str().find("did you mean --key?"), std::string::npos) << err_.str();
  EXPECT_EQ(run({"show", "--data", data, "--from", "x"}), 2);
  EXPECT_EQ(run({"prove", "--data", data}), 2);
  EXPECT_EQ(run({"prove", "--data", data, "--erasure", "x"}), 2);
  EXPECT_EQ(run({"verify", "--data", data, "--save", "--json"}), 2);
  EXPECT_NE(err_.str().find("--save needs a value"), std::string::npos) << err_.str();
  EXPECT_EQ(run({"prove", "--data", data, "--run", new_run_id().to_string()}), 3);
  EXPECT_EQ(run({"verify", "--data", data + "/nowhere"}), 3);
  EXPECT_EQ(run({"verify", "http://127.0.0.1:1/", "--key", key_->to_string()}), 3);
  EXPECT_EQ(run({"verify", "htp://127.0.0.1:1/", "--key", key_->to_string()}), 2);
  EXPECT_EQ(run({"verify", folder_.file("audit")}), 2) << "a folder has no key of its own";
  const NoteVerifier other("other.example/log", SigningKey::from_seed(std::string(32, 'o'))->public_key());
  for (const std::string& place : {folder_.file("audit"), data}) {
    EXPECT_EQ(run({"verify", place, "--key", other.to_string()}), 1);
    EXPECT_EQ(out_.str(), "") << "nothing is counted that was not looked at";
    EXPECT_EQ(err_.str(), "signalbox audit verify: NOT VERIFIED: " + folder_.file("audit") +
                              "/checkpoint: tree head: it is not signed with this log's key\n");
    EXPECT_EQ(run({"verify", place, "--key", other.to_string(), "--json"}), 1);
    EXPECT_EQ(err_.str(), "");
    EXPECT_TRUE(out_.str().starts_with(R"({"ok":false,)")) << out_.str();
  }
  EXPECT_EQ(run({"help"}), 0);
  add_runs(2);
  close();
  sql("DELETE FROM tree_heads");
  EXPECT_EQ(run({"verify", "--data", data}), 1);
  EXPECT_NE(out_.str().find("NOT VERIFIED"), std::string::npos);
}

}  // namespace
}  // namespace sb::audit
