/// An engine over a real store with a watched provider, for tests.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fstream>
#include <functional>
#include <random>

#include "base/log.h"
#include "flow/engine.h"
#include "store/sqlite/sqlite_store.h"
#include "store/testing.h"
#include "testing/fake_provider.h"

namespace sb::flow {

using model::testing::FakeReply;
using store::RunStatus;

inline constexpr std::string_view kMail = "jane.roe@acme.org";
inline constexpr std::string_view kAnswer =
    R"({"choices":[{"index":0,"message":{"role":"assistant","content":"Wrote to [EMAIL_1]"},"finish_reason":"stop"}]})";
inline constexpr std::string_view kPolicy = R"(
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
    while (held) {
      asio::steady_timer pause(co_await asio::this_coro::executor, std::chrono::milliseconds(1));
      co_await pause.async_wait(use_task);
    }
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
  bool held = false;  ///< answers once it is false
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

inline std::string file_text(const char* path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

inline std::string request_of(std::string_view text) {
  return to_text(
      json::object{{"model", "auto"}, {"messages", json::array{json::object{{"role", "user"}, {"content", text}}}}});
}

inline std::string answer_of(std::string_view content) {
  return to_text(json::object{
      {"choices", json::array{json::object{{"index", 0},
                                           {"message", json::object{{"role", "assistant"}, {"content", content}}},
                                           {"finish_reason", "stop"}}}}});
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
    options.free_disk_bytes = [this] { return --full_at_ == 0 ? 0 : free_bytes_.load(); };
    options.disk_check_every = std::chrono::milliseconds(0);
    options.before_erase = [this](std::span<const RunId> runs) {
      if (answers_) answers_->forget(runs);
    };
    store_ = std::move(*store::open_sqlite_store(std::move(options), log_));
    io_ = std::make_unique<Context>();
    auto provider = std::make_unique<WatchedProvider>(clock_, calls_);
    provider_ = provider.get();
    provider_->fake.otherwise["l"].body = kAnswer;
    provider_->fake.otherwise["s"].body = kAnswer;
    std::vector<std::unique_ptr<model::Provider>> providers;
    providers.push_back(other_provider_ ? other_provider_() : std::move(provider));
    while (providers.size() < catalog_->providers().size())
      providers.push_back(std::make_unique<model::testing::FakeProvider>(clock_, calls_));
    gateway_ = std::make_unique<model::ModelGateway>(*catalog_, std::move(providers), clock_, sleeper_, entropy_);
    in_flight_ = std::make_unique<InFlight>();
    events_ = std::make_unique<EventHub>(*store_, clock_, Pseudonyms("pseudonym secret"));
    http::ClientOptions client_options;
    client_options.pool_idle = std::chrono::milliseconds(1);  // `wait` ends when nothing is left to do
    client_ = http::Client::create(*io_, client_options);
    outbound_ = std::make_unique<Outbound>(*client_, egress_, clock_, entropy_);
    if (script_registry_)
      scripts_ = std::make_unique<script::ScriptRunner>(Executor(io_->get_executor()), *script_registry_);
    EngineParts parts{*store_,
                      clock_,
                      entropy_,
                      sealer_,
                      *in_flight_,
                      flows_,
                      ledger_,
                      *gateway_,
                      *catalog_,
                      scripts_.get(),
                      script_registry_.get(),
                      [this] { return policy_; },
                      [this] { return promise_ ? promise_->current() : router_; },
                      tenant_keys_,
                      Pseudonyms("pseudonym secret"),
                      nullptr,
                      outbound_.get(),
                      events_.get(),
                      std::make_shared<const json::object>(secrets_),
                      nullptr,
                      answers_.get(),
                      likeness_,
                      events_out_,
                      promise_,
                      on_verdict_,
                      on_cache_,
                      on_verified_};
    parts.trials = trials_.get();
    parts.spend_limit = [this](const KeyId&) { return spend_limit_; };
    parts.records_out = records_out_;
    gate_.emplace(limits_);
    if (limits_.any()) parts.gate = &*gate_;
    EngineOptions engine_options;
    engine_options.record_again = std::chrono::milliseconds(1);
    engine_options.recover_in_parallel = recover_in_parallel_;
    engine_options.processes = {"shell"};
    engine_options.timers_near = timers_near_;
    engine_options.double_answers = double_answers_;
    engine_options.lifecycle = lifecycle_;
    engine_options.always_sync = always_sync_;
    engine_options.checkpoint_bytes_max = checkpoint_bytes_max_;
    engine_ = std::make_unique<Engine>(*io_, std::move(parts), engine_options);
    events_->join(*engine_, io_->get_executor());
  }
  /// Works until `done`, at most twenty seconds.
  void work_until(const std::function<bool()>& done) {
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    io_->restart();
    while (!done() && std::chrono::steady_clock::now() < patience) io_->run_one_for(std::chrono::milliseconds(10));
    ASSERT_TRUE(done());
  }
  template <class T>
  T get(Task<T> task) {
    std::optional<T> result;
    asio::co_spawn(*io_, std::move(task),
                   [&](const std::exception_ptr&, T value) { result.emplace(std::move(value)); });
    work_until([&] { return result.has_value(); });
    return *std::move(result);
  }
  /// Labelled texts, a tenth of them out of scope, as drawn scores.
  static std::vector<triage::Watched> drawn_scores() {
    std::mt19937_64 random(3);
    std::uniform_real_distribution<double> unit;
    std::vector<triage::Watched> labelled;
    for (int i = 0; i < 6'000; ++i) {
      const bool outside = i % 10 == 0;
      const double score = outside ? 0.7 * unit(random) : 1 - (0.3 * unit(random));
      labelled.push_back({{score, !outside, outside, !outside}, outside ? 0.5 + (unit(random) / 2) : unit(random) / 3});
    }
    return labelled;
  }
  void stop() {
    store_.reset();            // its threads answer on the context: they end first, as in the server
    if (io_) io_->drop_all();  // waiting coroutines go while what they refer to is there
    engine_.reset();
    scripts_.reset();
    outbound_.reset();
    client_.reset();
    gateway_.reset();
    io_.reset();
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

  std::shared_ptr<const triage::Router> router_;                      ///< null: no triage
  std::unique_ptr<AnswerCache> answers_;                              ///< null: no cache; read by `start`
  std::shared_ptr<const triage::Likeness> likeness_;                  ///< null: no question is like another; likewise
  std::optional<EventsOut> events_out_;                               ///< read by `start`
  std::optional<RecordsOut> records_out_;                             ///< likewise
  std::function<std::unique_ptr<model::Provider>()> other_provider_;  ///< in place of the watched one; by `start`
  triage::LiveRouter* promise_ = nullptr;                             ///< read by `start`, as what follows
  std::function<void(std::string_view, bool)> on_verdict_;
  std::unique_ptr<triage::Trials> trials_;
  std::function<void(CacheOutcome)> on_cache_;
  std::function<void(const triage::Verdict&)> on_verified_;
  DoubleAnswers double_answers_{};
  LifecycleOptions lifecycle_{};  ///< read by `start`
  WorkLimits limits_{};           ///< likewise
  bool always_sync_ = false;      ///< likewise
  std::size_t timers_near_ = 4096;
  std::size_t checkpoint_bytes_max_ = 4 << 20;
  store::testing::TemporaryFolder folder_;
  store::testing::PlainLog log_;
  std::atomic<std::uint64_t> free_bytes_{1ULL << 40};
  std::atomic<int> full_at_{0};  ///< the group, counted from now, that alone finds no room; 0: none
  model::testing::FakeClock clock_;
  model::testing::FakeSleeper sleeper_{clock_};
  SeededEntropy entropy_{7};
  TenantKeys tenant_keys_{std::string(32, 'm')};
  Sealer sealer_{tenant_keys_, std::string(32, 'k'), entropy_};
  SpendLedger ledger_;
  MicroMoney spend_limit_ = 0;                                             ///< of a day, of every key
  std::size_t recover_in_parallel_ = EngineOptions().recover_in_parallel;  ///< read by `start`
  FlowRegistry flows_;
  std::optional<model::Catalog> catalog_;
  std::shared_ptr<const policy::Policy> policy_;
  Egress egress_;
  json::object secrets_{{"token", "0123456789-of-the-operator"}};
  KeyId key_ = KeyId::generate(clock_, entropy_);
  std::vector<std::string> calls_;
  std::unique_ptr<store::Store> store_;
  struct Context : asio::io_context {
    void drop_all() { shutdown(); }
  };
  std::unique_ptr<Context> io_;
  std::unique_ptr<model::ModelGateway> gateway_;
  std::unique_ptr<InFlight> in_flight_;
  std::unique_ptr<EventHub> events_;
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<Outbound> outbound_;
  std::unique_ptr<script::ScriptRegistry> script_registry_;  ///< null: no scripts; read by `start`
  std::unique_ptr<script::ScriptRunner> scripts_;
  std::optional<WorkGate> gate_;
  std::unique_ptr<Engine> engine_;
  WatchedProvider* provider_ = nullptr;
};

}  // namespace sb::flow
