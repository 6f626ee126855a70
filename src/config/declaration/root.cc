// Every key of signalbox.yaml, once. The root, and the small sections; defaults are the member initialisers in
// config.h.
#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "config/declaration/forms.h"
#include "config/declaration/sections.h"

namespace sb::config {
namespace {

bool is_currency(std::string_view text) {
  return text.size() == 3 && std::ranges::all_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

constexpr TextForm kCurrency{"^[A-Z]{3}$", "a currency code of three capitals (ISO 4217)", is_currency};

auto data_section() {
  using D = DataConfig;
  return declare<D>("Where runs, keys and the record are kept.")
      .path("dir", &D::dir, {.about = "Folder of the database and of the server's own keys; made if it is not there."})
      .choice("durability", &D::durability,
              {{"sync", Durability::sync}, {"async", Durability::async}, {"exit", Durability::exit}},
              {.about = "Of model requests; a flow may say its own. `sync` answers after the state is on disk; `async` "
                        "answers first and may lose the last moments of a crash; `exit` writes when a run ends or "
                        "rests, so that one a crash interrupts is lost or done again."})
      .integer("commit_batch_max", &D::commit_batch_max,
               {.about = "Most transactions that share one disk flush.", .min = 1, .max = 65'536})
      .integer("min_free_disk_mb", &D::min_free_disk_mb,
               {.about = "Below this free space new work is refused, so that what runs can finish.",
                .unit = "MiB",
                .max = 1 << 20});
}

auto keys_section() {
  using L = DefaultLimits;
  auto limits =
      declare<L>("For keys without limits of their own; 0 is no limit.")
          .integer("requests_per_minute", &L::requests_per_minute,
                   {.about = "Requests a key may make in a minute.", .max = 100'000'000})
          .integer(
              "spend_micro_per_day", &L::spend_micro_per_day,
              {.about = "Money a key may spend in a day (UTC).", .unit = "micro-units of `currency`", .max = kMaxMicro})
          .integer("max_in_flight", &L::max_in_flight,
                   {.about = "Requests of a key in work at once.", .max = 1'000'000});
  using K = KeysConfig;
  return declare<K>("Who may ask.")
      .choice("required", &K::required,
              {{"auto", KeysRequired::automatic}, {"always", KeysRequired::always}, {"never", KeysRequired::never}},
              {.about = "`auto` asks for a key as soon as one exists and, until then, listens on loopback only."})
      .section("limits", &K::limits, limits)
      .integer("spend_warn_percent", &K::spend_warn_percent,
               {.about = "Of what a key may spend in a day, from when on its answers carry "
                         "`x-signalbox-budget-used-percent` and `GET /api/v1/costs` warns; 0: never.",
                .unit = "%",
                .max = 100});
}

auto encryption_section() {
  using E = EncryptionConfig;
  return declare<E>("How payloads are sealed: a key for each run, wrapped by its tenant's, wrapped by the master key.")
      .secret("master_key", &E::master_key,
              {.about = "32 bytes, raw, in hex or in base64; left out, it is made of the data directory's own key. "
                        "Whoever has it and the database reads everything."})
      .secret(
          "previous_master_key", &E::previous_master_key,
          {.about = "After a change of the master key, for one start: the one before. The tenants' keys are wrapped "
                    "anew; then it can go."})
      .text("master_key_command", &E::master_key_command,
            {.about = "A command that prints the master key, asked once at start: for a KMS or an HSM. Instead of "
                      "master_key."});
}

auto retention_section() {
  constexpr std::int64_t kMaxDays = 36'500;
  auto flow = declare<FlowRetention>("How long the content of one flow's runs is kept.")
                  .integer("days", &FlowRetention::days,
                           {.about = "Days after the run's end; 0 is for ever.", .unit = "days", .max = kMaxDays});
  using R = RetentionConfig;
  return declare<R>("When the content of runs is erased by itself; steps, costs and the record stay.")
      .integer("days", &R::days,
               {.about = "Days after a run's end; 0 is for ever. Legal holds are honoured.",
                .unit = "days",
                .max = kMaxDays})
      .map("flows", &R::flows, flow,
           {.about = "Exceptions, by namespace/name of the flow.", .max = 1000, .names = &kFlowName});
}

auto telemetry_section() {
  using T = TelemetryConfig;
  return declare<T>("What the server tells about itself.")
      .boolean("metrics", &T::metrics, {.about = "Serve Prometheus metrics at /metrics."})
      .boolean("overhead_header", &T::overhead_header,
               {.about = "Say in x-signalbox-overhead-ms what Signalbox itself took."})
      .integer("access_log_per_second", &T::access_log_per_second,
               {.about = "Access log lines written in a second; more are counted and left out, 0 writes none.",
                .max = 1'000'000});
}

Declaration<Config> build_root() {
  const std::vector<std::pair<std::string, LogLevel>> levels = {{"debug", LogLevel::debug},
                                                                {"info", LogLevel::info},
                                                                {"warn", LogLevel::warn},
                                                                {"error", LogLevel::error},
                                                                {"off", LogLevel::off}};
  auto log = declare<LogConfig>("Log lines on standard error, one JSON object a line.")
                 .choice("level", &LogConfig::level, levels, {.about = "The least severe lines that are written."});
  auto scripts = declare<ScriptsConfig>("Deterministic answers.")
                     .path("dir", &ScriptsConfig::dir, {.about = "Folder of scripts; empty is none."});
  return declare<Config>("The configuration of one Signalbox server.")
      .section("server", &Config::server, server_section())
      .section("data", &Config::data, data_section())
      .section("log", &Config::log, log)
      .map("providers", &Config::providers, provider_section(),
           {.about = "Endpoints that serve models, by name.", .max = 256, .names = &kName})
      .map("tiers", &Config::tiers, tier_section(),
           {.about = "Classes of models, such as small and large, by name.", .max = 64, .names = &kName})
      .section("models", &Config::models, models_section())
      .section("policy", &Config::policy, policy_section())
      .section("triage", &Config::triage, triage_section())
      .section("scripts", &Config::scripts, scripts)
      .section("flows", &Config::flows, flows_section())
      .section("kafka", &Config::kafka, kafka_section())
      .section("cache", &Config::cache, cache_section())
      .section("keys", &Config::keys, keys_section())
      .text("currency", &Config::currency, {.about = "Currency of all prices, costs and budgets.", .form = &kCurrency})
      .section("encryption", &Config::encryption, encryption_section())
      .section("retention", &Config::retention, retention_section())
      .section("mirror", &Config::mirror, mirror_section())
      .section("audit", &Config::audit, audit_section())
      .section("telemetry", &Config::telemetry, telemetry_section());
}

}  // namespace

const Section& root_section() {
  static const auto root = build_root().get();
  return *root;
}

}  // namespace sb::config
