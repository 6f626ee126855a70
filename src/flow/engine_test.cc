#include "flow/engine.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fstream>

#include "base/log.h"
#include "store/sqlite/sqlite_store.h"
#include "store/testing.h"
#include "testing/fake_provider.h"

namespace sb::flow {
namespace {

using model::testing::FakeReply;
using store::RunStatus;

constexpr std::string_view kMail = "jane.roe@acme.org";
constexpr std::string_view kAnswer =
    R"({"choices":[{"index":0,"message":{"role":"assistant","content":"Wrote to [EMAIL_1]"},"finish_reason":"stop"}]})";
constexpr std::string_view kPolicy = R"(
name: test
version: 1
rules:
  - {name: mail, types: [EMAIL], direction: inbound, action: tokenise}
  - {name: iban, types: [IBAN], direction: both, action: block}
  - {name: card, types: [CREDIT_CARD], direction: both, action: route_to_human}
)";

/// What the provider saw of one call.
struct Seen {
  std::string body;
  std::string key;
};

/// The fake provider, watched; it can also take forever, as one does whose caller crashes.
class WatchedProvider final : public model::Provider {
 public:
  WatchedProvider(model::testing::FakeClock& clock, std::vector<std::string>& calls) : fake(clock, calls) {}

  Task<Result<model::ChatReply>> chat(model::ChatCall call, model::UpstreamModel upstream) override {
    seen.push_back({std::string(call.body), std::string(call.idempotency_key)});
    if (during) during();
    if (forever) {
      asio::steady_timer never(co_await asio::this_coro::executor, std::chrono::hours(1));
      co_await never.async_wait(use_task);
    }
    co_return co_await fake.chat(call, upstream);
  }
  Task<Result<model::StreamStart>> chat_stream(model::ChatCall call, model::UpstreamModel upstream) override {
    seen.push_back({std::string(call.body), std::string(call.idempotency_key)});
    return fake.chat_stream(call, upstream);
  }
  Task<Result<model::ChatReply>> embeddings(model::ChatCall call, model::UpstreamModel upstream) override {
    return chat(call, upstream);
  }
  Task<Result<std::vector<std::string>>> list_models(CancelSource* cancel) override { return fake.list_models(cancel); }

