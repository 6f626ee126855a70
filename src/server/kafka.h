/// What the configuration says of Kafka, as objects; nothing of it without a `kafka` section.
#pragma once

#include <memory>
#include <vector>

#include "kafka/producer.h"
#include "kafka/publisher.h"
#include "kafka/sinks.h"
#include "kafka/source.h"
#include "server/services.h"

namespace sb::server {

class Shard;

/// Shared by all shards.
struct KafkaServices {
  kafka::Cluster cluster;
  std::unique_ptr<kafka::Producer> producer;    ///< null: nothing is written
  std::unique_ptr<kafka::Sinks> sinks;          ///< null: no events leave
  std::unique_ptr<kafka::Publisher> publisher;  ///< null: flows write no records
  std::unique_ptr<kafka::SourceMetrics> metrics;
};

/// Reads the cluster's settings and secrets; null: not configured. Connects to nothing. Errors: what is wrong with
/// them.
Result<std::unique_ptr<KafkaServices>> open_kafka(const Config& config);

/// Gives each source to a shard, where it rests until it is started. Errors: as kafka::Source::create.
Result<> make_sources(Services& services, const std::vector<std::unique_ptr<Shard>>& shards);

}  // namespace sb::server
