#include "config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "config/override.h"
#include "config/schema.h"

namespace sb {
namespace {

using testing::HasSubstr;

constexpr std::string_view kDesk = R"(server:
  listen: "0.0.0.0:9000"
  limits: {body_bytes: 2097152}
  tls: {certificate: tls/cert.pem, key: /etc/key.pem}
data: {durability: async}
log: {level: warn}
providers:
  local:
    type: openai
    base_url: http://127.0.0.1:8000/v1
    api_key: env:LOCAL_KEY
    headers: {x-team: desk}
    models:
      smol: {upstream: smollm2-135m, context_tokens: 2048}
      "qwen2.5":
        price: {input: 150000, cached_input: 75000, output: 600000}
    retries: {max: 0}
tiers:
  small:
    deployments:
      - {provider: local, model: smol}
      - {provider: local, model: "qwen2.5", weight: 3, priority: 1}
models:
  auto: {enabled: false}
  aliases: {gpt-4o-mini: small, direct: local/smol}
)";

ConfigInput input(std::string_view text, std::vector<std::string> overrides = {}) {
  return {.text = std::string(text), .overrides = std::move(overrides)};
}

TEST(Config, AnEmptyFileIsValidAndHoldsTheDefaults) {
  for (const std::string_view text : {"", "\n\n", "# nothing yet\n", "---\n", "server:\nproviders:\n"}) {
    const auto config = parse_config(input(text));
    ASSERT_TRUE(config) << text << ": " << config.error().detail;
    EXPECT_EQ(config->server.listen, "127.0.0.1:8080");
    EXPECT_EQ(config->server.limits.header_bytes, 32768U);
    EXPECT_EQ(config->data.durability, Durability::sync);
    EXPECT_EQ(config->keys.required, KeysRequired::automatic);
    EXPECT_FALSE(config->server.tls);
    EXPECT_EQ(config->currency, "USD");
  }
}

TEST(Config, EveryKindOfKeyIsRead) {
  const auto config = parse_config(input(kDesk));
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->server.listen, "0.0.0.0:9000");
  EXPECT_EQ(config->server.limits.body_bytes, 2U << 20);
  EXPECT_EQ(config->server.limits.idle_timeout_ms, 75'000);
  ASSERT_TRUE(config->server.tls);
  EXPECT_EQ(config->server.tls->certificate, "tls/cert.pem");
  EXPECT_EQ(config->data.durability, Durability::async);
  EXPECT_EQ(config->log.level, LogLevel::warn);
  const auto& local = config->providers.at("local");
  EXPECT_EQ(local.api_key->to_string(), "env:LOCAL_KEY");
  EXPECT_EQ(local.headers.at("x-team"), "desk");
  EXPECT_EQ(local.models.at("smol").upstream, "smollm2-135m");
  EXPECT_FALSE(local.models.at("smol").price.cached_input);
  EXPECT_EQ(local.models.at("qwen2.5").price.cached_input, 75'000);
  EXPECT_EQ(local.retries.max, 0);
  EXPECT_EQ(local.retries.base_ms, 200);
  const auto& small = config->tiers.at("small").deployments;
  ASSERT_EQ(small.size(), 2U);
  EXPECT_EQ(small[0].weight, 1);
  EXPECT_EQ(small[1].priority, 1);
  EXPECT_FALSE(config->models.automatic.enabled);
  EXPECT_EQ(config->models.aliases.at("direct"), "local/smol");
}

TEST(Config, PathsOfTheFileStartAtItsFolderAndPathsOfTheCommandLineDoNot) {
  auto in = input(
      "policy: {file: policies/p.yaml}\nproviders: {x: {base_url: http://h/v1, api_key: file:k}}\nscripts: {dir: "
      "/abs}\n",
      {"triage.file=model.bin"});
  in.base_dir = "conf/desk";
  const auto config = parse_config(in);
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->policy.file, "conf/desk/policies/p.yaml");
  EXPECT_EQ(config->data.dir, "conf/desk/data");
  EXPECT_EQ(config->scripts.dir, "/abs");
  EXPECT_EQ(config->triage.file, "model.bin");
  EXPECT_EQ(config->flows.dir, "");
  EXPECT_EQ(config->providers.at("x").api_key->to_string(), "file:conf/desk/k");
}

TEST(Config, OverridesReplaceAddAndAreCheckedLikeTheFile) {
  const auto config = parse_config(input(
      kDesk, {"server.listen=[::1]:0", "tiers.small.deployments[1].weight=7",
              "providers.local.models.\"qwen2.5\".context_tokens=9", "currency=EUR", "providers.local.headers={x-a: b}",
              "keys.limits.max_in_flight=3", "tiers.small.deployments[2]={provider: local, model: smol}"}));
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->server.listen, "[::1]:0");
  EXPECT_EQ(config->tiers.at("small").deployments.size(), 3U);
  EXPECT_EQ(config->tiers.at("small").deployments[1].weight, 7);
  EXPECT_EQ(config->providers.at("local").models.at("qwen2.5").context_tokens, 9);
  EXPECT_EQ(config->providers.at("local").headers.size(), 1U);
  EXPECT_EQ(config->currency, "EUR");
  EXPECT_EQ(config->keys.limits.max_in_flight, 3);
}

