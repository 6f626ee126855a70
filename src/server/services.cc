#include "server/services.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/bytes.h"
#include "base/crypto.h"
#include "flow/injection.h"
#include "flow/sealed_documents.h"
#include "keys/derived_keys.h"
#include "server/content.h"
#include "server/flow_catalogs.h"
#include "server/kafka.h"
#include "server/mirror.h"
#include "server/promise.h"
#include "server/record.h"
#include "server/request_names.h"
#include "server/tenant_keys.h"
#include "server/trials.h"
#include "server/wait_for.h"

namespace sb::server {
namespace {

std::string hash_of_lines(std::vector<std::string> lines) {
  std::ranges::sort(lines);
  return to_hex(sha256(fmt::format("{}", fmt::join(lines, "\n"))));
}

Result<> load_policy(Services& services) {
  const Config& config = services.config;
  SB_TRY(auto text, policy_text(config));
  api::PublishRules rules{config.policy.approval == Approval::two_people, {}};
  for (const auto& host : config.policy.guard_hosts) rules.guard_hosts.push_back(host.name);
  services.policies =
      std::make_unique<api::PolicyBook>(*services.store, *services.sealer, system_clock(), services.changes,
                                        Pseudonyms(services.pseudonym_secret), std::move(rules));
  SB_CHECK(wait_for(services.policies->open(std::move(text), policy_origin(config)), services.startup));
  if (config.policy.injection_model.empty()) {
    services.injection = flow::late_injection_scorer(default_injection_model());
  } else {
    SB_TRY(services.injection, flow::load_injection_scorer(config.policy.injection_model));
  }
  return {};
}

Result<std::optional<std::string>> load_sealed(Services& services, std::string name) {
  return wait_for(flow::load_sealed(*services.store, *services.sealer, std::move(name)), services.startup);
}

Result<> load_keys(Services& services) {
  services.keys = std::make_unique<KeyRing>(Pepper(Secret(services.data.pepper())));
  SB_TRY(const auto document, load_sealed(services, std::string(flow::kApiKeysDocument)));
  if (!document) return {};
  SB_TRY(const auto parsed, parse_json(*document));
  SB_TRY(auto records, keys_from_json(parsed));
  return services.keys->replace(std::move(records));
}

/// Those that came by API: open runs need their very versions again.
Result<> load_registered_flows(Services& services,
                               const std::function<Result<>(std::string_view, std::string_view)>& add) {
  SB_TRY(const auto index, wait_for(services.store->load_document("flows"), services.startup));
  if (!index) return {};
  SB_TRY(const auto ids, parse_json(*index));
  for (const auto& id : ids.is_array() ? ids.get_array() : json::array()) {
    if (!id.is_string()) return fail(Errc::corrupt, "the list of registered flows is not a list of names");
    SB_TRY(const auto source, load_sealed(services, "flow:" + std::string(id.get_string())));
    if (source) SB_CHECK(add(*source, std::string_view(id.get_string())));
  }
  return {};
}

std::function<void(const triage::Verdict&)> verified_counter() {
  return
      [verdicts = process_metrics().counters(
           "signalbox_triage_verified_total",
           "Answers of the small model that were looked at before they were given (`cascade` in triage.yaml). Many "
           "vetoed: look in the record at what was found, the small model may not be up to its share; many doubtful: "
           "their large calls are what quality costs.",
           {{"verdict", {"accepted", "doubtful", "vetoed"}}})](const triage::Verdict& verdict) {
        verdicts.at(verdict.vetoed() ? 2 : verdict.accepted() ? 0 : 1).add();
      };
}

/// What each limited key has spent today, as the books say.
Result<> load_spending(Services& services) {
  const Micros now = system_clock().now_us();
  for (const auto& key : services.keys->records()) {
    if (key.revoked_us) continue;
    SB_TRY(const auto spent, wait_for(services.store->spend_of(key.id.to_string(), now), services.startup));
    if (spent != 0) services.limiters.spend.restore(key.id, utc_day(now), spent);
  }
  return {};
}

/// A secret of flows is text, or JSON where it looks like an object.
Result<> load_flow_outside(Services& services) {
  const auto& config = services.config.flows;
  for (std::size_t i = 0; i < config.hosts.size(); ++i) {
    const auto& host = config.hosts[i];
    for (std::size_t j = 0; j < host.restore.size(); ++j) {
      if (const auto known = services.policies->current()->check_type(host.restore[j]); !known) {
        const auto place = fmt::format("flows.hosts[{}].restore[{}]", i, j);
        return fail(Errc::invalid_argument, fmt::format("{}: {}", place, known.error().detail), place);
      }
    }
    SB_CHECK(services.egress.allow(host.name, host.via, host.restore));
  }
  json::object secrets;
  for (const auto& secret : config.secrets) {
    if (!secret.value) continue;
    SB_TRY(const auto value, secret.value->resolve());
    const std::string_view text = value.reveal();
    json::value made = json::string(text);
    if (auto parsed = text.starts_with('{') ? parse_json(text) : Result<json::value>(made)) made = *std::move(parsed);
    secrets[secret.name] = std::move(made);
  }
  services.flow_secrets = std::make_shared<const json::object>(std::move(secrets));
  services.events =
      std::make_unique<flow::EventHub>(*services.store, system_clock(), Pseudonyms(services.pseudonym_secret));
  return {};
}

Result<> open_cache(Services& services) {
  const auto& config = services.config.cache;
  if (config.exact_ttl_s == 0) return {};
  flow::AnswerCacheOptions options{config.exact_ttl_s * 1'000'000, config.exact_entries, config.memory_mb << 20};
  if (const auto& semantic = config.semantic) {
    auto likeness = triage::Likeness::load(semantic->file, semantic->encoder);
    if (!likeness)
      return fail(likeness.error().code, fmt::format("cache.semantic: {}", likeness.error().detail), "cache.semantic");
    services.likeness = std::make_shared<const triage::Likeness>(*std::move(likeness));
    options.alike_max = semantic->compared;
  }
  services.answers = std::make_unique<flow::AnswerCache>(options);
  services.on_cache = [outcomes = process_metrics().counters(
                           "signalbox_flow_cache_requests_total",
                           "Requests that a recorded run could have answered. Few hits: nothing is asked twice, or "
                           "`cache.exact_ttl_s` is short; semantic: by the answer to a question like it; bypass: the "
                           "caller asked for a new answer.",
                           {{"outcome", {"hit", "semantic", "miss", "bypass"}}})](flow::CacheOutcome outcome) {
    outcomes.at(static_cast<std::size_t>(outcome)).add();
  };
  return {};
}

Result<> load_flows(Services& services) {
  const auto add_one = [&](std::string_view text, std::string_view origin,
                           const flow::ContainerOptions* containers) -> Result<std::string> {
    SB_TRY(const auto flow, load_with_catalogs(services, text, origin, containers));
    SB_CHECK(services.flows.add(flow));
    return flow->hash;
  };
  // One that is registered is there, whatever the operator has closed since then: its tasks fail, the server starts.
  const auto add = [&](std::string_view text, std::string_view origin) -> Result<> {
    SB_CHECK(add_one(text, origin, nullptr));
    return {};
  };
  std::vector<std::string> own;  // not those that came by API, each with a leaf of its own
  const auto add_own = [&](std::string_view text, std::string_view origin) -> Result<> {
    SB_TRY(auto hash, add_one(text, origin, &services.containers));
    own.push_back(std::move(hash));
    return {};
  };
  const auto& config = services.config.flows;
  if (!config.dir.empty()) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(config.dir, error)) {
      const auto extension = entry.path().extension();
      if (extension != ".yaml" && extension != ".yml" && extension != ".json") continue;
      SB_TRY(const auto text, read_file(entry.path().string()));
      SB_CHECK(add_own(text, entry.path().string()));
    }
    if (error)
      return fail(Errc::not_found, fmt::format("flows.dir: cannot read {}: {}", config.dir, error.message()),
                  "flows.dir");
  }
  SB_CHECK(load_registered_flows(services, add));
  if (!services.flows.find("signalbox", "chat")) {
    SB_CHECK(add_own(default_chat_flow(), "chat.yaml"));
    for (const auto& former : former_chat_flows()) SB_CHECK(add_own(former.text, former.origin));
  }
  if (!services.flows.find("signalbox", "embeddings")) SB_CHECK(add_own(default_embeddings_flow(), "embeddings.yaml"));
  if (const auto& promise = services.config.triage.promise; promise && promise->double_answers_per_mille > 0)
    SB_CHECK(add_own(second_opinion_flow(), "second-opinion.yaml"));
  if (!services.config.triage.file.empty()) SB_CHECK(add_own(labels_flow(), "labels.yaml"));
  services.setup["flows"] = hash_of_lines(std::move(own));
  return {};
}

}  // namespace

