#include "server/shard.h"

#include "server/promise.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_future.hpp>
#include <future>

#include "api/sse_audience.h"
#include "audit/log_source.h"
#include "flow/outbound/catalog_reader.h"
#include "http/client.h"
#include "http/server.h"
#include "model/gateway.h"
#include "model/provider.h"
#include "server/kafka.h"
#include "server/trials.h"

namespace sb::server {

/// An io_context whose waiting work can be dropped while what that work refers to still lives.
struct ShardContext : asio::io_context {
  using asio::execution_context::shutdown;
  using asio::io_context::io_context;
};

// Members in order of construction; torn down the other way round.
struct Shard::Parts {
  explicit Parts(Services& s) : services(s), ticker(io) {}

  Services& services;
  ShardContext io{1};
  asio::executor_work_guard<Executor> work{io.get_executor()};
  api::StreamTicker ticker;
  std::unique_ptr<http::Client> client;                         ///< to everybody but the providers
  std::vector<std::unique_ptr<http::Client>> provider_clients;  ///< one each: each has its own limit of connections
  std::unique_ptr<model::Sleeper> sleeper;
  std::unique_ptr<model::ModelGateway> gateway;
  std::unique_ptr<script::ScriptRunner> scripts;
  std::unique_ptr<flow::Outbound> outbound;
  std::unique_ptr<flow::CatalogReader> catalogs;
  std::unique_ptr<flow::ExternalGuard> outside;
  std::unique_ptr<flow::Engine> engine;
  std::unique_ptr<api::Gatekeeper> gatekeeper;
  std::unique_ptr<audit::LogSource> audit_log;
  std::unique_ptr<api::Api> api;
  std::unique_ptr<http::Server> server;
  std::vector<std::unique_ptr<kafka::Source>> sources;
  std::unique_ptr<flow::LifecyclePost> post;  ///< of one shard
  Workers reports;                            ///< count what the record says
};

namespace {

std::optional<flow::EventsOut> events_out(const Services& services) {
  auto* sinks = services.kafka ? services.kafka->sinks.get() : nullptr;
  if (!sinks) return std::nullopt;
  return flow::EventsOut{[sinks](std::string_view type) { return sinks->wants(type); },
                         [sinks](json::value event) { return sinks->write(std::move(event)); }};
}

std::optional<flow::RecordsOut> records_out(const Services& services) {
  auto* publisher = services.kafka ? services.kafka->publisher.get() : nullptr;
  if (!publisher) return std::nullopt;
  return flow::RecordsOut{
      [publisher](std::string_view brokers, std::string_view topic) { return publisher->may_write(brokers, topic); },
      [publisher](flow::OutgoingRecord record, CancelSource* cancel) {
        return publisher->write(
            {std::move(record.topic), std::move(record.key), std::move(record.headers), std::move(record.value)},
            cancel);
      }};
}

flow::Durability durability_of(Durability configured) {
  switch (configured) {
    case Durability::sync:
      return flow::Durability::sync;
    case Durability::async:
      return flow::Durability::async;
    case Durability::exit:
      break;
  }
  return flow::Durability::exit;
}

}  // namespace

std::size_t shard_count(const Config& config) {
  return config.server.shards != 0 ? config.server.shards : std::max(1U, std::thread::hardware_concurrency());
}

Shard::~Shard() {
  join();
  // What the drain cut off: its coroutines hold streams, reservations and audiences of the parts below.
  if (parts_) parts_->io.shutdown();
}

Result<std::unique_ptr<Shard>> Shard::create(Services& services, std::uint16_t port, std::atomic<bool>& ready) {
  std::unique_ptr<Shard> shard(new Shard());
  shard->parts_ = std::make_unique<Parts>(services);
  Parts& p = *shard->parts_;
  const Config& config = services.config;

  p.client = http::Client::create(p.io, {});
  std::vector<std::unique_ptr<model::Provider>> providers;
  for (const auto& provider : services.catalog->providers()) {
    http::ClientOptions limits;
    const std::size_t most = config.providers.at(provider.name).max_connections;
    limits.connections_per_origin_max = (most + shard_count(config) - 1) / shard_count(config);
    p.provider_clients.push_back(http::Client::create(p.io, std::move(limits)));
    providers.push_back(model::make_provider(provider, *p.provider_clients.back(), system_clock()));
  }
  p.sleeper = model::make_sleeper(p.io);
  p.gateway = std::make_unique<model::ModelGateway>(*services.catalog, std::move(providers), system_clock(), *p.sleeper,
                                                    system_entropy());
  p.outbound = std::make_unique<flow::Outbound>(*p.client, services.egress, system_clock(), system_entropy());
  p.catalogs = std::make_unique<flow::CatalogReader>(*p.outbound, services.flow_secrets, config.flows.catalog);
  p.scripts = std::make_unique<script::ScriptRunner>(p.io.get_executor(), *services.scripts);

  p.outside = std::make_unique<flow::ExternalGuard>(*p.client, system_clock());
  flow::EngineParts parts{*services.store,
                          system_clock(),
                          system_entropy(),
                          *services.sealer,
                          services.in_flight,
                          services.flows,
                          services.limiters.spend,
                          *p.gateway,
                          *services.catalog,
                          p.scripts.get(),
                          services.scripts.get(),
                          [&services] { return services.policies->current(); },
                          [&services] { return services.live ? services.live->current() : nullptr; },
                          *services.tenant_keys,
                          Pseudonyms(services.pseudonym_secret),
                          services.injection.get(),
                          p.outbound.get(),
                          services.events.get(),
                          services.flow_secrets,
                          p.outside.get(),
                          services.answers.get(),
                          services.likeness};
  parts.events_out = events_out(services);
  parts.records_out = records_out(services);
  parts.on_outbox = [&services] {
    if (services.on_outbox) services.on_outbox();
  };
  if (config.triage.promise) parts.promise = services.live.get();
  parts.gate = services.gate.get();
  parts.container_gate = services.container_gate.get();
  parts.containers_going = &services.containers_going;
  parts.spend_limit = [&services](const KeyId& id) {
    const auto key = services.keys->find(id);
    return effective_limits(key ? key->limits : KeyLimits(), services.config.keys.limits).spend_micro_per_day;
  };
  parts.on_verdict = services.on_verdict;
  parts.trials = services.trials.get();
  parts.on_trial = services.on_trial;
  parts.on_cache = services.on_cache;
  parts.on_verified = services.on_verified;
  flow::EngineOptions engine_options;
  if (config.triage.promise) engine_options.double_answers = double_answers(*config.triage.promise);
  engine_options.lifecycle = services.lifecycle;
  engine_options.always_sync = !config.mirror.url.empty() && config.mirror.mode == MirrorMode::before_ack;
  engine_options.checkpoint_bytes_max = config.flows.checkpoint_mb << 20;
  engine_options.containers = services.containers;
  if (config.flows.shell) engine_options.processes.insert("shell");
  if (config.flows.python) engine_options.processes.insert("python");
  p.engine = std::make_unique<flow::Engine>(p.io, std::move(parts), std::move(engine_options));
  services.events->join(*p.engine, p.io.get_executor());

  api::GatekeeperOptions door;
  door.keys_required = services.keys_required;
  door.default_limits = config.keys.limits;
  door.spend_warn_percent = config.keys.spend_warn_percent;
  p.gatekeeper = std::make_unique<api::Gatekeeper>(*services.keys, services.limiters, system_clock(), door);
  p.audit_log = audit::open_log_folder(services.data.audit_folder());
  api::ApiParts surface{*p.engine,
                        *services.store,
                        services.in_flight,
                        services.flows,
                        *services.catalog,
                        *p.gatekeeper,
                        p.ticker,
                        system_clock(),
                        system_entropy(),
                        process_metrics(),
                        *services.counters,
                        *services.access_log,
                        *services.keys,
                        services.changes,
                        *services.policies,
                        *services.tenant_keys,
                        *services.key_rotation,
                        *services.openings,
                        Pseudonyms(services.pseudonym_secret),
                        *p.audit_log};
  surface.durability = durability_of(config.data.durability);
  surface.in_flight_max = config.server.limits.max_in_flight;
  surface.ready = &ready;
  surface.audit_public = config.audit.is_public;
  surface.overhead_header = config.telemetry.overhead_header;
  surface.auto_model = config.models.automatic.enabled;
  surface.currency = config.currency;
  surface.events = services.events.get();
  surface.catalogs = p.catalogs.get();
  surface.containers = &services.containers;
  surface.triage = services.triage_versions.get();
  surface.report_trials = [&p](std::string tenant) { return report_trials(p.services, p.reports, std::move(tenant)); };
  if (services.mirror) {
    surface.mirror_progress = [&mirror = *services.mirror] {
      const auto stats = mirror.stats();
      return api::MirrorProgress{stats.groups_committed, stats.groups_mirrored};
    };
  }
  p.api = std::make_unique<api::Api>(std::move(surface));

  const auto listen = parse_host_port(config.server.listen);
  const auto& limits = config.server.limits;
  http::ServerOptions options;
  options.host = listen ? listen->host : "127.0.0.1";
  options.port = port;
  options.reuse_port = true;
  if (config.server.tls) {
    options.tls_certificate_file = config.server.tls->certificate;
    options.tls_key_file = config.server.tls->key;
  }
  options.header_bytes_max = limits.header_bytes;
  options.body_bytes_max = limits.body_bytes;
  options.connections_max = limits.max_connections;
  options.header_timeout = std::chrono::milliseconds(limits.header_timeout_ms);
  options.body_timeout = std::chrono::milliseconds(limits.body_timeout_ms);
  options.idle_timeout = std::chrono::milliseconds(limits.idle_timeout_ms);
  SB_TRY(p.server, http::Server::create(
                       p.io, options, [api = p.api.get()](http::Exchange& exchange) { return api->handle(exchange); }));
  return shard;
}

std::uint16_t Shard::port() const {
  return parts_->server->port();
}

model::DeploymentStats Shard::deployment_stats(std::size_t deployment) const {
  return parts_->gateway->stats(deployment);
}

void Shard::start() {
  parts_->server->start();
  parts_->ticker.start();
  thread_ = std::thread([this] { parts_->io.run(); });
}

void Shard::recover(std::vector<RunId> runs) {
  asio::post(parts_->io, [this, open = std::move(runs)] { parts_->engine->recover(open); });
}

void Shard::watch_timers() {
  asio::post(parts_->io, [this] { parts_->engine->watch_timers(); });
}

void Shard::keep_schedules() {
  asio::post(parts_->io, [this] { parts_->engine->keep_schedules(); });
}

void Shard::keep_containers() {
  asio::post(parts_->io, [this] { parts_->engine->keep_containers(); });
}

void Shard::adopt_post() {
  Services& services = parts_->services;
  auto counted = process_metrics().counters(
      "signalbox_flow_lifecycle_events_total",
      "Lifecycle events that were told, and that were given up because their run's content is gone or damaged.",
      {{"outcome", {"told", "given_up"}}});
  auto& waiting =
      process_metrics().gauge("signalbox_flow_lifecycle_events_waiting",
                              "From the oldest lifecycle event that a topic has not taken yet to the newest.");
  parts_->post = std::make_unique<flow::LifecyclePost>(
      flow::LifecyclePost::Parts{*services.store, *services.sealer, *services.events, events_out(services),
                                 [counted](bool told) { counted.at(told ? 0 : 1).add(); },
                                 [&waiting](std::int64_t events) { waiting.set(events); }},
      parts_->io.get_executor());
  services.on_outbox = [post = parts_->post.get()] { post->nudge(); };
}

void Shard::start_post() {
  spawn([post = parts_->post.get()] { return post->keep_here(); });
  spawn([post = parts_->post.get()] { return post->keep_outside(); });
}

void Shard::adopt(std::unique_ptr<kafka::Source> source) {
  parts_->sources.push_back(std::move(source));
}

void Shard::start_sources() {
  for (const auto& source : parts_->sources) asio::post(parts_->io, [&source] { source->consumer().start(); });
}

void Shard::stop_sources(std::chrono::steady_clock::time_point deadline) {
  std::vector<std::future<void>> stopped;
  for (const auto& source : parts_->sources)
    stopped.push_back(asio::co_spawn(parts_->io, source->consumer().stop(deadline), asio::use_future));
  for (const auto& one : stopped) one.wait_until(deadline);
}

kafka::Engines Shard::engine() {
  return {parts_->engine.get(), parts_->io.get_executor()};
}

void Shard::spawn(std::function<Task<void>()> work) {
  asio::post(parts_->io, [this, start = std::move(work)] { asio::co_spawn(parts_->io, start(), asio::detached); });
}

void Shard::drain(std::chrono::milliseconds deadline) {
  // A connection that is cut at the deadline ends its handler soon, unless that waits for a run that goes on without
  // its caller. Such a run is taken up again at the next start; it does not keep this process alive.
  constexpr std::chrono::seconds kAfterTheCut{1};
  const auto stop = [](Parts& parts) {
    parts.ticker.stop();
    parts.work.reset();
    parts.io.stop();
  };
  asio::co_spawn(
      parts_->io,
      [](Parts& parts, std::chrono::milliseconds limit, auto end) -> Task<void> {
        co_await parts.server->drain(limit);
        end(parts);
      }(*parts_, deadline, stop),
      asio::detached);
  asio::co_spawn(
      parts_->io,
      [](Parts& parts, std::chrono::milliseconds limit, auto end) -> Task<void> {
        asio::steady_timer patience(parts.io, limit);
        co_await patience.async_wait(use_task);
        end(parts);
      }(*parts_, deadline + kAfterTheCut, stop),
      asio::detached);
}

void Shard::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace sb::server