struct Wrong {
  const char* name;
  std::string_view text;
  std::string_view error;
  std::vector<std::string> overrides = {};
};
class ConfigErrors : public testing::TestWithParam<Wrong> {};

TEST_P(ConfigErrors, NameThePlaceAndTheWayOut) {
  const auto config = parse_config(input(GetParam().text, GetParam().overrides));
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, Errc::invalid_argument);
  EXPECT_THAT(config.error().detail, HasSubstr(GetParam().error));
  EXPECT_THAT(config.error().detail, testing::Not(HasSubstr("sk-live")));
}

const Wrong kWrong[] = {
    {"unknown_section", "servr: {}\n", R"(signalbox.yaml:1:1: servr: unknown key; did you mean "server"?)"},
    {"unknown_key", "server:\n  limits:\n    hedder_bytes: 1\n",
     R"(signalbox.yaml:3:5: server.limits.hedder_bytes: unknown key; did you mean "header_bytes"?)"},
    {"unknown_key_far_from_all", "log: {qqqqqqqqqqqq: 1}\n", "1:7: log.qqqqqqqqqqqq: unknown key; known here: level"},
    {"unknown_key_in_a_map", "providers:\n  a:\n    base_url: http://h\n    modells: {}\n",
     R"(4:5: providers.a.modells: unknown key; did you mean "models"?)"},
    {"text_for_integer", "server:\n  shards: many\n",
     "signalbox.yaml:2:11: server.shards: expected an integer from 0 to 1024, found text"},
    {"fraction_for_integer", "server: {shards: 1.5}\n",
     "expected an integer from 0 to 1024, found a number with a fraction"},
    {"out_of_range", "server: {limits: {body_timeout_ms: 0}}\n",
     "server.limits.body_timeout_ms: expected an integer from 1 to 86400000 (ms), found 0"},
    {"number_for_text", "currency: 5\n",
     "1:11: currency: expected a currency code of three capitals (ISO 4217), found an integer"},
    {"yes_for_boolean", "telemetry: {metrics: yes}\n", "telemetry.metrics: expected true or false, found text"},
    {"wrong_choice", "data: {durability: fast}\n", "data.durability: expected one of: sync, async"},
    {"list_for_section", "server: []\n", "1:9: server: expected a section of keys, found a list"},
    {"text_for_map", "providers: x\n", "providers: expected a section of names, found text"},
    {"section_for_list", "tiers: {a: {deployments: {}}}\n", "tiers.a.deployments: expected a list, found a section"},
    {"empty_list", "tiers: {a: {deployments: []}}\n", "tiers.a.deployments: expected 1 to 64 entries, found 0"},
    {"document_is_a_list", "- a\n", "signalbox.yaml:1:1: expected a section of keys, found a list"},
    {"missing_key", "providers:\n  a: {type: openai}\n", R"(2:6: providers.a: the key "base_url" is missing)"},
    {"half_tls", "server: {tls: {certificate: c.pem}}\n", R"(server.tls: the key "key" is missing)"},
    {"bad_address", "server: {listen: localhost}\n", "server.listen: expected host:port"},
    {"bad_port", "server: {listen: 'h:70000'}\n", "server.listen: expected host:port"},
    {"bad_url", "providers: {a: {base_url: 'htp://x'}}\n",
     "providers.a.base_url: expected an http:// or https:// address"},
    {"credentials_in_url", "providers: {a: {base_url: 'http://u:sk-live@x'}}\n",
     "providers.a.base_url: expected an http"},
    {"literal_secret", "providers:\n  a:\n    base_url: http://h\n    api_key: sk-live-123\n",
     "4:14: providers.a.api_key: a secret is named here, never written: use env:NAME or file:PATH"},
    {"literal_secret_by_set",
     "providers: {a: {base_url: http://h}}\n",
     "configuration: providers.a.api_key: a secret is named here",
     {"providers.a.api_key=sk-live-123"}},
    {"secret_in_a_header", "providers: {a: {base_url: http://h, headers: {Authorization: Bearer sk-live}}}\n",
     "providers.a.headers.Authorization: expected a header name that Signalbox does not set itself"},
    {"header_injection", "providers: {a: {base_url: http://h, headers: {x: \"a\\nb: sk-live\"}}}\n",
     "providers.a.headers.x: expected printable ASCII"},
    {"bad_name", "providers:\n  'a b': {base_url: http://h}\n", R"(2:3: providers."a b": expected a name of letters)"},
    {"tier_without_provider", "tiers: {small: {deployments: [{provider: x, model: y}]}}\n",
     "tiers.small.deployments[0].provider: no such entry under providers; there is none yet"},
    {"tier_with_unknown_model",
     "providers: {p: {base_url: http://h, models: {smol: {}}}}\ntiers:\n  small:\n    deployments:\n      - provider: "
     "p\n        model: smoll\n",
     R"(6:16: tiers.small.deployments[0].model: provider "p" declares no such model; did you mean "smol"?)"},
    {"tier_with_reserved_name",
     "providers: {p: {base_url: http://h, models: {m: {}}}}\ntiers: {auto: {deployments: [{provider: p, model: m}]}}\n",
     "2:9: tiers.auto: this name is Signalbox's own"},
    {"tier_without_weight",
     "providers: {p: {base_url: http://h, models: {m: {}}}}\ntiers: {s: {deployments: [{provider: p, model: m, weight: "
     "0}]}}\n",
     "tiers.s.deployments: all weights are 0"},
    {"alias_to_nowhere", "models: {aliases: {a: bb}}\n",
     "models.aliases.a: expected auto, the name of a tier, or provider/model"},
    {"alias_hides_auto", "models: {aliases: {auto: auto}}\n", "models.aliases.auto: this name is already"},
    {"acknowledged_before_it_is_mirrored",
     "data: {durability: async}\nmirror: {url: m, key: env:K, mode: before-ack}\n",
     "2:36: mirror.mode: before-ack promises what only data.durability: sync keeps"},
    {"retry_order", "providers: {p: {base_url: http://h, retries: {base_ms: 900, cap_ms: 100}}}\n",
     "providers.p.retries.base_ms: must not be above cap_ms"},
    {"timeout_order", "providers: {p: {base_url: http://h, timeouts: {total_ms: 5}}}\n",
     "providers.p.timeouts.first_byte_ms: must not be above total_ms"},
    {"chat_flow_without_folder", "flows: {chat: chat.yaml}\n", "flows.chat: needs flows.dir"},
    {"chat_flow_outside_folder", "flows: {dir: f, chat: ../x.yaml}\n",
     "flows.chat: expected a file name without folders"},
    {"open_to_all_without_keys", "keys: {required: never}\nserver: {listen: ':80'}\n",
     "1:18: keys.required: without keys only this machine may ask"},
    {"not_yaml", "server: [\n", "signalbox.yaml:2:1: not readable as YAML"},
    {"duplicate_key", "log: {}\nlog: {}\n", R"(signalbox.yaml:2:1: not readable as YAML: key "log" appears twice)"},
    {"set_unknown", "", R"(configuration: server.lisen: unknown key; did you mean "listen"?)", {"server.lisen=x"}},
    {"set_wrong_type", "", "configuration: server.shards: expected an integer", {"server.shards=x"}},
    {"set_without_value", "", "--set server.listen: expected key.key[index].key=value", {"server.listen"}},
    {"set_without_key", "", "--set : expected key", {"=x"}},
    {"set_bad_index", "", "--set a[x]: expected key", {"a[x]=1"}},
    {"quorum_that_cannot_be", "audit: {quorum: 2, witnesses: [{url: \"http://w\", key: w+0a1b2c3d+BAAA}]}\n",
     "audit.quorum: must not be above the number of witnesses, 1"},
    {"witness_twice",
     "audit: {witnesses: [{url: \"http://w\", key: w+0a1b2c3d+BAAA}, {url: \"http://v\", key: w+4e5f6a7b+BBBB}]}\n",
     "audit.witnesses[1].key: names the same witness as witnesses[0]: it would count twice"},
    {"witness_without_key", "audit: {witnesses: [{url: \"http://w\"}]}\n",
     R"(audit.witnesses[0]: the key "key" is missing)"},
    {"witness_with_half_a_key", "audit: {witnesses: [{url: \"http://w\", key: w+0a1b2c3d+}]}\n",
     "audit.witnesses[0].key: expected a verifier key: name+id+base64"},
    {"containers_without_a_runtime", "flows: {containers: {}}\n", R"(flows.containers: the key "runtime" is missing)"},
    {"containers_runtime_is_an_option", "flows: {containers: {runtime: --version}}\n",
     "flows.containers.runtime: expected the name of a program, or its absolute path"},
    {"containers_network_of_the_host", "flows: {containers: {runtime: podman, network: host}}\n",
     "flows.containers.network: expected the name of a network of the runtime's, but not host"},
    {"containers_user_is_an_option", "flows: {containers: {runtime: podman, user: --privileged}}\n",
     "flows.containers.user: expected a user or user:group"},
    {"containers_folder_with_options",
     "flows: {containers: {runtime: podman, volumes: [{folder: '/srv,readonly=false'}]}}\n",
     "flows.containers.volumes[0].folder: expected an absolute path"},
    {"kafka_without_brokers", "kafka: {}\n", R"(kafka: the key "brokers" is missing)"},
    {"kafka_brokers", "kafka: {brokers: 'kafka-1, kafka-2'}\n", "kafka.brokers: expected host:port of a broker"},
    {"kafka_setting_of_ours", "kafka: {brokers: 'k:1', settings: {enable.auto.commit: 'false'}}\n",
     "kafka.settings.\"enable.auto.commit\": expected a setting of librdkafka's that is neither Signalbox's own"},
    {"kafka_secret_in_clear", "kafka: {brokers: 'k:1', settings: {sasl.password: sk-live}}\n",
     "nor a secret (those go into secrets)"},
    {"kafka_secret_as_text", "kafka: {brokers: 'k:1', secrets: [{name: sasl.password, value: sk-live}]}\n",
     "kafka.secrets[0].value: a secret is named here, never written"},
    {"kafka_secret_without_value", "kafka: {brokers: 'k:1', secrets: [{name: sasl.password}]}\n",
     R"(kafka.secrets[0]: the key "value" is missing)"},
    {"kafka_topic", "kafka: {brokers: 'k:1', sources: {a: {topics: [o, 'a b'], group: g, flow: n/f}}}\n",
     "kafka.sources.a.topics[1]: expected the name of a topic"},
    {"kafka_no_topics", "kafka: {brokers: 'k:1', sources: {a: {topics: [], group: g, flow: n/f}}}\n",
     "kafka.sources.a.topics: expected 1 to 64 entries, found 0"},
    {"kafka_one_topic_as_text", "kafka: {brokers: 'k:1', sources: {a: {topics: o, group: g, flow: n/f}}}\n",
     "kafka.sources.a.topics: expected a list, found text"},
    {"kafka_flow", "kafka: {brokers: 'k:1', sources: {a: {topics: [o], group: g, flow: f@1}}}\n",
     "kafka.sources.a.flow: expected namespace/name of a flow"},
    {"kafka_flow_and_events",
     "kafka: {brokers: 'k:1', sources: {a: {topics: [o], group: g, flow: n/f, events: true}}}\n",
     "kafka.sources.a: has flow and events"},
    {"kafka_neither", "kafka: {brokers: 'k:1', sources: {a: {topics: [o], group: g}}}\n",
     "kafka.sources.a: says nothing of what its records are"},
    {"kafka_dead_letters_to_itself",
     "kafka: {brokers: 'k:1', sources: {a: {topics: [o], group: g, flow: n/f, dead_letter: o}}}\n",
     "kafka.sources.a.dead_letter: is a topic that the source reads"},
    {"values_to_an_open_host", "flows: {hosts: [{name: '*.pay.example', restore: [IBAN]}]}\n",
     "flows.hosts[0].restore: values are given to hosts that are named whole"},
    {"values_of_no_type", "flows: {hosts: [{name: pay.example, restore: [iban]}]}\n",
     "flows.hosts[0].restore[0]: expected a type of findings, such as IBAN"},
    {"kafka_sink_twice", "kafka: {brokers: 'k:1', sinks: [{topic: o, types: [a]}, {topic: o, types: [b]}]}\n",
     "kafka.sinks[1].topic: is there twice"},
    {"kafka_publish", "kafka: {brokers: 'k:1', publish: [orders.*, 'a b']}\n",
     "kafka.publish[1]: expected the name of a topic, where a `*` stands for any text"},
    {"likeness_without_a_time", "cache: {semantic: {file: l.json, encoder: e.sbe}}\n",
     "cache.semantic: needs cache.exact_ttl_s"},
    {"likeness_without_an_encoder", "cache: {exact_ttl_s: 60, semantic: {file: l.json}}\n",
     R"(cache.semantic: the key "encoder" is missing)"},
    {"learns_beside_nothing", "triage: {learn: {at_least: 30}}\n", "triage.learn: needs triage.file"},
    {"trial_beside_nothing", "triage: {trials: [{name: a, file: a.yaml}]}\n", "triage.trials: needs triage.file"},
    {"trial_key_misspelt", "triage: {file: t.yaml, trials: [{name: a, file: a.yaml, weight: 5}]}\n",
     R"(triage.trials[0].weight: unknown key; did you mean "weight_per_mille"?)"},
    {"trial_named_twice", "triage: {file: t.yaml, trials: [{name: a, file: a.yaml}, {name: a, file: b.yaml}]}\n",
     "triage.trials[1].name: is there twice"},
    {"trial_of_nothing", "triage: {file: t.yaml, trials: [{name: a}]}\n",
     "triage.trials[0]: says nothing of what is tried: name a file, or a version"},
    {"trial_of_two", "triage: {file: t.yaml, trials: [{name: a, file: a.yaml, version: 0f}]}\n",
     "triage.trials[0]: has a file and a version; leave one of them out"},
    {"trial_of_everything", "triage: {file: t.yaml, trials: [{name: a, file: a.yaml, mode: split}]}\n",
     "triage.trials[0].weight_per_mille: gives the candidate everything"},
    {"trial_never_reached",
     "triage: {file: t.yaml, trials: [{name: a, file: a.yaml, mode: split, weight_per_mille: 10}, {name: b, file: "
     "a.yaml, mode: split, tenants: [acme]}]}\n",
     R"(triage.trials[1]: is never reached: a request is in one split, and "a" before it speaks of all)"},
    {"set_through_a_value", "currency: EUR\n", R"(--set /currency/x: "x" is not inside a section)", {"currency.x=1"}},
    {"set_past_the_end", "", "there is no list with an entry [4]", {"tiers.a.deployments[4]=1"}},
};
INSTANTIATE_TEST_SUITE_P(Cases, ConfigErrors, testing::ValuesIn(kWrong),
                         [](const auto& info) { return info.param.name; });

