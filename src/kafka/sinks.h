/// What flows emit, on topics: each event to every topic that takes its type.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "kafka/producer.h"
#include "telemetry/metrics.h"

namespace sb::kafka {

struct Sink {
  std::string topic;
  std::vector<std::string> types;  ///< a `*` stands for any text
};

/// A CloudEvent as a record, in structured mode (Kafka protocol binding 1.0.2): its `partitionkey` is the record's key.
Message event_message(std::string topic, const json::value& event);

/// Thread-safe.
class Sinks {
 public:
  /// `producer` outlives it.
  Sinks(Producer& producer, std::vector<Sink> sinks, MetricRegistry& registry);

  bool wants(std::string_view type) const;
  /// Returns when every topic that takes it has it, for good. Called again with the same event it writes it again, with
  /// the same id. Errors: as Producer::write, of the first topic that does not take it.
  Task<Result<>> write(json::value event);

 private:
  Producer& producer_;
  std::vector<Sink> sinks_;
  MetricFamily<Counter> written_;   ///< by sink's topic
  MetricFamily<Counter> failures_;  ///< the same
};

}  // namespace sb::kafka
