#include "server/kafka.h"

#include <algorithm>

#include "base/log.h"
#include "server/shard.h"

namespace sb::server {
namespace {

bool writes(const KafkaConfig& config) {
  return !config.sinks.empty() || !config.publish.empty() ||
         std::ranges::any_of(config.sources, [](const auto& entry) { return !entry.second.dead_letter.empty(); });
}

kafka::SourceOptions source_options(const Config& config, const std::string& name, const KafkaSourceConfig& source) {
  kafka::SourceOptions options;
  options.name = name;
  options.group = source.group;
  options.topics = source.topics;
  options.tenant = source.tenant;
  options.dead_letter = source.dead_letter;
  options.from_earliest = source.start == KafkaStart::earliest;
  options.in_flight_max = source.max_in_flight;
  options.value_bytes_max = config.server.limits.body_bytes;
  options.runs_max = config.server.limits.max_in_flight;
  if (source.events) return options;
  const auto slash = source.flow.find('/'), at = source.flow.find('@');
  options.flow_ns = source.flow.substr(0, slash);
  options.flow_name = source.flow.substr(slash + 1, at == std::string::npos ? at : at - slash - 1);
  if (at != std::string::npos) options.flow_version = source.flow.substr(at + 1);
  return options;
}

void register_probes(const std::vector<std::string>& names, std::vector<kafka::Consumer*> consumers) {
  const auto probe = [&](std::string_view name, std::string_view help, auto read) {
    process_metrics().probe(name, help, {"source", names},
                            [consumers, read](std::size_t i) { return static_cast<double>((consumers[i]->*read)()); });
  };
  using Consumer = kafka::Consumer;
  probe("signalbox_kafka_in_flight_records",
        "Records in work. At kafka.sources.NAME.max_in_flight for long: runs start more slowly than records come.",
        &Consumer::in_flight);
  probe("signalbox_kafka_lag_records",
        "Records of the partitions assigned here that are not dealt with, as last seen. Rising: more come than are "
        "taken; see the records in work and the retries.",
        &Consumer::lag);
  probe("signalbox_kafka_lag_worst_partition_records",
        "The same of the one partition that is furthest behind. Near the whole lag: one partition gets most records.",
        &Consumer::lag_of_worst);
}

}  // namespace

Result<std::unique_ptr<KafkaServices>> open_kafka(const Config& config) {
  if (!config.kafka) return nullptr;
  auto made = std::make_unique<KafkaServices>();
  made->cluster.brokers = config.kafka->brokers;
  made->cluster.settings.assign(config.kafka->settings.begin(), config.kafka->settings.end());
  for (const auto& secret : config.kafka->secrets) {
    if (!secret.value) continue;
    SB_TRY(const auto value, secret.value->resolve());
    made->cluster.settings.emplace_back(secret.name, std::string(value.reveal()));
  }
  SB_CHECK(kafka::check_cluster(made->cluster));
  if (writes(*config.kafka)) {
    SB_TRY(made->producer, kafka::Producer::create(made->cluster));
  }
  if (!config.kafka->sinks.empty()) {
    std::vector<kafka::Sink> sinks;
    for (const auto& sink : config.kafka->sinks) sinks.push_back({sink.topic, sink.types});
    made->sinks = std::make_unique<kafka::Sinks>(*made->producer, std::move(sinks), process_metrics());
  }
  if (!config.kafka->publish.empty())
    made->publisher = std::make_unique<kafka::Publisher>(*made->producer, config.kafka->brokers, config.kafka->publish,
                                                         process_metrics());
  std::vector<std::string> names;
  for (const auto& [name, source] : config.kafka->sources) names.push_back(name);
  if (!names.empty()) made->metrics = std::make_unique<kafka::SourceMetrics>(process_metrics(), std::move(names));
  return made;
}

Result<> make_sources(Services& services, const std::vector<std::unique_ptr<Shard>>& shards) {
  if (!services.kafka || !services.kafka->metrics) return {};
  std::vector<kafka::Engines> engines;
  for (const auto& shard : shards) engines.push_back(shard->engine());
  std::vector<std::string> names;
  std::vector<kafka::Consumer*> consumers;
  for (const auto& [name, config] : services.config.kafka->sources) {
    auto& shard = *shards[names.size() % shards.size()];
    auto options = source_options(services.config, name, config);
    if (!config.events && !services.flows.find(options.flow_ns, options.flow_name, options.flow_version))
      log_warn("kafka.no_flow", {{"source", name}, {"flow", config.flow}, {"detail", "its records wait for the flow"}});
    SB_TRY(auto source, kafka::Source::create(shard.engine().executor, services.kafka->cluster, std::move(options),
                                              {engines, *services.events, services.flows, services.in_flight,
                                               Pseudonyms(services.pseudonym_secret), services.kafka->producer.get(),
                                               *services.kafka->metrics, names.size()}));
    names.push_back(name);
    consumers.push_back(&source->consumer());
    shard.adopt(std::move(source));
  }
  register_probes(names, std::move(consumers));
  return {};
}

}  // namespace sb::server
