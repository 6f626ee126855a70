/// `signalbox.yaml` as typed values. Defaults stand here; names, ranges, units and sentences in declaration/; the
/// reader, the JSON Schema and the reference page all come from these two (docs/reference/configuration.md).
///
/// A `Config` is a value: read once at start, then shared as const. An empty file is a valid configuration.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/yaml.h"
#include "config/secret.h"

namespace sb {

struct TlsConfig {
  std::string certificate;
  std::string key;
};

struct ServerLimits {
  std::size_t header_bytes = std::size_t{32} * 1024;
  std::size_t body_bytes = std::size_t{10} * 1024 * 1024;
  std::int64_t header_timeout_ms = 10'000;
  std::int64_t body_timeout_ms = 30'000;
  std::int64_t idle_timeout_ms = 75'000;
  std::size_t max_connections = 20'000;
  std::size_t max_in_flight = 4096;
};

struct ServerConfig {
  std::string listen = "127.0.0.1:8080";
  std::size_t shards = 0;  ///< 0: one for each core
  std::optional<TlsConfig> tls;
  ServerLimits limits;
  std::int64_t drain_timeout_ms = 20'000;
  std::int64_t request_timeout_ms = 600'000;
};

enum class Durability { sync, async, exit };

struct DataConfig {
  std::string dir = "data";
  Durability durability = Durability::sync;
  std::size_t commit_batch_max = 512;
  std::size_t min_free_disk_mb = 64;
};

struct LogConfig {
  LogLevel level = LogLevel::info;
};

/// Micro-units of the configured currency for a million tokens.
struct PriceConfig {
  MicroMoney input = 0;
  std::optional<MicroMoney> cached_input;  ///< empty: as `input`
  MicroMoney output = 0;
};

struct ProviderModelConfig {
  std::string upstream;  ///< the provider's name for it; empty: the same
  PriceConfig price;
  std::int64_t context_tokens = 128'000;
};

struct TimeoutsConfig {
  std::int64_t connect_ms = 3000;
  std::int64_t first_byte_ms = 60'000;
  std::int64_t idle_ms = 60'000;
  std::int64_t total_ms = 600'000;
};

struct RetriesConfig {
  std::int64_t max = 2;
  std::int64_t base_ms = 200;
  std::int64_t cap_ms = 5000;
};

struct BreakerConfig {
  std::int64_t failures = 5;
  std::int64_t open_ms = 10'000;
};

enum class ProviderType { openai, anthropic };

struct ProviderConfig {
  ProviderType type = ProviderType::openai;
  std::string base_url;
  std::optional<SecretRef> api_key;
  std::string organization;
  std::map<std::string, std::string> headers;
  std::map<std::string, ProviderModelConfig> models;
  TimeoutsConfig timeouts;
  std::size_t max_connections = 256;
  RetriesConfig retries;
  BreakerConfig breaker;
  bool local = false;  ///< runs on our own machines: a policy's `route_to_local` may use it
};

struct DeploymentConfig {
  std::string provider;
  std::string model;
  std::int64_t weight = 1;
  std::int64_t priority = 0;  ///< lower is tried first
};

struct TierConfig {
  std::vector<DeploymentConfig> deployments;
};

struct AutoModelConfig {
  bool enabled = true;
};

struct ModelsConfig {
  AutoModelConfig automatic;                   ///< key `auto`
  std::map<std::string, std::string> aliases;  ///< name a client sends -> `auto`, a tier, or "provider/model"
};

/// Whether what somebody wants in force asks somebody else.
enum class Approval { none, two_people };

struct GuardHostConfig {
  std::string name;  ///< "host" or "host:port"
};
struct PolicyConfig {
  std::string file;  ///< empty: the built-in default policy
  Approval approval = Approval::none;
  std::string injection_model;               ///< empty: the built-in classifier
  std::vector<GuardHostConfig> guard_hosts;  ///< that policies which come by the API may ask
};

/// What scripts are promised to be, and who watches it.
struct PromiseConfig {
  std::string labelled;
  std::string routes;  ///< empty: no two intents mean the same
  std::int64_t wrong_scripts_per_mille = 10;
  std::int64_t confidence_per_mille = 950;
  std::int64_t out_of_scope_per_mille = 0;  ///< 0: as in the labelled texts
  std::int64_t relax_after = 10'000;
  std::int64_t double_answers_per_mille = 0;
  std::string judge = "large";
  std::int64_t judge_errs_per_mille = 50;
};

/// When triage learns from labels by itself.
struct LearnConfig {
  std::int64_t every_s = 3600;
  std::int64_t at_least = 20;  ///< labels since it last learnt
};

enum class TrialMode { shadow, split };

/// A candidate beside the triage in force.
struct TrialConfig {
  std::string name;
  std::string file;     ///< empty: `version`
  std::string version;  ///< id of a kept one
  TrialMode mode = TrialMode::shadow;
  std::int64_t weight_per_mille = 1000;
  std::vector<std::string> tenants;         ///< none: all
  std::map<std::string, std::string> tags;  ///< entries of the request's metadata; none: any
  std::string sticky_by = "conversation_id";
};

struct TriageConfig {
  std::string file;  ///< empty: rules and tiers only, no classifier
  Approval approval = Approval::none;
  std::optional<PromiseConfig> promise;
  std::optional<LearnConfig> learn;
  std::vector<TrialConfig> trials;
};

struct ScriptsConfig {
  std::string dir;
};

struct FlowHostConfig {
  std::string name;                  ///< "host", "host:port" or "*.domain"
  std::string via;                   ///< base URL that stands for it; empty: the host itself
  std::vector<std::string> restore;  ///< types of findings that it is given in clear
};
struct FlowSecretConfig {
  std::string name;
  std::optional<SecretRef> value;  ///< text, or a JSON object
};
struct LifecycleConfig {
  std::vector<std::string> types;  ///< `*` stands for any text
  std::vector<std::string> flows;  ///< likewise; none: all
  bool output = false;
};
struct WorkLimitConfig {
  std::string name;       ///< of a tenant, or "namespace/name" of a flow
  std::size_t limit = 0;  ///< 0: none
};
/// Runs at work at once.
struct AtWorkConfig {
  std::size_t all = 0;  ///< 0: no limit, as in what follows
  std::size_t per_tenant = 0;
  std::vector<WorkLimitConfig> tenants;
  std::vector<WorkLimitConfig> flows;
  std::size_t queue = 1'000;
};
struct ContainerVolumeConfig {
  std::string folder;
  bool write = false;
};
/// What `run: container` may do.
struct ContainersConfig {
  std::string runtime;
  std::vector<std::string> images;  ///< a `*` stands for any text without `/`; none: no image runs
  std::vector<ContainerVolumeConfig> volumes;
  std::string network = "none";
  std::string user;  ///< empty: the image's
  bool read_only = true;
  bool pull = false;
  std::int64_t memory_mb = 256;
  std::int64_t cpu_percent = 100;
  std::int64_t pids = 128;
  std::int64_t seconds = 300;
  std::int64_t output_kb = 1024;
  std::size_t at_once = 4;
  std::int64_t keep_hours = 24;  ///< 0: for ever
};
struct FlowsConfig {
  std::string dir;
  std::string catalog;  ///< folder; empty: there is no catalog `default`
  std::string chat;     ///< file name inside `dir`; empty: the built-in chat flow
  std::vector<FlowHostConfig> hosts;
  std::vector<FlowSecretConfig> secrets;
  bool shell = false;
  bool python = false;
  std::optional<ContainersConfig> containers;  ///< nothing: flows run no containers
  LifecycleConfig lifecycle;
  AtWorkConfig at_work;
  std::size_t checkpoint_mb = 4;  ///< of each run; 0: none are kept
};

/// Answers to questions that are like the one asked.
struct SemanticCacheConfig {
  std::string file;     ///< what `signalbox triage likeness` learnt
  std::string encoder;  ///< the encoder it was learnt with
  std::size_t compared = 1'000;
};

struct CacheConfig {
  std::int64_t exact_ttl_s = 0;  ///< 0: nothing is answered from the record
  std::size_t exact_entries = 100'000;
  std::size_t memory_mb = 64;
  std::optional<SemanticCacheConfig> semantic;  ///< nothing: only the very same request
};

enum class KeysRequired { automatic, always, never };

/// What a key may do where it has no limits of its own; 0: no limit.
struct DefaultLimits {
  std::int64_t requests_per_minute = 0;
  MicroMoney spend_micro_per_day = 0;
  std::int64_t max_in_flight = 0;
};

struct KeysConfig {
  KeysRequired required = KeysRequired::automatic;  ///< `auto`: keys, or a loopback address
  DefaultLimits limits;
  std::int64_t spend_warn_percent = 80;  ///< 0: nobody is warned
};

struct EncryptionConfig {
  std::optional<SecretRef> master_key;           ///< nothing: made of the data directory's own key
  std::optional<SecretRef> previous_master_key;  ///< after a change: what wrapped the tenants' keys before
  std::string master_key_command;                ///< prints the master key; empty: none
};

struct FlowRetention {
  std::int64_t days = 183;
};

struct RetentionConfig {
  std::int64_t days = 183;  ///< 0: for ever
  std::map<std::string, FlowRetention> flows;
};

enum class MirrorMode { async, before_ack };

struct S3Config {
  std::string endpoint;
  std::string region = "us-east-1";
  std::optional<SecretRef> access_key;
  std::optional<SecretRef> secret_key;
  bool path_style = true;
  std::int64_t part_mb = 16;
  std::int64_t retain_days = 0;
};

struct MirrorConfig {
  std::string url;  ///< a folder or s3://BUCKET[/PREFIX]; empty: no mirror
  MirrorMode mode = MirrorMode::async;
  std::optional<SecretRef> key;
  std::int64_t snapshot_hours = 24;
  std::int64_t snapshot_mb = 256;
  std::int64_t keep_days = 30;
  S3Config s3;
};

struct WitnessConfig {
  std::string url;
  std::string key;  ///< verifier key: name+id+base64
};

struct TimestampConfig {
  std::string url;  ///< empty: no time stamps
  std::int64_t interval_s = 3'600;
  std::int64_t timeout_ms = 10'000;
  std::string ca;  ///< PEM file; empty: signatures are left to verifiers
};

struct AuditConfig {
  std::string origin;     ///< empty: made of the log's key
  bool is_public = true;  ///< /audit/ needs no key
  std::vector<WitnessConfig> witnesses;
  std::size_t quorum = 1;
  std::int64_t witness_interval_ms = 1'000;
  std::int64_t witness_timeout_ms = 5'000;
  TimestampConfig timestamp;
};

struct TelemetryConfig {
  bool metrics = true;
  bool overhead_header = true;
  std::size_t access_log_per_second = 200;
};

/// Where a group that has committed nothing yet begins.
enum class KafkaStart { earliest, latest };

struct KafkaSecretConfig {
  std::string name;
  std::optional<SecretRef> value;
};

/// Either `flow` or `events`.
struct KafkaSourceConfig {
  std::vector<std::string> topics;
  std::string group;
  std::string tenant = "default";
  std::string flow;  ///< namespace/name[@version]
  bool events = false;
  std::string dead_letter;  ///< empty: what can never work is counted and logged alone
  KafkaStart start = KafkaStart::earliest;
  std::size_t max_in_flight = 64;
};

struct KafkaSinkConfig {
  std::string topic;
  std::vector<std::string> types;
};

struct KafkaConfig {
  std::string brokers;
  std::map<std::string, std::string> settings;
  std::vector<KafkaSecretConfig> secrets;
  std::map<std::string, KafkaSourceConfig> sources;
  std::vector<KafkaSinkConfig> sinks;
  std::vector<std::string> publish;  ///< topics that flows may write to; a `*` stands for any text
};

struct Config {
  ServerConfig server;
  DataConfig data;
  LogConfig log;
  std::map<std::string, ProviderConfig> providers;
  std::map<std::string, TierConfig> tiers;
  ModelsConfig models;
  PolicyConfig policy;
  TriageConfig triage;
  ScriptsConfig scripts;
  FlowsConfig flows;
  std::optional<KafkaConfig> kafka;  ///< nothing: no client, no thread, no connection
  CacheConfig cache;
  KeysConfig keys;
  std::string currency = "USD";
  EncryptionConfig encryption;
  RetentionConfig retention;
  MirrorConfig mirror;
  AuditConfig audit;
  TelemetryConfig telemetry;
  std::string hash{};  ///< hex SHA-256 of the document it was read from, what the command line sets in it
};

/// One thing wrong with a configuration.
struct ConfigProblem {
  std::string path;         ///< dotted, as `--set` takes it: "tiers.small.deployments[0].weight"
  SourcePosition position;  ///< line 0 where the value came from `--set` or a default
  std::string message;      ///< what was expected and what to do

