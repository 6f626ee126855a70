#include "flow/engine_testing.h"

namespace sb::flow {
namespace {

TEST_F(EngineTest, AKilledRunGoesOnWithTheSameIdempotencyKey) {
  auto run = prepare(request_of("write to " + std::string(kMail)));
  const RunId id = run->row.id;
  provider_->forever = true;
  provider_->during = [this] { io_->stop(); };
  asio::co_spawn(*io_, engine_->drive(run), asio::detached);
  io_->run();
  ASSERT_EQ(provider_->seen.size(), 1U);
  const auto first = provider_->seen[0];
  run.reset();
  restart();
  EXPECT_EQ(row_of(id).status, RunStatus::running);
  engine_->recover({id});
  io_->restart();
  io_->run();
  ASSERT_EQ(provider_->seen.size(), 1U);
  EXPECT_EQ(provider_->seen[0].key, first.key);
  EXPECT_EQ(provider_->seen[0].body, first.body);
  const auto row = row_of(id);
  EXPECT_EQ(row.status, RunStatus::completed);
  EXPECT_EQ(row.epoch, LeaseEpoch{2});
  EXPECT_EQ(row.cost, 20);
  EXPECT_EQ(booked(), 20);
  EXPECT_EQ(ledger_.spent(key_, utc_day(clock_.now_us())), 20);
  EXPECT_EQ(step_names(id),
            (std::vector<std::string>{"guard.inbound", "triage", "byRoute", "guard.outbound", "model"}));
  // Again: it is finished now, so nothing happens.
  engine_->recover({id});
  io_->restart();
  io_->run();
  EXPECT_EQ(provider_->seen.size(), 1U);
}

TEST_F(EngineTest, WhoMaySeeARunsTextsOutlivesAKill) {
  auto run = prepare(request_of("write to " + std::string(kMail)), [](RunRequest& request) {
    request.may_restore = false;
    request.carried.local = true;
  });
  const RunId id = run->row.id;
  ASSERT_TRUE(wait(engine_->accept(run)));
  run.reset();
  restart();
  auto again = engine_->resume(*wait(store_->load_run(id)), nullptr);
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_FALSE((*again)->guard.may_restore());
  engine_->recover({id});
  io_->restart();
  io_->run();
  EXPECT_EQ(row_of(id).status, RunStatus::faulted);
  EXPECT_TRUE(provider_->seen.empty()) << "no model is local";
}

TEST_F(EngineTest, RecoveryLeavesAloneWhatIsInWork) {
  auto run = prepare(request_of("hello"));
  provider_->during = [&] { engine_->recover({run->row.id}); };
  ASSERT_TRUE(drive(run));
  EXPECT_EQ(provider_->seen.size(), 1U);
  EXPECT_EQ(row_of(run->row.id).epoch, LeaseEpoch{1});
}

TEST_F(EngineTest, ARunThatCannotBeRecordedReachesNoModel) {
  free_bytes_ = 0;
  auto run = prepare(request_of("hello"));
  const auto driven = drive(run);
  ASSERT_FALSE(driven);
  EXPECT_EQ(driven.error().code, Errc::disk_full);
  EXPECT_TRUE(provider_->seen.empty());
  EXPECT_EQ(in_flight_->size(), 0U);
}

TEST_F(EngineTest, ARunThatFoundNoRoomGoesOnWhenThereIsSome) {
  auto run = prepare(request_of("hello"));
  const RunId id = run->row.id;
  provider_->during = [&, asked = false]() mutable {
    if (std::exchange(asked, true)) return;
    free_bytes_ = 0;  // between the commit before the call and the one after it
    asio::co_spawn(
        *io_,
        [](std::atomic<std::uint64_t>& bytes) -> Task<void> {
          asio::steady_timer full(co_await asio::this_coro::executor, std::chrono::milliseconds(20));
          co_await full.async_wait(use_task);
          bytes = 1ULL << 40;
        }(free_bytes_),
        asio::detached);
  };
  const auto driven = drive(run);  // returns when nothing is left to do, the second life of the run included
  ASSERT_FALSE(driven);
  EXPECT_EQ(driven.error().code, Errc::disk_full);
  EXPECT_EQ(row_of(id).status, RunStatus::completed);
  EXPECT_EQ(row_of(id).cost, 20);
  EXPECT_EQ(provider_->seen.size(), 2U) << "asked again and again while there was no room";
  EXPECT_EQ(provider_->seen[0].key, provider_->seen[1].key);
  EXPECT_EQ(in_flight_->size(), 0U);
}

TEST_F(EngineTest, ARunThatLostItsLeaseWritesNothingMore) {
  auto run = prepare(request_of("hello"));
  const RunId id = run->row.id;
  provider_->during = [&] {  // somebody else takes it over
    store::Commit taken;
    taken.update = *store::testing::wait_for(store_->load_run(id));
    taken.update->epoch = LeaseEpoch{9};
    EXPECT_TRUE(store::testing::wait_for(store_->commit(std::move(taken))));
  };
  const auto driven = drive(run);
  ASSERT_FALSE(driven);
  EXPECT_EQ(driven.error().code, Errc::lease_lost);
  EXPECT_EQ(row_of(id).status, RunStatus::running);
  EXPECT_EQ(booked(), 0);
  EXPECT_EQ(in_flight_->size(), 0U);
}

}  // namespace
}  // namespace sb::flow
