/// What every client of a cluster shares: where it is, how it is spoken to, what becomes of its log lines.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "kafka/handle.h"

namespace sb::kafka {

struct Cluster {
  std::string brokers;
  std::vector<std::pair<std::string, std::string>> settings;  ///< by librdkafka's names; secrets among them
};

/// A client's configuration: the cluster's, then `own`, which wins. librdkafka's log lines become ours, at `debug`:
/// what an operator must know comes as events. Errors: invalid_argument, naming the setting, never its value.
Result<ConfPtr> make_conf(const Cluster& cluster, const std::vector<std::pair<std::string, std::string>>& own);

/// Whether the cluster's settings fit together, without a connection. Errors: as make_conf.
Result<> check_cluster(const Cluster& cluster);

/// Says that brokers are away, or what else a client complains of; of one client once in ten seconds.
class Complaints {
 public:
  explicit Complaints(std::string client) : client_(std::move(client)) {}
  void hear(rd_kafka_resp_err_t error, std::string_view detail);

 private:
  std::string client_;
  std::int64_t quiet_until_us_ = 0;
};

}  // namespace sb::kafka
