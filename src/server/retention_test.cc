#include "server/retention.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/json.h"
#include "server/services.h"
#include "store/testing.h"

namespace sb::server {
namespace {

using store::testing::wait_for;

/// So long ago that their time has come.
class OldClock final : public Clock {
 public:
  Micros now_us() const override { return system_clock().now_us() - 400LL * 86'400'000'000; }
  std::chrono::steady_clock::time_point steady() const override { return system_clock().steady(); }
};

class Retention : public ::testing::Test {
 protected:
  Retention() {
    reopen();
    auto flow = flow::load_flow(default_chat_flow(), "chat.yaml", flow::builtin_functions());
    EXPECT_TRUE(services_.flows.add(*flow));
    services_.config.retention.days = 183;
  }

  void reopen() {
    store::SqliteOptions options;
    options.path = folder_.file("store.db");
    services_.store = std::move(*store::open_sqlite_store(std::move(options), log_));
  }
  std::vector<RunId> add_runs(std::size_t count, const std::string& subject) {
    std::vector<RunId> ids;
    for (std::size_t i = 0; i < count; ++i) {
      store::Commit commit = store::testing::chat_commit(RunId::generate(clock_, system_entropy()));
      commit.durability = store::Durability::async;
      auto& run = *commit.create;
      run.input = run.output = "{}";
      run.created_us = run.updated_us = run.ended_us = clock_.now_us();
      run.data_key = "wrapped";
      run.subject = subject;
      if (!flow_.empty()) run.flow = flow_;
      commit.steps.clear();
      commit.leaves.clear();
      ids.push_back(run.id);
      EXPECT_TRUE(wait_for(services_.store->commit(std::move(commit))));
    }
    EXPECT_TRUE(wait_for(services_.store->flush()));
    return ids;
  }
  bool is_erased(const RunId& id) { return wait_for(services_.store->load_run(id))->erased; }
  Task<void> place_hold(RunId run) {
    const auto pass = co_await services_.changes.enter();
    EXPECT_TRUE(pass) << "nobody lets it in";
    store::Commit hold;
    hold.documents.emplace_back("legal_holds",
                                to_text(json::array{json::object{{"tenant", "acme"}, {"run", run.to_string()}}}));
    EXPECT_TRUE(co_await services_.store->commit(std::move(hold)));
  }
  /// One sweep: the next one is an hour away.
  void sweep(const RunId& last) {
    asio::io_context io;
    asio::co_spawn(io, keep_retention(services_), asio::detached);
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!is_erased(last) && std::chrono::steady_clock::now() < limit) io.run_for(std::chrono::milliseconds(5));
    io.run_for(std::chrono::milliseconds(100));
    services_.store.reset();  // before the context that it answers on
  }

  store::testing::TemporaryFolder folder_;
  store::testing::PlainLog log_;
  OldClock clock_;
  std::string flow_;  ///< of the runs that are added
  Services services_;
};

TEST_F(Retention, KeepsAllRunsOfAPersonWhoIsHeldHoweverManyTheyAre) {
  constexpr std::size_t kHeld = 10'300;  // more than are asked for at once, by the look-up of holds and by the sweep
  const auto held = add_runs(kHeld, "p-held");
  const auto other = add_runs(1'100, "p-other");
  store::Commit hold;
  hold.documents.emplace_back("legal_holds",
                              to_text(json::array{json::object{{"tenant", "acme"}, {"subject", "p-held"}}}));
  ASSERT_TRUE(wait_for(services_.store->commit(std::move(hold))));
  sweep(other.back());
  reopen();
  for (const auto& id : other) ASSERT_TRUE(is_erased(id));
  store::ErasableFilter filter;
  filter.subject = "p-held";
  std::size_t left = 0;
  for (bool more = true; more;) {
    const auto page = *wait_for(services_.store->erasable_runs(filter));
    left += page.size();
    more = page.size() == filter.limit;
    if (more) filter.after = page.back();
  }
  EXPECT_EQ(left, kHeld);
}

TEST_F(Retention, HonoursAHoldThatIsPlacedWhileItSweeps) {
  const auto runs = add_runs(1'600, "");
  asio::io_context io;
  asio::co_spawn(io, keep_retention(services_), asio::detached);
  while (!is_erased(runs.front())) io.run_one();
  ASSERT_FALSE(is_erased(runs.back())) << "not in the first batch";
  asio::co_spawn(io, place_hold(runs.back()), asio::detached);  // as everybody: through the gate
  const RunId& last_free = runs[runs.size() - 2];
  while (!is_erased(last_free)) io.run_one();
  io.run_for(std::chrono::milliseconds(100));
  EXPECT_FALSE(is_erased(runs.back()));
  services_.store.reset();
}

TEST_F(Retention, ReachesRunsOfFlowsThatAreRegisteredNoLongerAndThoseWithARuleOfTheirOwnByThat) {
  services_.config.retention.flows["signalbox/chat"].days = 500;
  const auto kept = add_runs(2, "");
  flow_ = "team/gone@1.2.3";
  const auto gone = add_runs(2, "");
  sweep(gone.back());
  reopen();
  for (const auto& run : gone) EXPECT_TRUE(is_erased(run));
  for (const auto& run : kept) EXPECT_FALSE(is_erased(run)) << "400 days old, kept for 500";
}

}  // namespace
}  // namespace sb::server
