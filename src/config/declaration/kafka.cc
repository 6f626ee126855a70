// `kafka`: records that are work, and events that leave.
#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/bytes.h"
#include "base/topic.h"
#include "config/declaration/forms.h"
#include "config/declaration/sections.h"

namespace sb::config {
namespace {

bool is_kafka_secret(std::string_view text) {
  static constexpr std::string_view kSecrets[] = {"sasl.oauthbearer.client.secret", "sasl.password", "ssl.key.password",
                                                  "ssl.key.pem", "ssl.keystore.password"};
  return std::ranges::find(kSecrets, text) != std::end(kSecrets);
}
// What decides how records are kept and committed is ours; what loads code from a file is nobody's.
bool is_kafka_setting(std::string_view text) {
  static constexpr std::string_view kTheirs[] = {"broker.",   "client.",    "compression.", "fetch.",     "heartbeat.",
                                                 "max.poll.", "metadata.",  "queue.",       "queued.",    "reconnect.",
                                                 "sasl.",     "security.",  "session.",     "socket.",    "ssl.",
                                                 "retry.",    "topic.meta", "linger.",      "message.max"};
  return std::ranges::any_of(kTheirs, [&](auto prefix) { return text.starts_with(prefix); }) && text.size() <= 128 &&
         !is_kafka_secret(text) && text != "ssl.engine.location";
}
bool is_topic_pattern(std::string_view text) {
  return !text.empty() && text.size() <= 249 &&
         std::ranges::all_of(text, [](char c) { return c == '*' || is_topic_character(c); });
}
bool is_optional_topic(std::string_view text) {
  return text.empty() || is_topic(text);
}
bool is_brokers(std::string_view text) {
  return std::ranges::all_of(split(text, ','), [](std::string_view broker) {
    const auto address = parse_host_port(trim(broker));
    return address && address->host != "0.0.0.0";
  });
}
bool is_flow_reference(std::string_view text) {
  const auto at = text.find('@');
  return text.empty() || (kFlowName.accepts(text.substr(0, at)) &&
                          (at == std::string_view::npos || kName.accepts(text.substr(at + 1))));
}

constexpr TextForm kFlowReference{"^([^\\s@/]{1,128}/[^\\s@/]{1,128}(@[A-Za-z0-9][A-Za-z0-9._:-]{0,127})?)?$",
                                  "namespace/name of a flow, with @version or without", is_flow_reference};
constexpr TextForm kTopic{"^[A-Za-z0-9._-]{1,249}$", "the name of a topic", is_topic};
constexpr TextForm kOptionalTopic{"^[A-Za-z0-9._-]{0,249}$", "the name of a topic, or nothing", is_optional_topic};
constexpr TextForm kTopicPattern{"^[A-Za-z0-9._*-]{1,249}$", "the name of a topic, where a `*` stands for any text",
                                 is_topic_pattern};
constexpr TextForm kBrokers{"^[^\\s:,]+:[0-9]{1,5}(,\\s*[^\\s:,]+:[0-9]{1,5})*$",
                            "host:port of a broker, or several with commas between them", is_brokers};
constexpr TextForm kKafkaSetting{
    "^(broker|client|compression|fetch|heartbeat|linger|max\\.poll|message\\.max|metadata|queue|queued|reconnect|retry|"
    "sasl|"
    "security|session|socket|ssl|topic\\.metadata)\\.",
    "a setting of librdkafka's that is neither Signalbox's own nor a secret (those go into secrets)", is_kafka_setting};
constexpr TextForm kKafkaSecret{
    "^(sasl\\.oauthbearer\\.client\\.secret|sasl\\.password|ssl\\.key\\.password|ssl\\.key\\.pem|ssl\\.keystore\\."
    "password)$",
    "sasl.password, sasl.oauthbearer.client.secret, ssl.key.pem, ssl.key.password or ssl.keystore.password",
    is_kafka_secret};

auto kafka_source() {
  using S = KafkaSourceConfig;
  return declare<S>("Records of some topics as work; exactly one of flow and events.")
      .texts("topics", &S::topics,
             {.about = "Topics it reads.", .min = 1, .max = 64, .form = &kTopic, .required = true})
      .text("group", &S::group,
            {.about = "Consumer group; a record is one run for each group.", .form = &kName, .required = true})
      .text("tenant", &S::tenant, {.about = "Whose runs and events they are.", .form = &kName})
      .text("flow", &S::flow,
            {.about = "Each record starts a run of this flow; its value is the input, as JSON. Without a version it is "
                      "the highest at that moment.",
             .form = &kFlowReference})
      .boolean("events", &S::events,
               {.about = "Each record is a CloudEvent (binary or structured mode) for flows that listen."})
      .text("dead_letter", &S::dead_letter,
            {.about = "Topic that is told of records that can never work: where they are and why, without their "
                      "content; empty counts and logs them alone.",
             .form = &kOptionalTopic})
      .choice("start", &S::start, {{"earliest", KafkaStart::earliest}, {"latest", KafkaStart::latest}},
              {.about = "Where a group begins that has committed nothing yet."})
      .integer(
          "max_in_flight", &S::max_in_flight,
          {.about = "Records in work at once, until their run or event is on disk; 1 keeps each partition's order.",
           .min = 1,
           .max = 4096});
}

}  // namespace

Declaration<KafkaConfig> kafka_section() {
  using X = KafkaSecretConfig;
  auto secret = declare<X>("One secret setting of the client's.")
                    .text("name", &X::name, {.about = "Its name.", .form = &kKafkaSecret, .required = true})
                    .secret("value", &X::value, {.about = "Where it is.", .required = true});
  using S = KafkaSinkConfig;
  auto sink = declare<S>("Events that flows emit, to one topic.")
                  .text("topic", &S::topic, {.about = "The topic.", .form = &kTopic, .required = true})
                  .texts("types", &S::types,
                         {.about = "Types of events that go there; a `*` stands for any text.",
                          .min = 1,
                          .max = 64,
                          .required = true});
  using K = KafkaConfig;
  return declare<K>("Work that arrives, and events that leave, over Apache Kafka.")
      .text("brokers", &K::brokers,
            {.about = "Where the cluster is asked for first.", .form = &kBrokers, .required = true})
      .texts("settings", &K::settings,
             {.about = "Further settings of the client, by librdkafka's names, such as security.protocol.",
              .max = 64,
              .form = &kHeaderValue,
              .names = &kKafkaSetting})
      .list("secrets", &K::secrets, secret, {.about = "Settings that are secret.", .max = 16})
      .map("sources", &K::sources, kafka_source(), {.about = "What is read, by name.", .max = 16, .names = &kName})
      .list("sinks", &K::sinks, sink, {.about = "What is written.", .max = 64})
      .texts("publish", &K::publish,
             {.about = "Topics that flows may write to by `call: asyncapi`; a `*` stands for any text.",
              .max = 64,
              .form = &kTopicPattern});
}

}  // namespace sb::config