TEST(Config, AllProblemsAreReportedInTheOrderOfTheFileAndTheirNumberIsBounded) {
  std::string text = "currency: eur\nlog: {level: loud}\n";
  const auto report = read_config(input(text));
  ASSERT_EQ(report.problems.size(), 2U);
  EXPECT_EQ(report.problems[0].path, "currency");
  EXPECT_EQ(report.problems[1].position.line, 2);
  text = "providers:\n";
  for (int i = 0; i < 200; ++i) text += "  p" + std::to_string(i) + ": {}\n";
  EXPECT_EQ(read_config(input(text)).problems.size(), config::ReadState::kMaxProblems);
}

TEST(Config, AFileThatIsNotThereIsAnErrorOnlyIfItWasNamed) {
  const auto missing = load_config(std::filesystem::path("no/such/signalbox.yaml"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::not_found);
  EXPECT_THAT(missing.error().detail, HasSubstr("no/such/signalbox.yaml"));
  EXPECT_FALSE(load_config(std::filesystem::path("/")));
}

class SecretFile : public testing::Test {
 protected:
  std::filesystem::path path = std::filesystem::path(testing::TempDir()) / ("sb_secret_" + std::to_string(::getpid()));
  void write(std::string_view bytes) { std::ofstream(path, std::ios::binary) << bytes; }
  SecretRef ref() { return *SecretRef::parse("file:" + path.string()); }
  ~SecretFile() override { std::filesystem::remove(path); }
};

TEST_F(SecretFile, IsReadWithoutItsLineEndEachTimeItIsAskedFor) {
  write("one\r\n");
  EXPECT_EQ(ref().resolve()->reveal(), "one");
  write("two two");
  EXPECT_EQ(ref().resolve()->reveal(), "two two");
  write("");
  EXPECT_EQ(ref().resolve().error().code, Errc::not_found);
  write(std::string(65 * 1024, 'x'));
  EXPECT_EQ(ref().resolve().error().code, Errc::too_large);
}

TEST(Secrets, TheMissingOnesAreNamedWithoutLookingBeforehand) {
  ::unsetenv("SB_TEST_UNSET");
  ::setenv("SB_TEST_SET", "v", 1);
  const auto config =
      parse_config(input("providers:\n  a: {base_url: http://h, api_key: env:SB_TEST_UNSET}\n"
                         "  b: {base_url: http://h, api_key: env:SB_TEST_SET}\n"));
  ASSERT_TRUE(config);
  const auto problems = check_secrets(*config);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].to_string("f"),
            "configuration: providers.a.api_key: env:SB_TEST_UNSET: not set; export SB_TEST_UNSET before starting");
}