Services::Services() = default;
Services::~Services() {
  if (mirror) mirror->let_go();  // where a start failed, nobody is there to hear of a commit
}

Result<std::unique_ptr<Services>> open_services(Config config, Signals* signals, bool sign) {
  auto services = std::make_unique<Services>();
  services->config = std::move(config);
  const auto& settings = services->config;
  SB_TRY(services->data, store::DataDir::open_or_create(settings.data.dir, system_entropy()));
  SB_TRY(services->log, make_audit_log(*services, sign));
  SB_TRY(const std::string master, master_key(*services));
  store::SqliteOptions options;
  options.path = services->data.database();
  options.seal = document_sealing(*services, master);
  options.commit_batch_max = settings.data.commit_batch_max;
  options.min_free_disk_bytes = settings.data.min_free_disk_mb << 20;
  SB_TRY(services->mirror, open_mirror(*services));
  options.before_erase = [services = services.get()](std::span<const RunId> runs) {
    if (services->answers) services->answers->forget(runs);
  };
  if (signals && services->mirror)
    services->while_starting.emplace(*signals, [mirror = services->mirror.get()] { mirror->let_go(); });
  options.sink = services->mirror.get();
  if (settings.mirror.mode == MirrorMode::async) options.reads_wait_max = {};  // nobody waits for that mirror
  SB_TRY(services->store, store::open_sqlite_store(std::move(options), *services->log));
  if (!services->mirror) mirror::drop_left_copies(services->data.database());
  SB_CHECK(open_tenant_keys(*services, master));
  services->sealer =
      std::make_unique<flow::Sealer>(*services->tenant_keys, services->data.vault_key(), system_entropy());
  SB_CHECK(load_keys(*services));
  SB_CHECK(complete_tenant_keys(*services));
  services->key_rotation =
      std::make_unique<api::KeyRotation>(*services->store, *services->tenant_keys, *services->sealer, services->changes,
                                         system_clock(), system_entropy(), api::KeyRotation::Options());
  services->openings = std::make_unique<api::Openings>(*services->store, system_clock());
  services->pseudonym_secret = pseudonym_secret(services->data.pepper());
  SB_CHECK(hide_request_names(*services));
  services->access_log =
      std::make_unique<AccessLog>(system_clock(), static_cast<std::uint32_t>(settings.telemetry.access_log_per_second));
  services->counters = std::make_unique<api::ApiMetrics>(process_metrics());
  return services;
}

