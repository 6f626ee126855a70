#include "kafka/client.h"

#include <fmt/format.h>

#include <chrono>
#include <tuple>

#include "base/log.h"

namespace sb::kafka {
namespace {

constexpr std::size_t kErrorBytes = 512;

void on_log(const rd_kafka_t*, int, const char* facility, const char* line) {
  log(LogLevel::debug, "kafka.client", {{"facility", facility}, {"detail", line}});
}

Result<> set(rd_kafka_conf_t& conf, const std::string& name, const std::string& value) {
  char why[kErrorBytes];
  const auto done = rd_kafka_conf_set(&conf, name.c_str(), value.c_str(), why, sizeof why);
  if (done == RD_KAFKA_CONF_OK) return {};
  if (done == RD_KAFKA_CONF_UNKNOWN)
    return fail(Errc::invalid_argument, fmt::format("kafka.settings: there is no setting \"{}\"", name),
                "kafka.settings");
  // Not librdkafka's words: they repeat the value, which may be a secret.
  return fail(Errc::invalid_argument,
              fmt::format("kafka.settings: \"{}\" cannot have this value, or this build of librdkafka lacks it", name),
              "kafka.settings");
}

}  // namespace

Result<ConfPtr> make_conf(const Cluster& cluster, const std::vector<std::pair<std::string, std::string>>& own) {
  ConfPtr conf(rd_kafka_conf_new());
  rd_kafka_conf_set_log_cb(conf.get(), on_log);
  SB_CHECK(set(*conf, "client.id", "signalbox"));
  SB_CHECK(set(*conf, "session.timeout.ms", "10000"));          // so long a dead server's partitions wait for another
  SB_CHECK(set(*conf, "queued.max.messages.kbytes", "16384"));  // of a consumer, ahead of the records in work
  SB_CHECK(set(*conf, "bootstrap.servers", cluster.brokers));
  for (const auto& [name, value] : cluster.settings) SB_CHECK(set(*conf, name, value));
  for (const auto& [name, value] : own) SB_CHECK(set(*conf, name, value));
  return conf;
}

Result<> check_cluster(const Cluster& cluster) {
  SB_TRY(auto conf, make_conf(cluster, {}));
  char why[kErrorBytes];
  const KafkaPtr<rd_kafka_t, rd_kafka_destroy> client(rd_kafka_new(
      RD_KAFKA_PRODUCER, conf.get(), why, sizeof why));  // opens no socket before it is asked for something
  if (!client) return fail(Errc::invalid_argument, fmt::format("kafka.settings: {}", why), "kafka.settings");
  std::ignore = conf.release();  // the client's now
  return {};
}

void Complaints::hear(rd_kafka_resp_err_t error, std::string_view detail) {
  constexpr std::int64_t kQuietUs = 10'000'000;
  const auto now =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count();
  if (now < quiet_until_us_) return;
  quiet_until_us_ = now + kQuietUs;
  log_warn("kafka.trouble", {{"client", client_}, {"code", rd_kafka_err2name(error)}, {"detail", detail}});
}

}  // namespace sb::kafka
