// A child commits and tells which runs were acknowledged; it is killed; what it told must be there, whole and once.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <boost/asio/co_spawn.hpp>
#include <csignal>
#include <cstdlib>
#include <set>

#include "audit/log.h"
#include "audit/verify.h"
#include "audit/verify_log.h"
#include "store/sqlite/sqlite_store.h"
#include "store/testing.h"

namespace sb::audit {
namespace {

using store::testing::wait_for;

const std::string kSeed(32, 's');

struct Opened {
  std::unique_ptr<AuditLog> log;
  std::unique_ptr<store::Store> store;
};

Opened open_store(const std::string& path) {
  Opened opened;
  opened.log = *AuditLog::create(kSeed, {.origin = {}, .folder = path + ".audit"});
  store::SqliteOptions options;
  options.path = path;
  auto store = store::open_sqlite_store(std::move(options), *opened.log);
  EXPECT_TRUE(store) << store.error().detail;
  if (store) opened.store = *std::move(store);
  return opened;
}

// One run in two commits, so that kills fall between them too; told only when it is acknowledged.
Task<> commit_for_ever(store::Store& store, int pipe) {
  for (;;) {
    const RunId id = store::testing::new_run_id();
    store::Commit whole = store::testing::chat_commit(id);
    store::Commit begin;
    begin.create = *whole.create;
    begin.create->status = store::RunStatus::running;
    begin.leaves.push_back(store::testing::start_leaf(*begin.create));
    begin.spend_key = "k";
    begin.spend = 1;
    if (!(co_await store.commit(std::move(begin)))) ::_exit(3);
    std::swap(whole.create, whole.update);
    if (!(co_await store.commit(std::move(whole)))) ::_exit(4);
    if (::write(pipe, id.uuid.bytes.data(), id.uuid.bytes.size()) != 16) ::_exit(5);
  }
}

[[noreturn]] void child(const std::string& path, int pipe) {
  const Opened opened = open_store(path);
  if (!opened.store) ::_exit(2);
  asio::io_context context(1);
  for (int i = 0; i < 24; ++i) asio::co_spawn(context, commit_for_ever(*opened.store, pipe), asio::detached);
  context.run();
  ::_exit(6);
}

bool read_id(int pipe, RunId& id) {
  return ::read(pipe, id.uuid.bytes.data(), id.uuid.bytes.size()) == 16;
}

// Kills the child after a number of acknowledgements and some loops of nothing, both drawn from the seed.
void run_and_kill(const std::string& path, SeededEntropy& entropy, std::vector<RunId>& acknowledged) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    ::close(pipe[0]);
    child(path, pipe[1]);
  }
  ::close(pipe[1]);
  RunId id;
  const std::uint64_t until = 1 + entropy.next_u64() % 150;
  std::uint64_t read = 0;
  for (; read < until && read_id(pipe[0], id); ++read) acknowledged.push_back(id);
  for (volatile std::uint64_t spin = entropy.next_u64() % 1'000'000; spin > 0;) spin = spin - 1;
  ::kill(pid, SIGKILL);
  while (read_id(pipe[0], id)) acknowledged.push_back(id);
  ::close(pipe[0]);
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself with " << WEXITSTATUS(status);
  ASSERT_EQ(read, until);
}

struct Counts {
  std::size_t runs = 0;
  std::size_t ended = 0;
};

Counts check_every_run(store::Store& store) {
  Counts counts;
  store::RunFilter filter;
  filter.limit = 1000;
  for (;;) {
    const auto page = wait_for(store.list_runs(filter));
    EXPECT_TRUE(page);
    if (!page || page->empty()) return counts;
    for (const store::RunRow& run : *page) {
      ++counts.runs;
      const bool ended = run.status == store::RunStatus::completed;
      counts.ended += ended ? 1 : 0;
      const auto steps = wait_for(store.load_steps(run.id));
      EXPECT_TRUE(steps);
      EXPECT_EQ(steps->size(), ended ? 4U : 0U) << "a commit is there as a whole or not at all";
    }
    filter.before = page->back().id;
  }
}

TEST(Crash, NothingAcknowledgedIsLostAndNothingIsThereTwice) {
  const char* const wanted = std::getenv("SB_TORTURE_ROUNDS");
  const char* const seeded = std::getenv("SB_SEED");
  const int rounds = wanted ? std::atoi(wanted) : 20;
  const std::uint64_t seed = seeded ? std::strtoull(seeded, nullptr, 10) : system_entropy().next_u64();
  SCOPED_TRACE("SB_SEED=" + std::to_string(seed));
  SeededEntropy entropy(seed);
  const store::testing::TemporaryFolder folder;
  const std::string path = folder.file("test.db");
  std::vector<RunId> acknowledged;
  const NoteVerifier key = open_store(path).log->verifier();
  std::string kept;
  std::string shown;
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    run_and_kill(path, entropy, acknowledged);
    if (HasFatalFailure()) return;
    // As the crash left it, then as recovery leaves it.
    const auto crashed = verify_store({path, key, kept});
    ASSERT_TRUE(crashed && crashed->ok()) << (crashed ? crashed->problems.front() : crashed.error().detail);
    // The published log too: it continues what it showed before the crash, and is whole as it lies there.
    const auto published = verify_log(*open_log_folder(path + ".audit"), key, {shown, false});
    ASSERT_TRUE(published && published->ok()) << (published ? published->problems.front() : published.error().detail);
    ASSERT_LE(published->leaves, crashed->leaves) << "a tree head was shown over leaves that are not on disk";
    shown = published->head;
    kept = crashed->newest_head;
  }
  const Opened opened = open_store(path);
  ASSERT_TRUE(opened.store);
  ASSERT_TRUE(wait_for(opened.store->flush()));
  for (const RunId& id : acknowledged) {
    const auto run = wait_for(opened.store->load_run(id));
    ASSERT_TRUE(run) << run.error().detail;
    ASSERT_EQ(run->status, store::RunStatus::completed);
  }
  EXPECT_EQ(std::set<RunId>(acknowledged.begin(), acknowledged.end()).size(), acknowledged.size());
  const Counts counts = check_every_run(*opened.store);
  EXPECT_GE(counts.ended, acknowledged.size());
  const auto report = verify_store({path, key, kept});
  ASSERT_TRUE(report && report->ok()) << (report ? report->problems.front() : report.error().detail);
  EXPECT_EQ(report->leaves, counts.runs + 5 * counts.ended);
  EXPECT_EQ(report->steps, 4 * counts.ended);
  EXPECT_EQ(wait_for(opened.store->spend_of("k", 0)), static_cast<MicroMoney>(counts.runs)) << "money is counted once";
  std::printf("%d kills, %zu runs acknowledged, %zu stored: lost 0, doubled 0\n", rounds, acknowledged.size(),
              counts.runs);
}

}  // namespace
}  // namespace sb::audit