template <class T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };

TEST(Secrets, CannotBePrintedOrCopied) {
  static_assert(!Printable<Secret> && !std::is_copy_constructible_v<Secret>);
  for (const std::string_view text : {"sk-live", "env:", "env:1A", "env:A-B", "file:", "ENV:A", ""}) {
    EXPECT_FALSE(SecretRef::parse(text)) << text;
  }
}

TEST(Addresses, LoopbackIsKnownInAllItsForms) {
  for (const auto* text : {"127.0.0.1:1", "127.8.9.1:1", "localhost:1", "[::1]:1", "LocalHost:1"}) {
    EXPECT_TRUE(is_loopback(parse_host_port(text)->host)) << text;
  }
  for (const auto* text : {"0.0.0.0:1", ":1", "[::]:1", "10.0.0.1:1", "127.example.com:1"}) {
    EXPECT_FALSE(is_loopback(parse_host_port(text)->host)) << text;
  }
  for (const auto* text : {"", ":", "h", "h:", "h:x", "h:-1", "::1:80", "[::1]", "[x]:1", "a b:1", "h:65536"}) {
    EXPECT_FALSE(parse_host_port(text)) << text;
  }
}

std::string slurp(const char* path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

// Out of date? `signalbox config docs` (or this test with SB_WRITE_DOCS=1) writes both anew.
TEST(Config, AListOfTextsIsReadAndASectionThatIsNotThereIsNothing) {
  EXPECT_FALSE(parse_config(input("")).value().kafka);
  const auto config =
      parse_config(input("kafka:\n  brokers: 'k:9092,l:9093'\n  settings: {security.protocol: SASL_SSL}\n"
                         "  sources: {a: {topics: [x, y.z], group: g, flow: n/f@1.0.0}}\n"));
  ASSERT_TRUE(config) << config.error().detail;
  const auto& source = config->kafka->sources.at("a");
  EXPECT_THAT(source.topics, testing::ElementsAre("x", "y.z"));
  EXPECT_EQ(source.flow, "n/f@1.0.0");
  EXPECT_EQ(source.start, KafkaStart::earliest);
}

TEST(ConfigDocs, TheCommittedOnesAreWhatTheDeclarationSays) {
  if (std::getenv("SB_WRITE_DOCS")) {
    std::ofstream("docs/reference/signalbox.schema.json") << config_json_schema();
    std::ofstream("docs/reference/configuration.md") << config_reference();
  }
  EXPECT_EQ(slurp("docs/reference/signalbox.schema.json"), config_json_schema()) << "run: signalbox config docs";
  EXPECT_EQ(slurp("docs/reference/configuration.md"), config_reference()) << "run: signalbox config docs";
}

void check_documented(const config::Section& section, int depth) {
  ASSERT_LT(depth, 8);
  for (const auto& key : section.keys) {
    const std::string about = *key.facts.about ? key.facts.about : key.inner->about;
    EXPECT_TRUE(about.ends_with('.')) << key.name;
    EXPECT_EQ(key.name.ends_with("_ms"), std::string_view(key.facts.unit) == "ms") << key.name;
    if (key.kind == config::KeyKind::integer && !key.optional) {
      EXPECT_GE(key.default_value.to_number<std::int64_t>(), key.facts.min) << key.name;
      EXPECT_LE(key.default_value.to_number<std::int64_t>(), key.facts.max) << key.name;
    }
    if (key.inner) check_documented(*key.inner, depth + 1);
  }
}

TEST(ConfigDocs, EveryKeyHasASentenceItsUnitAndADefaultInsideItsRange) {
  check_documented(config::root_section(), 0);
}

}  // namespace
}  // namespace sb
