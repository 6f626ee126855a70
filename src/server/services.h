/// What all shards share: store, log, keys, policy, triage, catalog, flows. Built once, in this order, torn down in
/// reverse.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "api/api.h"
#include "api/auth.h"
#include "api/change_gate.h"
#include "api/key_rotation.h"
#include "api/openings.h"
#include "api/policy_book.h"
#include "api/triage_book.h"
#include "audit/log.h"
#include "config/config.h"
#include "flow/engine.h"
#include "flow/event_hub.h"
#include "flow/in_flight.h"
#include "flow/sealer.h"
#include "flow/work_gate.h"
#include "keys/key_ring.h"
#include "mirror/mirror.h"
#include "model/catalog.h"
#include "policy/policy.h"
#include "script/runner.h"
#include "server/signals.h"
#include "store/data_dir.h"
#include "store/sqlite/sqlite_store.h"
#include "telemetry/access_log.h"
#include "telemetry/metrics.h"
#include "triage/live_router.h"
#include "triage/router.h"
#include "triage/trials.h"

namespace sb::server {

struct KafkaServices;

struct Services {
  Services();
  ~Services();

  Config config;
  asio::io_context startup;  ///< for calls of the store before any shard runs; outlives the store, as it asks
  store::DataDir data;
  std::unique_ptr<mirror::Mirror> mirror;  ///< null: none configured
  std::optional<Signals::OnStop>
      while_starting;  ///< nobody hears of commits yet: who is to stop need not wait for the mirror
  std::unique_ptr<audit::AuditLog> log;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<KeyRing> keys;
  std::unique_ptr<TenantKeys> tenant_keys;
  std::unique_ptr<flow::Sealer> sealer;
  std::unique_ptr<model::Catalog> catalog;
  std::unique_ptr<script::ScriptRegistry> scripts;  ///< empty: none configured
  std::unique_ptr<api::PolicyBook> policies;
  std::unique_ptr<const policy::InjectionScorer> injection;
  std::unique_ptr<triage::LiveRouter> live;          ///< the triage in force; null: none configured
  std::unique_ptr<api::TriageBook> triage_versions;  ///< null with it
  std::unique_ptr<triage::Trials> trials;            ///< null: nothing is tried
  std::function<void(const triage::RouteDecision&)> on_trial;
  std::atomic<bool> counting_trials = false;               ///< one at a time: it takes a processor
  std::function<void(std::string_view, bool)> on_verdict;  ///< counts it; as EngineParts
  std::function<void(const triage::Verdict&)> on_verified;
  flow::FlowRegistry flows;
  flow::InFlight in_flight;
  std::unique_ptr<flow::WorkGate> gate;              ///< null: nothing is limited
  std::unique_ptr<flow::AnswerCache> answers;        ///< null: not configured
  std::shared_ptr<const triage::Likeness> likeness;  ///< likewise
  std::function<void(flow::CacheOutcome)> on_cache;
  flow::LifecycleOptions lifecycle;
  std::function<void()> on_outbox;  ///< there is something to tell; the first shard's post hears it
  flow::Egress egress;
  flow::ContainerOptions containers;  ///< of flows
  flow::GoingContainers containers_going;
  std::unique_ptr<flow::WorkGate> container_gate;  ///< null: no container runs
  std::shared_ptr<const json::object> flow_secrets;
  std::unique_ptr<flow::EventHub> events;
  std::unique_ptr<KafkaServices> kafka;  ///< null: not configured
  api::Limiters limiters;
  api::ChangeGate changes;
  std::unique_ptr<api::KeyRotation> key_rotation;
  std::unique_ptr<api::Openings> openings;
  std::unique_ptr<AccessLog> access_log;
  std::unique_ptr<api::ApiMetrics> counters;
  std::map<std::string, std::string>
      setup;  ///< versions of what the configuration names: config, flows, scripts, triage
  std::string pseudonym_secret;
  bool keys_required = true;
};

/// Opens data directory, log and store, and loads the keys. `signals`: end a wait for the mirror's place; null: nobody
/// waits for them. `sign`: as AuditLogOptions. Errors: with what to do about them; cancelled (told to stop).
Result<std::unique_ptr<Services>> open_services(Config config, Signals* signals, bool sign = true);
/// Reads policy, triage, scripts, flows and model catalog: everything that can be wrong in a configuration.
Result<> load_content(Services& services);
/// Reads the policy file again (SIGHUP). Errors: what is wrong with it; the one in force stays.
Task<Result<>> reload_policy(Services& services);
/// Writes the key records, with a leaf that says so.
Result<> store_keys(Services& services, std::vector<KeyRecord> records, const KeyRecord& changed, std::string kind);

/// The shipped documents, built into the binary.
std::string_view default_chat_flow();
struct ShippedFlow {
  std::string_view text;
  std::string_view origin;
};
/// As it was shipped before: runs that began with one go on with it.
std::span<const ShippedFlow> former_chat_flows();
std::string_view default_embeddings_flow();
std::string_view second_opinion_flow();
std::string_view labels_flow();
std::string_view default_policy();
/// Weights of the shipped injection classifier.
std::string_view default_injection_model();

}  // namespace sb::server