  model::testing::FakeProvider fake;
  std::vector<Seen> seen;
  std::function<void()> during;
  bool forever = false;
};

class Listener final : public Audience {
 public:
  Task<Result<>> event(std::uint64_t, std::string_view payload) override {
    if (heard.size() >= patience) co_return fail(Errc::cancelled, "the client closed the connection");
    heard.emplace_back(payload);
    co_return Result<>();
  }
  Task<Result<>> flush() override { co_return Result<>(); }
  std::vector<std::string> heard;
  std::size_t patience = 1'000;
};

std::string file_text(const char* path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string request_of(std::string_view text) {
  return to_text(
      json::object{{"model", "auto"}, {"messages", json::array{json::object{{"role", "user"}, {"content", text}}}}});
}

/// An engine over a real store; `restart` is a kill: what was not committed is gone.
class EngineTest : public ::testing::Test {
 protected:
  EngineTest() {
    set_log_level(LogLevel::off);
    model::CatalogConfig config;
    model::ProviderConfig provider;
    provider.name = "fake";
    provider.base_url = "http://127.0.0.1:1/v1";
    provider.models = {{"s", "", {1'000'000, 0, 2'000'000}, 0}, {"l", "", {1'000'000, 0, 2'000'000}, 0}};
    config.providers.push_back(std::move(provider));
    config.tiers = {{"small", {{"fake", "s", 1, 0}}}, {"large", {{"fake", "l", 1, 0}}}};
    catalog_.emplace(*model::Catalog::create(std::move(config)));
    add_flow(file_text("flows/chat.yaml"));
    policy_ = *policy::Policy::load(kPolicy, "test");
    tenant_keys_.add("acme", entropy_);
    start();
  }
  ~EngineTest() override { stop(); }

  void start() {
    store::SqliteOptions options;
    options.path = folder_.file("store.db");
    options.free_disk_bytes = [this] { return free_bytes_.load(); };
    options.disk_check_every = std::chrono::milliseconds(0);
    store_ = std::move(*store::open_sqlite_store(std::move(options), log_));
    io_ = std::make_unique<asio::io_context>();
    auto provider = std::make_unique<WatchedProvider>(clock_, calls_);
    provider_ = provider.get();
    provider_->fake.otherwise["l"].body = kAnswer;
    provider_->fake.otherwise["s"].body = kAnswer;
    std::vector<std::unique_ptr<model::Provider>> providers;
    providers.push_back(std::move(provider));
    gateway_ = std::make_unique<model::ModelGateway>(*catalog_, std::move(providers), clock_, sleeper_, entropy_);
    in_flight_ = std::make_unique<InFlight>();
    EngineParts parts{*store_,
                      clock_,
                      entropy_,
                      sealer_,
                      *in_flight_,
                      flows_,
                      ledger_,
                      *gateway_,
                      *catalog_,
                      nullptr,
                      nullptr,
                      [this] { return policy_; },
                      [] { return std::shared_ptr<const triage::Router>(); },
                      "tenant secret",
                      Pseudonyms("pseudonym secret")};
    EngineOptions engine_options;
    engine_options.record_again = std::chrono::milliseconds(1);
    engine_ = std::make_unique<Engine>(*io_, std::move(parts), engine_options);
  }
  void stop() {
    store_.reset();  // its threads answer on the context: they end first, as in the server
    io_.reset();     // waiting coroutines go while what they refer to is there
    engine_.reset();
    gateway_.reset();
  }
  void restart() {
    stop();
    start();
  }

  std::shared_ptr<const Flow> add_flow(std::string_view text) {
    auto flow = load_flow(text, "test.yaml", builtin_functions());
    EXPECT_TRUE(flow) << flow.error().detail;
    EXPECT_TRUE(flows_.add(*flow));
    return *flow;
  }

  std::shared_ptr<LiveRun> prepare(std::string input, const std::function<void(RunRequest&)>& change = {}) {
    RunRequest request;
    request.flow = *flows_.find("signalbox", "chat");
    request.tenant = "acme";
    request.key = key_.to_string();
    request.spender = key_;
    request.input = std::move(input);
    request.profile = policy::JsonProfile::chat_request;
    request.requested_model = "auto";
    if (change) change(request);
    const RunId id = RunId::generate(clock_, entropy_);
    auto pending = in_flight_->enter(request.tenant, request.idempotency_key, id, {}).pending;
    auto run = engine_->prepare(std::move(request), pending, id);
    EXPECT_TRUE(run) << run.error().detail;
    return *run;
  }

  template <class T>
  T wait(Task<T> task) {
    std::optional<T> result;
    asio::co_spawn(*io_, std::move(task),
                   [&](const std::exception_ptr&, T value) { result.emplace(std::move(value)); });
    io_->restart();
    io_->run();
    EXPECT_TRUE(result.has_value());
    return *std::move(result);
  }
  Result<> drive(const std::shared_ptr<LiveRun>& run) { return wait(engine_->drive(run)); }

  store::RunRow row_of(RunId id) {
    auto row = wait(store_->load_run(id));
    EXPECT_TRUE(row && engine_->unseal(*row));
    return *std::move(row);
  }
  std::vector<std::string> step_names(RunId id) {
    std::vector<std::string> names;
    std::uint32_t index = 0;
    const auto steps = wait(store_->load_steps(id));
    for (const auto& step : *steps) {
      EXPECT_EQ(static_cast<std::uint32_t>(step.index), index++);
      names.push_back(step.name);
    }
    return names;
  }
  MicroMoney booked() { return *wait(store_->spend_of(key_.to_string(), clock_.now_us())); }

  store::testing::TemporaryFolder folder_;
  store::testing::PlainLog log_;
  std::atomic<std::uint64_t> free_bytes_{1ULL << 40};
  model::testing::FakeClock clock_;
  model::testing::FakeSleeper sleeper_{clock_};
  SeededEntropy entropy_{7};
  TenantKeys tenant_keys_{std::string(32, 'm')};
  Sealer sealer_{tenant_keys_, std::string(32, 'k'), entropy_};
  SpendLedger ledger_;
  FlowRegistry flows_;
  std::optional<model::Catalog> catalog_;
  std::shared_ptr<const policy::Policy> policy_;
  KeyId key_ = KeyId::generate(clock_, entropy_);
  std::vector<std::string> calls_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<asio::io_context> io_;
  std::unique_ptr<model::ModelGateway> gateway_;
  std::unique_ptr<InFlight> in_flight_;
  std::unique_ptr<Engine> engine_;
  WatchedProvider* provider_ = nullptr;
};

TEST_F(EngineTest, ARunThatIsStoredAfterItsTenantsKeyWasRotatedIsUnderTheNewKey) {
  auto run = prepare(request_of("hello"));
  tenant_keys_.add("acme", entropy_);
  EXPECT_FALSE(tenant_keys_.is_current("acme", run->row.data_key));
  ASSERT_TRUE(drive(run));
  EXPECT_TRUE(tenant_keys_.is_current("acme", wait(store_->load_run(run->row.id))->data_key));
  EXPECT_NE(row_of(run->row.id).input.find("hello"), std::string::npos);
}

TEST_F(EngineTest, StoreAndModelSeePlaceholdersTheCallerItsValues) {
  auto run = prepare(request_of("write to " + std::string(kMail)));
  ASSERT_TRUE(drive(run));
  EXPECT_FALSE(run->problem);
  ASSERT_EQ(provider_->seen.size(), 1U);
  EXPECT_EQ(provider_->seen[0].body.find(kMail), std::string::npos);
  const auto row = row_of(run->row.id);
  EXPECT_EQ(row.status, RunStatus::completed);
  EXPECT_NE(row.input.find("[EMAIL_1]"), std::string::npos);
  EXPECT_EQ(row.input.find(kMail), std::string::npos);
  EXPECT_EQ(row.output.find(kMail), std::string::npos);
  EXPECT_NE(run->guard.restore(run->output.text()).find(kMail), std::string::npos);
  EXPECT_EQ(step_names(row.id),
            (std::vector<std::string>{"guard.inbound", "triage", "byRoute", "guard.outbound", "model"}));
  EXPECT_EQ(row.cost, 20);  // 10 tokens in at 1, 5 out at 2
  EXPECT_EQ(booked(), 20);
  EXPECT_EQ(in_flight_->size(), 0U);
}

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

TEST_F(EngineTest, AProvidersErrorIsTheRunsOutcomeAndPassesThePolicy) {
  provider_->fake.then(
      "l", model::testing::fake_status(400, {}, R"({"error":{"message":"bad IBAN DE89370400440532013000"}})"));
  auto run = prepare(request_of("hello"));
  ASSERT_TRUE(drive(run));
  ASSERT_TRUE(run->failure);
  EXPECT_EQ(run->failure->body.find("DE8937"), std::string::npos);
  const auto row = row_of(run->row.id);
  EXPECT_EQ(row.status, RunStatus::faulted);
  EXPECT_EQ(row.error.find("DE8937"), std::string::npos);
}

TEST_F(EngineTest, WhatStepsSayWhenTheyFailIsSealed) {
  const auto flow = add_flow(
      "document: {dsl: '1.0.3', namespace: test, name: unknown, version: '1.0.0'}\n"
      "do:\n  - ask: {call: chat, with: {model: violet-canary}}\n");
  auto run = prepare(request_of("hello"), [&](RunRequest& request) { request.flow = flow; });
  ASSERT_TRUE(drive(run));
  auto row = *wait(store_->load_run(run->row.id));
  auto steps = *wait(store_->load_steps(row.id));
  ASSERT_FALSE(steps.back().error.empty());
  EXPECT_EQ((row.error + steps.back().error).find("violet"), std::string::npos);
  ASSERT_TRUE(engine_->unseal(row, steps));
  EXPECT_NE(steps.back().error.find("violet-canary"), std::string::npos);
  row.erased = true;
  ASSERT_TRUE(engine_->unseal(row, steps));
  EXPECT_EQ(steps.back().error, "null");
}

TEST_F(EngineTest, AnAnswerThatIsNotSaidIsPaidAllTheSame) {
  for (const char* text : {"pay to DE89370400440532013000", "card 4000056655665556"}) {  // block, person
    const MicroMoney before = booked();
    FakeReply reply;
    reply.body = to_text(json::object{
        {"choices", json::array{json::object{{"index", 0},
                                             {"message", json::object{{"role", "assistant"}, {"content", text}}}}}}});
    provider_->fake.then("l", reply);
    auto run = prepare(request_of("hello"));
    ASSERT_TRUE(drive(run));
    EXPECT_EQ(run->error_code, Errc::policy_denied) << text;
    const auto row = row_of(run->row.id);
    EXPECT_EQ(row.status, RunStatus::faulted);
    EXPECT_EQ(row.cost, 20);
    EXPECT_EQ(booked() - before, 20);
    EXPECT_EQ(row.error.find("DE8937"), std::string::npos);
  }
}

TEST_F(EngineTest, WhatThePolicyBlocksReachesNobody) {
  auto run = prepare(request_of("pay to DE89370400440532013000"));
  ASSERT_TRUE(drive(run));
  EXPECT_EQ(run->error_code, Errc::policy_denied);
  EXPECT_TRUE(provider_->seen.empty());
  EXPECT_EQ(row_of(run->row.id).input.find("DE8937"), std::string::npos);
}

TEST_F(EngineTest, AFlowThatAsksNoPersonCannotPassAPolicyThatDoes) {
  const auto flow = add_flow(
      "document: {dsl: '1.0.3', namespace: test, name: bold, version: '1.0.0'}\ndo:\n  - ask: {call: chat, with: "
      "{model: large}}\n");
  auto run = prepare(request_of("card 4000056655665556"), [&](RunRequest& request) { request.flow = flow; });
  ASSERT_TRUE(drive(run));
  EXPECT_EQ(run->error_code, Errc::policy_denied);
  EXPECT_TRUE(provider_->seen.empty());
}

TEST_F(EngineTest, AScriptThatHasNoAnswerLeavesItToTheSmallModel) {
  const auto flow = add_flow(
      "document: {dsl: '1.0.3', namespace: test, name: scripted, version: '1.0.0'}\n"
      "do:\n  - try: {call: script, with: {name: none}}\n  - ask: {call: chat, with: {model: script}}\n");
  auto run = prepare(request_of("hello"), [&](RunRequest& request) { request.flow = flow; });
  ASSERT_TRUE(drive(run));
  EXPECT_EQ(calls_, std::vector<std::string>{"s"});
  EXPECT_EQ(row_of(run->row.id).route, "small");
}

TEST_F(EngineTest, ABudgetThatIsTooSmallCallsNobody) {
  auto run = prepare(request_of("hello"), [](RunRequest& request) { request.spend_limit_per_day = 5; });
  ASSERT_TRUE(drive(run));
  EXPECT_EQ(run->error_code, Errc::budget_exceeded);
  EXPECT_TRUE(provider_->seen.empty());
  EXPECT_EQ(ledger_.reserved(key_, utc_day(clock_.now_us())), 0);
}

FakeReply stream_of(std::vector<std::string> texts) {
  FakeReply reply;
  for (const auto& text : texts) {
    reply.chunks.push_back(to_text(json::object{
        {"id", "c"},
        {"object", "chat.completion.chunk"},
        {"choices", json::array{json::object{
                        {"index", 0}, {"delta", json::object{{"content", text}}}, {"finish_reason", nullptr}}}}}));
  }
  return reply;
}

TEST_F(EngineTest, AStreamIsRecordedWithPlaceholdersAndHeardWithValues) {
  provider_->fake.then("l", stream_of({"Wrote to [EMA", "IL_1] just", " now"}));
  Listener listener;
  auto run = prepare(request_of("write to " + std::string(kMail)), [&](RunRequest& request) {
    request.stream = true;
    request.audience = &listener;
  });
  ASSERT_TRUE(drive(run));
  std::string heard;
  for (const auto& payload : listener.heard) heard += payload;
  EXPECT_NE(heard.find(kMail), std::string::npos);
  EXPECT_EQ(heard.find("[EMAIL_1]"), std::string::npos);
  const auto row = row_of(run->row.id);
  EXPECT_NE(row.output.find("Wrote to [EMAIL_1] just now"), std::string::npos) << row.output;
  const auto chunks = wait(store_->load_chunks(row.id, 0));
  for (const auto& chunk : *chunks)
    EXPECT_EQ(Sealer::open(*sealer_.key_of(row), row.id, chunk.data)->find(kMail), std::string::npos);
  EXPECT_EQ(wait(engine_->stored_events(*run)), listener.heard);
}

TEST_F(EngineTest, AStreamThatBreaksIsFaultedAndPaid) {
  auto reply = stream_of({"half an ", "answer is "});
  reply.stream_error = Error(Errc::upstream_invalid, "the stream was cut");
  provider_->fake.then("l", reply);
  Listener listener;
  auto run = prepare(request_of("hello"), [&](RunRequest& request) {
    request.stream = true;
    request.audience = &listener;
  });
  ASSERT_TRUE(drive(run));
  EXPECT_TRUE(run->problem);
  const auto row = row_of(run->row.id);
  EXPECT_EQ(row.status, RunStatus::faulted);
  EXPECT_GT(row.cost, 0);
  EXPECT_EQ(booked(), row.cost);
  EXPECT_TRUE(wait(engine_->stored_events(*run)).empty());
}

TEST_F(EngineTest, ACallThatFailsTellsWhatWasTried) {
  provider_->fake.otherwise["l"] = model::testing::fake_error(Errc::upstream_timeout);
  auto run = prepare(request_of("hello"));
  ASSERT_TRUE(drive(run));
  ASSERT_TRUE(run->problem);
  const auto row = row_of(run->row.id);
  EXPECT_GT(row.cost, 0);  // what was read may be billed
  EXPECT_EQ(booked(), row.cost);
  const auto steps = wait(store_->load_steps(row.id));
  ASSERT_TRUE(steps);
  EXPECT_NE(steps->back().decision.find(R"("cause":"timeout")"), std::string::npos) << steps->back().decision;
}

TEST_F(EngineTest, ACallerThatGoesIsRecordedUnlessItMeansToComeBack) {
  for (const bool comes_back : {false, true}) {
    const MicroMoney before = booked();
    provider_->fake.then("l", stream_of({"one ", "two ", "three ", "four "}));
    Listener listener;
    listener.patience = 1;
    auto run = prepare(request_of("hello"), [&](RunRequest& request) {
      request.stream = true;
      request.audience = &listener;
      if (comes_back) request.idempotency_key = "again";
    });
    ASSERT_TRUE(drive(run));
    const auto row = row_of(run->row.id);
    EXPECT_EQ(row.status, comes_back ? RunStatus::completed : RunStatus::cancelled);
    EXPECT_GT(row.cost, 0);
    EXPECT_EQ(booked() - before, row.cost);
    EXPECT_EQ(wait(engine_->stored_events(*run)).empty(), !comes_back);
  }
}

class Review : public EngineTest {
 protected:
  void SetUp() override {
    run_ = prepare(request_of("my card is 4000056655665556"));  // the policy asks for a person
    ASSERT_TRUE(drive(run_));
    ASSERT_TRUE(run_->review);
    ASSERT_EQ(row_of(run_->row.id).status, RunStatus::waiting);
    ASSERT_EQ(in_flight_->size(), 0U);
  }
  Result<store::ReviewRow> decide(json::object verdict) {
    return wait(engine_->decide(*run_->review, "rita", std::move(verdict)));
  }

  std::shared_ptr<LiveRun> run_;
};

TEST_F(Review, AnApprovalFinishesTheRunOnce) {
  restart();
  ASSERT_TRUE(decide({{"verdict", "approve"}}));
  EXPECT_EQ(row_of(run_->row.id).status, RunStatus::completed);
  EXPECT_EQ(decide({{"verdict", "reject"}}).error().code, Errc::conflict);
  EXPECT_TRUE(provider_->seen.empty());
  EXPECT_EQ(in_flight_->size(), 0U);
}

TEST_F(Review, ATextThatThePolicyBlocksIsHandedBackToItsAuthor) {
  const auto refused = decide({{"verdict", "edit"}, {"text", "pay to DE89370400440532013000"}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::policy_denied);
  EXPECT_EQ(refused.error().detail.find("DE8937"), std::string::npos);
  EXPECT_EQ(row_of(run_->row.id).status, RunStatus::waiting);
  EXPECT_EQ(in_flight_->size(), 0U);
  ASSERT_TRUE(decide({{"verdict", "edit"}, {"text", "call us"}, {"reason", "no IBAN DE89370400440532013000"}}));
  const auto row = row_of(run_->row.id);
  EXPECT_NE(row.output.find("call us"), std::string::npos);
  const auto review = wait(store_->load_review(*run_->review));
  EXPECT_EQ(Sealer::open(*sealer_.key_of(row), row.id, review->verdict)->find("DE8937"), std::string::npos);
}

TEST_F(Review, WhatNobodyOutsideAnswersForDoesNotGoOut) {
  policy_ = *policy::Policy::load(
      std::string(kPolicy) +
          "checks: [{name: tone, kind: http, direction: outbound, action: block, url: 'http://127.0.0.1:1/'}]\n",
      "test");
  for (const char* verdict : {"edit", "approve"}) {
    const auto refused = decide({{"verdict", verdict}, {"text", "call us"}});
    ASSERT_FALSE(refused) << verdict;
    EXPECT_EQ(refused.error().code, Errc::policy_denied);
    EXPECT_EQ(refused.error().detail, "the text may not go out: check tone: no answer");
    EXPECT_EQ(row_of(run_->row.id).status, RunStatus::waiting);
    EXPECT_EQ(wait(store_->load_review(*run_->review))->state, store::ReviewState::open);
    EXPECT_EQ(in_flight_->size(), 0U);
  }
  EXPECT_TRUE(decide({{"verdict", "reject"}})) << "nothing goes out";
}

TEST_F(Review, ARejectionIsTheRunsFault) {
  ASSERT_TRUE(decide({{"verdict", "reject"}}));
  EXPECT_EQ(row_of(run_->row.id).status, RunStatus::faulted);
}

/// Sees every '#' and cannot bear it.
class FaultyDetector final : public policy::Detector {
 public:
  std::string_view name() const override { return "faulty"; }
  bool reports(std::string_view type) const override { return type == "FAULT"; }
  std::string_view wake_bytes() const override { return "#"; }
  void verify(policy::ScanWindow&, std::size_t, policy::Findings&) const override {
    throw std::runtime_error("secret words");
  }
};

TEST_F(EngineTest, ADetectorThatThrowsStopsQuestionAndAnswer) {
  policy_ = *policy::Policy::load("{name: p, version: 1, rules: [{types: ['*'], action: redact}]}", "p",
                                  {std::make_shared<FaultyDetector>()});
  RunRequest request;
  request.flow = *flows_.find("signalbox", "chat");
  request.tenant = "acme";
  request.input = request_of("tell me of C#");
  request.profile = policy::JsonProfile::chat_request;
  const RunId id = RunId::generate(clock_, entropy_);
  const auto refused = engine_->prepare(std::move(request), in_flight_->enter("acme", {}, id, {}).pending, id);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::internal);
  EXPECT_EQ(refused.error().detail.find("secret words"), std::string::npos);
  provider_->fake.otherwise["l"].body =
      R"({"choices":[{"index":0,"message":{"role":"assistant","content":"use C#"},"finish_reason":"stop"}]})";
  auto run = prepare(request_of("which language?"));
  ASSERT_TRUE(drive(run));
  ASSERT_TRUE(run->problem);
  EXPECT_EQ(to_text(run->problem->to_json()).find("C#"), std::string::npos);
  const auto row = row_of(run->row.id);
  EXPECT_EQ(row.status, RunStatus::faulted);
  EXPECT_EQ((row.output + row.error).find("C#"), std::string::npos);
}

constexpr std::string_view kShape = R"(
name: shape
version: 1
rules: []
checks:
  - name: shape
    kind: json_schema
    direction: outbound
    repair: true
    action: block
    schema: {type: object, required: [total], properties: {total: {type: number}}}
)";

std::string answer_of(std::string_view content) {
  return to_text(json::object{
      {"choices", json::array{json::object{{"index", 0},
                                           {"message", json::object{{"role", "assistant"}, {"content", content}}},
                                           {"finish_reason", "stop"}}}}});
}

TEST_F(EngineTest, AnAnswerOfTheWrongFormIsCorrectedOnce) {
  policy_ = *policy::Policy::load(kShape, "test");
  FakeReply wrong, right;
  wrong.body = answer_of(R"({"sum": 3})");
  right.body = answer_of(R"({"total": 3})");
  provider_->fake.then("l", wrong).then("l", right);
  auto run = prepare(request_of("add up"));
  ASSERT_TRUE(drive(run));
  EXPECT_FALSE(run->problem);
  ASSERT_EQ(provider_->seen.size(), 2U);
  EXPECT_NE(provider_->seen[1].body.find("must have"), std::string::npos) << provider_->seen[1].body;
  EXPECT_NE(provider_->seen[0].key, provider_->seen[1].key);
  EXPECT_NE(run->output.text().find("total"), std::string::npos);
  EXPECT_EQ(run->row.cost, 40) << "both answers are paid for";

  provider_->fake.then("l", wrong).then("l", wrong);
  auto stubborn = prepare(request_of("add up again"));
  ASSERT_TRUE(drive(stubborn));
  ASSERT_TRUE(stubborn->problem);
  EXPECT_EQ(stubborn->error_code, Errc::policy_denied);
  EXPECT_EQ(provider_->seen.size(), 4U);
}

TEST_F(EngineTest, AStreamWaitsForAnswersThatAreChecked) {
  policy_ = *policy::Policy::load(kShape, "test");
  provider_->fake.then("l", [] {
    FakeReply reply;
    reply.body = answer_of(R"({"total": 3})");
    return reply;
  }());
  Listener listener;
  auto run = prepare(request_of("add up"), [&](RunRequest& request) {
    request.stream = true;
    request.audience = &listener;
  });
  ASSERT_TRUE(drive(run));
  EXPECT_FALSE(run->problem);
  EXPECT_TRUE(listener.heard.empty()) << "nothing before it was checked";
}

// Nobody there to ask is no permission.
TEST_F(EngineTest, ChecksThatCannotBeMadeObject) {
  for (const char* check : {"kind: injection, min_score: 0.9", "kind: http, url: 'http://127.0.0.1:1/'"}) {
    policy_ = *policy::Policy::load(
        std::string("{name: c, version: 1, rules: [], checks: [{name: c, direction: inbound, action: block, ") + check +
            "}]}",
        "test");
    auto run = prepare(request_of("hello"));
    ASSERT_TRUE(drive(run));
    ASSERT_TRUE(run->problem) << check;
    EXPECT_EQ(run->error_code, Errc::policy_denied);
    EXPECT_TRUE(provider_->seen.empty()) << check;
  }
}

TEST_F(EngineTest, WithoutThePermissionPlaceholdersStay) {
  auto run =
      prepare(request_of("write to " + std::string(kMail)), [](RunRequest& request) { request.may_restore = false; });
  ASSERT_TRUE(drive(run));
  const auto told = run->guard.restore(run->output.text());
  EXPECT_EQ(told.find(kMail), std::string::npos);
  EXPECT_NE(told.find("[EMAIL_1]"), std::string::npos);
  EXPECT_FALSE(run->guard.restores());
}

TEST_F(EngineTest, ATenantsPlaceholderIsKnownInAnotherRun) {
  policy_ = *policy::Policy::load(
      "{name: t, version: 1, rules: [{types: [EMAIL], direction: inbound, action: tokenise, consistent: tenant}]}",
      "test");
  auto first = prepare(request_of("write to " + std::string(kMail)));
  ASSERT_TRUE(drive(first));
  const auto input = row_of(first->row.id).input;
  const auto token = input.substr(input.find("[EMAIL_T"), std::string_view("[EMAIL_T0123456789AB]").size());
  restart();
  FakeReply reply;
  reply.body = answer_of("That is " + token);
  provider_->fake.then("l", reply);
  auto second = prepare(request_of("who is " + token + "?"));
  ASSERT_TRUE(drive(second));
  EXPECT_NE(second->guard.restore(second->output.text()).find(kMail), std::string::npos);
}

}  // namespace
}  // namespace sb::flow