  /// "signalbox.yaml:12:5: server.limts: unknown key; did you mean "limits"?"
  std::string to_string(std::string_view source) const;
};

/// What a text means, and everything wrong with it; `config` is usable only if `problems` is empty.
struct ConfigReport {
  Config config;
  std::vector<ConfigProblem> problems;  ///< at most 50, in the order of the file
};

struct ConfigInput {
  std::string text{};                     ///< YAML; may be empty
  std::string source = "signalbox.yaml";  ///< how errors call it
  std::filesystem::path base_dir{};       ///< relative paths of the file start here; empty: left as they are
  std::vector<std::string>
      overrides{};  ///< "a.b[0].c=value", applied in order; their paths start at the working directory
};

/// Reads, checks types and ranges, then meaning (a tier names a declared model, an address parses, ...). Touches no
/// file.
ConfigReport read_config(const ConfigInput& input);

/// `read_config`, with all problems in one error, a line each.
/// Errors: invalid_argument (`param` is the path of the first problem).
Result<Config> parse_config(const ConfigInput& input);

/// Reads `file`; without one `./signalbox.yaml` where it exists, else the defaults alone.
/// Errors: not_found (a named file is not there), invalid_argument.
Result<Config> load_config(const std::optional<std::filesystem::path>& file,
                           std::span<const std::string> overrides = {});

/// The text, name and folder that `load_config` would parse. Errors: not_found, too_large.
Result<ConfigInput> find_config(const std::optional<std::filesystem::path>& file,
                                std::span<const std::string> overrides);

/// Secrets that cannot be resolved now. `read_config` does not look: a file can be checked where its secrets are not.
std::vector<ConfigProblem> check_secrets(const Config& config);

struct HostPort {
  std::string host;  ///< without the brackets of an IPv6 address
  std::uint16_t port = 0;
};

/// "127.0.0.1:8080", "[::1]:8080", "localhost:0"; ":8080" is all addresses. Empty for anything else.
std::optional<HostPort> parse_host_port(std::string_view text);
/// Whether only this machine can reach `host`.
bool is_loopback(std::string_view host);

/// The JSON Schema (2020-12) of the file, and its reference page in Markdown. Both end with a line end.
std::string config_json_schema();
std::string config_reference();

}  // namespace sb
