/// An engine over the real store, audit log and policy in one folder, with a provider that answers in this process.
#pragma once

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "audit/log.h"
#include "base/log.h"
#include "flow/engine.h"
#include "http/client.h"
#include "store/sqlite/sqlite_store.h"

namespace sb::bench {

inline constexpr std::string_view kTenant = "default";
inline constexpr std::string_view kQuestion = R"({"messages":[{"role":"user","content":"hello"}]})";

/// A model as near as can be: what a step costs is then the engine's own.
class NearProvider final : public model::Provider {
 public:
  Task<Result<model::ChatReply>> chat(model::ChatCall, model::UpstreamModel) override {
    model::ChatReply reply;
    reply.body = R"({"choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]})";
    reply.usage = {5, 0, 1, false};
    co_return reply;
  }
  Task<Result<model::StreamStart>> chat_stream(model::ChatCall, model::UpstreamModel) override {
    co_return fail(Errc::unsupported, "answers whole");
  }
  Task<Result<model::ChatReply>> embeddings(model::ChatCall call, model::UpstreamModel upstream) override {
    return chat(call, upstream);
  }
  Task<Result<std::vector<std::string>>> list_models(CancelSource*) override { co_return std::vector<std::string>(); }
};

inline std::string file_text(const std::string& path) {
  std::ifstream file(path);
  SB_ASSERT(file.good());
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// Ten times the same task, and the rest of a flow around them.
inline std::string ten_tasks(std::string_view name, std::string_view task) {
  std::string text =
      fmt::format("document: {{dsl: '1.0.3', namespace: bench, name: {}, version: '1.0.0'}}\ndo:\n", name);
  for (int i = 0; i < 10; ++i) text += fmt::format("  - step{}: {}\n", i, task);
  return text;
}

/// Everything of one server with one shard but its HTTP surface. `folder` is made where it is not there.
class Workplace {
 public:
  explicit Workplace(const std::string& folder) {
    std::filesystem::create_directories(folder);
    log_ = *audit::AuditLog::create(std::string(32, 's'), {.origin = {}, .folder = folder + "/audit"});
    store::SqliteOptions options;
    options.path = folder + "/store.db";
    store_ = *store::open_sqlite_store(std::move(options), *log_);
    open_keys(folder + "/tenant-keys");
    policy_ = *policy::Policy::load(file_text("policies/default.yaml"), "policies/default.yaml");
    model::CatalogConfig models;
    model::ProviderConfig provider;
    provider.name = "near";
    provider.base_url = "http://127.0.0.1:1/v1";
    provider.models = {{"large", "", {1'000'000, 0, 2'000'000}, 0}};
    models.providers.push_back(std::move(provider));
    models.tiers = {{"large", {{"near", "large", 1, 0}}}};
    catalog_.emplace(*model::Catalog::create(std::move(models)));
    sleeper_ = model::make_sleeper(io_);
    std::vector<std::unique_ptr<model::Provider>> providers;
    providers.push_back(std::make_unique<NearProvider>());
    gateway_ = std::make_unique<model::ModelGateway>(*catalog_, std::move(providers), system_clock(), *sleeper_,
                                                     system_entropy());
    client_ = http::Client::create(io_, {});
    outbound_ = std::make_unique<flow::Outbound>(*client_, egress_, system_clock(), system_entropy());
    events_ = std::make_unique<flow::EventHub>(*store_, system_clock(), Pseudonyms("pseudonym secret"));
    flow::EngineParts parts{*store_,
                            system_clock(),
                            system_entropy(),
                            sealer_,
                            in_flight_,
                            flows_,
                            ledger_,
                            *gateway_,
                            *catalog_,
                            nullptr,
                            nullptr,
                            [this] { return policy_; },
                            [] { return std::shared_ptr<const triage::Router>(); },
                            tenant_keys_,
                            Pseudonyms("pseudonym secret"),
                            nullptr,
                            outbound_.get(),
                            events_.get()};
    engine_ = std::make_unique<flow::Engine>(io_, std::move(parts), flow::EngineOptions());
    events_->join(*engine_, io_.get_executor());
  }
  ~Workplace() {
    store_.reset();  // its threads answer on the context: they end first
    io_.drop_all();
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  std::shared_ptr<const flow::Flow> add_flow(std::string_view text) {
    auto loaded = flow::load_flow(text, "bench.yaml", flow::builtin_functions());
    SB_ASSERT(loaded.has_value() && flows_.add(*loaded).has_value());
    return *loaded;
  }
  std::shared_ptr<flow::LiveRun> prepare(const std::shared_ptr<const flow::Flow>& flow, std::string_view input,
                                         flow::Durability durability = flow::Durability::sync) {
    flow::RunRequest request;
    request.flow = flow;
    request.tenant = kTenant;
    request.input = input;
    request.durability = durability;
    request.requested_model = "large";
    const RunId id = RunId::generate(system_clock(), system_entropy());
    auto pending = in_flight_.enter(request.tenant, {}, id, {}).pending;
    auto run = engine_->prepare(std::move(request), std::move(pending), id);
    SB_ASSERT(run.has_value());
    return *std::move(run);
  }

  /// Works until `task` is done, and what others do meanwhile with it.
  template <class T>
  T wait(Task<T> task) {
    std::optional<T> result;
    asio::co_spawn(io_, std::move(task), [&](const std::exception_ptr& thrown, T value) {
      SB_ASSERT(!thrown);
      result.emplace(std::move(value));
    });
    while (!result) io_.run_one();
    return *std::move(result);
  }

  asio::io_context& io() { return io_; }
  store::Store& store() { return *store_; }
  flow::Engine& engine() { return *engine_; }
  flow::EventHub& events() { return *events_; }
  flow::InFlight& in_flight() { return in_flight_; }
  flow::Egress& egress() { return egress_; }
  flow::Sealer& sealer() { return sealer_; }

 private:
  void open_keys(const std::string& path) {
    if (std::filesystem::exists(path)) {
      const auto stored = parse_json(file_text(path));
      SB_ASSERT(stored && tenant_keys_.load(*stored).has_value());
      return;
    }
    tenant_keys_.add(kTenant, system_entropy());
    std::ofstream(path) << to_text(tenant_keys_.document(system_entropy()));
  }

  struct Context : asio::io_context {
    using asio::io_context::io_context;
    void drop_all() { shutdown(); }
  };
  Context io_{1};
  asio::executor_work_guard<Executor> work_{io_.get_executor()};
  std::unique_ptr<audit::AuditLog> log_;
  std::unique_ptr<store::Store> store_;
  TenantKeys tenant_keys_{std::string(32, 'm')};
  flow::Sealer sealer_{tenant_keys_, std::string(32, 'k'), system_entropy()};
  std::shared_ptr<const policy::Policy> policy_;
  std::optional<model::Catalog> catalog_;
  std::unique_ptr<model::Sleeper> sleeper_;
  std::unique_ptr<model::ModelGateway> gateway_;
  flow::Egress egress_;
  flow::FlowRegistry flows_;
  flow::InFlight in_flight_;
  SpendLedger ledger_;
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<flow::Outbound> outbound_;
  std::unique_ptr<flow::EventHub> events_;
  std::unique_ptr<flow::Engine> engine_;
};

}  // namespace sb::bench