Result<> load_content(Services& services) {
  const Config& config = services.config;
  SB_TRY(auto catalog_settings, catalog_config(config, ProviderKeys::resolved));
  SB_TRY(auto catalog, model::Catalog::create(std::move(catalog_settings)));
  services.catalog = std::make_unique<model::Catalog>(std::move(catalog));
  SB_CHECK(load_policy(services));
  services.on_verified = verified_counter();
  if (!config.scripts.dir.empty()) {
    SB_TRY(services.scripts, script::ScriptRegistry::load(config.scripts.dir));
  } else {
    services.scripts = std::make_unique<script::ScriptRegistry>();
  }
  std::vector<std::string> scripts;
  for (const auto& [name, script] : services.scripts->scripts()) scripts.push_back(name + " " + script.version);
  services.setup["scripts"] = hash_of_lines(std::move(scripts));
  SB_CHECK(load_live(services));
  services.setup["config"] = config.hash;
  SB_CHECK(load_trials(services));
  SB_CHECK(open_cache(services));
  SB_CHECK(load_flow_outside(services));
  SB_TRY(services.lifecycle, lifecycle_options(config));
  SB_TRY(services.containers, container_options(config.flows, services.pseudonym_secret));
  if (services.containers.configured()) {
    flow::WorkLimits at_once;
    at_once.all = config.flows.containers->at_once;
    services.container_gate = std::make_unique<flow::WorkGate>(std::move(at_once));
  }
  if (auto limits = work_limits(config.flows.at_work); limits.any())
    services.gate = std::make_unique<flow::WorkGate>(std::move(limits));
  SB_TRY(services.kafka, open_kafka(config));
  SB_CHECK(load_spending(services));
  return load_flows(services);
}

Task<Result<>> reload_policy(Services& services) {
  SB_CO_TRY(auto text, policy_text(services.config));
  co_return co_await services.policies->reload(std::move(text), policy_origin(services.config));
}

Result<> store_keys(Services& services, std::vector<KeyRecord> records, const KeyRecord& changed, std::string kind) {
  store::Commit commit;
  flow::put_sealed(commit, *services.sealer, std::string(flow::kApiKeysDocument), to_text(keys_to_json(records)));
  store::LeafDraft leaf;
  leaf.kind = std::move(kind);
  leaf.tenant = changed.tenant;
  leaf.summary = fmt::format(R"({{"key":"{}","role":"{}"}})", changed.id.to_string(), to_string(changed.role));
  leaf.time_us = system_clock().now_us();
  commit.leaves.push_back(std::move(leaf));
  SB_CHECK(wait_for(services.store->commit(std::move(commit)), services.startup));
  return services.keys->replace(std::move(records));
}

}  // namespace sb::server
