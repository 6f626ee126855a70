#include "server/serve.h"

#include <fmt/format.h>
#include <signal.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/log.h"
#include "http/server.h"
#include "keys/door.h"
#include "server/erasures.h"
#include "server/free_memory.h"
#include "server/kafka.h"
#include "server/key_rotation.h"
#include "server/learning.h"
#include "server/metrics.h"
#include "server/retention.h"
#include "server/services.h"
#include "server/setup.h"
#include "server/shard.h"
#include "server/signals.h"
#include "store/patient_read.h"

namespace sb::server {
namespace {

constexpr std::size_t kRecoverPage = 256;
constexpr std::chrono::seconds kSourcesPatience{5};  // for their last commit, where brokers are slow or away

int refuse(const Error& error) {
  fmt::print(stderr, "signalbox: {}\n", error.detail);
  return 1;
}

int stopped_early(std::string_view why) {
  log_info("server.stopped", {{"detail", why}});
  return 0;
}

Result<> check_keys(Services& services) {
  const auto usable = services.keys->usable_count();
  services.keys_required = keys_needed(services.config.keys.required, usable);
  if (services.keys_required && usable == 0) {
    return fail(Errc::unauthenticated,
                fmt::format("keys.required is `always`, but there is no key; make one: signalbox init --data {}",
                            services.config.data.dir));
  }
  return check_listen(services.config, usable);
}

Result<std::vector<std::unique_ptr<Shard>>> make_shards(Services& services, std::atomic<bool>& ready) {
  std::vector<std::unique_ptr<Shard>> shards;
  const auto count = shard_count(services.config);
  const auto listen = parse_host_port(services.config.server.listen);
  std::uint16_t port = listen->port;
  if (port != 0) {
    // Our shards share the port (SO_REUSEPORT); with another process we must not, and a socket of its own finds that
    // out.
    asio::io_context io;
    http::ServerOptions alone;
    alone.host = listen->host;
    alone.port = port;
    SB_CHECK(http::Server::create(io, alone, {}));
  }
  for (std::size_t i = 0; i < count; ++i) {
    SB_TRY(auto shard, Shard::create(services, port, ready));
    port = shard->port();  // with port 0 the first one's choice is everybody's
    shards.push_back(std::move(shard));
  }
  return shards;
}

/// Runs that were open when the last server stopped, spread over the shards, page by page: the server answers
/// meanwhile.
Task<void> recover(Services& services, std::vector<std::unique_ptr<Shard>>& shards) {
  std::optional<RunId> after;
  std::size_t total = 0;
  while (true) {
    auto page = co_await store::read_patiently([&] { return services.store->open_runs(after, kRecoverPage); });
    if (!page) {
      log_error("recovery.failed", {{"code", to_string(page.error().code)}, {"detail", page.error().detail}});
      co_return;
    }
    if (page->empty()) break;
    after = page->back().id;
    total += page->size();
    const bool last = page->size() < kRecoverPage;
    std::vector<std::vector<RunId>> shares(shards.size());
    for (std::size_t i = 0; i < page->size(); ++i) shares[i % shares.size()].push_back((*page)[i].id);
    for (std::size_t i = 0; i < shards.size(); ++i) {
      if (!shares[i].empty()) shards[i]->recover(std::move(shares[i]));
    }
    if (last) break;
  }
  if (total > 0) log_info("recovery.started", {{"runs", total}});
}

void write_listen_file(const Services& services, std::uint16_t port) {
  const auto host = parse_host_port(services.config.server.listen)->host;
  const auto path = std::filesystem::path(services.config.data.dir) / "listen";
  const auto scratch = path.string() + ".new";
  std::ofstream(scratch) << host << ':' << port << '\n';
  std::error_code ignored;
  std::filesystem::rename(scratch, path, ignored);  // whole or not at all, for those who wait for it
}

/// SIGHUP: the policy file again. Requests in work keep the policy they began with. One at a time; `asked` counts those
/// that came since the last one began, and with the first of them this begins.
Task<void> reload(Services& services, std::atomic<int>& asked) {
  for (int seen = asked; seen > 0; seen = asked -= seen) {
    if (auto read = co_await reload_policy(services); !read) {
      log_error("policy.not_reloaded", {{"code", to_string(read.error().code)}, {"detail", read.error().detail}});
      continue;
    }
    const auto policy = services.policies->current();
    log_info("policy.in_force",
             {{"policy", policy->name()}, {"version", policy->version()}, {"hash", policy->hash().substr(0, 16)}});
  }
}

}  // namespace

int serve(ServeOptions options) {
  const auto started = std::chrono::steady_clock::now();
  Signals signals;
  set_log_level(options.config.log.level);
  auto services = open_services(std::move(options.config), &signals);
  if (!services && services.error().code == Errc::cancelled) return stopped_early(services.error().detail);
  if (!services) return refuse(services.error());
  if (auto loaded = load_content(**services); !loaded) return refuse(loaded.error());
  if (auto checked = check_keys(**services); !checked) return refuse(checked.error());
  if (auto recorded = record_setup(**services); !recorded) return refuse(recorded.error());
  std::atomic<bool> ready{false};
  std::atomic<int> reloads_asked{0};
  auto shards = make_shards(**services, ready);
  if (!shards) return refuse(shards.error());
  shards->front()->adopt_post();
  if (auto made = make_sources(**services, *shards); !made) return refuse(made.error());
  (*services)->while_starting.reset();
  if (signals.stop_asked()) return stopped_early("told to stop before it was ready");
  register_metrics(**services, *shards);
  for (auto& shard : *shards) shard->start();
  asio::io_context main;
  asio::co_spawn(main, recover(**services, *shards), asio::detached);
  {
    const Signals::OnStop stop(signals, [&main] { main.stop(); });
    main.run();
  }
  for (auto& shard : *shards) shard->watch_timers();
  shards->front()->keep_schedules();
  shards->front()->keep_containers();
  shards->front()->start_post();
  shards->front()->spawn([&services] { return keep_retention(**services); });
  shards->front()->spawn([&services] { return keep_learning(**services); });
  shards->front()->spawn([&services] { return keep_key_rotation(**services); });
  shards->front()->spawn([&services] { return keep_erasures(**services); });
  give_back_free_memory();
  ready = true;
  for (auto& shard : *shards) shard->start_sources();
  write_listen_file(**services, shards->front()->port());
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started).count();
  log_info("server.ready", {{"listen", fmt::format("{}:{}", parse_host_port((*services)->config.server.listen)->host,
                                                   shards->front()->port())},
                            {"shards", shards->size()},
                            {"data", (*services)->config.data.dir},
                            {"keys", (*services)->keys_required},
                            {"start_ms", took},
                            {"version", SB_VERSION}});
  int signal = signals.next();
  // Beside the requests: a reload may have to wait for the mirror, and is no reason not to see SIGTERM.
  for (; signal == SIGHUP; signal = signals.next()) {
    if (reloads_asked++ == 0)
      shards->front()->spawn([&services, &reloads_asked] { return reload(**services, reloads_asked); });
  }
  log_info("server.draining", {{"signal", signal}});
  ready = false;
  for (auto& shard : *shards) shard->stop_sources(std::chrono::steady_clock::now() + kSourcesPatience);
  for (auto& shard : *shards) shard->drain(std::chrono::milliseconds((*services)->config.server.drain_timeout_ms));
  for (auto& shard : *shards) shard->join();
  (*services)->kafka.reset();  // who waits for a record to be written goes with it, while its shard is still there
  if ((*services)->mirror) (*services)->mirror->let_go();
  (*services)->store.reset();  // writes what is queued, and tells the shards' threads of it: they must still be there
  shards->clear();
  log_info("server.stopped");
  return 0;
}

Result<InitReport> init(const Config& config) {
  SB_TRY(auto services, open_services(config, nullptr, false));  // the server that starts first names the log
  InitReport report{{}, services->config.data.dir};
  if (services->keys->usable_count() > 0) return report;
  SB_TRY(auto key, make_key("first admin", "default", Role::admin, {}, services->keys->pepper(), system_clock(),
                            system_entropy()));
  auto records = services->keys->records();
  records.push_back(key.record);
  SB_CHECK(store_keys(*services, std::move(records), key.record, "key.create"));
  report.key = std::string(key.text.reveal());
  return report;
}

}  // namespace sb::server
