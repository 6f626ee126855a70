/// Records that flows write themselves: where they may, and how many there are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kafka/producer.h"
#include "telemetry/metrics.h"

namespace sb::kafka {

/// Thread-safe.
class Publisher {
 public:
  /// `brokers`: of the producer's cluster, host:port with commas between. `topics`: a `*` stands for any text.
  /// `producer` outlives it.
  Publisher(Producer& producer, std::string_view brokers, std::vector<std::string> topics, MetricRegistry& registry);

  /// `brokers`: as somebody else names the cluster; one of them must be one of ours. A broker without a port is at
  /// 9092. Errors: permission_denied.
  Result<> may_write(std::string_view brokers, std::string_view topic) const;
  /// Errors: as Producer::write.
  Task<Result<>> write(Message message, CancelSource* cancel);

 private:
  Producer& producer_;
  std::vector<std::string> brokers_, topics_;
  Counter& written_;
  Counter& failures_;
};

}  // namespace sb::kafka
