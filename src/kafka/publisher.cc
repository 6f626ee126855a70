#include "kafka/publisher.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/log.h"
#include "base/topic.h"
#include "base/wildcard.h"

namespace sb::kafka {
namespace {

std::vector<std::string> brokers_of(std::string_view list) {
  constexpr std::string_view kPort = ":9092";
  std::vector<std::string> brokers;
  for (const auto part : split(list, ',')) {
    auto broker = to_lower(trim(part));
    const auto colon = broker.rfind(':');
    if (colon == std::string::npos || broker.ends_with(']')) broker += kPort;
    brokers.push_back(std::move(broker));
  }
  return brokers;
}

}  // namespace

Publisher::Publisher(Producer& producer, std::string_view brokers, std::vector<std::string> topics,
                     MetricRegistry& registry)
    : producer_(producer),
      brokers_(brokers_of(brokers)),
      topics_(std::move(topics)),
      written_(registry.counter("signalbox_kafka_published_total",
                                "Records that flows wrote, acknowledged by all in-sync replicas.")),
      failures_(registry.counter("signalbox_kafka_publish_failures_total",
                                 "Records of flows that a topic did not take; the task failed. Rising: see "
                                 "kafka.not_written in the log.")) {}

Result<> Publisher::may_write(std::string_view brokers, std::string_view topic) const {
  const auto named = brokers_of(brokers);
  if (std::ranges::find_first_of(named, brokers_) == named.end())
    return fail(Errc::permission_denied, fmt::format("{} is no broker of kafka.brokers in signalbox.yaml", brokers));
  const auto fits = [&](const auto& pattern) { return fits_wildcard(pattern, topic); };
  if (!is_topic(topic) || std::ranges::none_of(topics_, fits))
    return fail(Errc::permission_denied,
                fmt::format("topic {} is not named under kafka.publish in signalbox.yaml", topic));
  return {};
}

Task<Result<>> Publisher::write(Message message, CancelSource* cancel) {
  const std::string topic = message.topic;
  auto done = co_await producer_.write(std::move(message), cancel);
  if (done) {
    written_.add();
  } else if (done.error().code != Errc::cancelled) {
    failures_.add();
    log_error("kafka.not_written",
              {{"topic", topic}, {"code", to_string(done.error().code)}, {"detail", done.error().detail}});
  }
  co_return done;
}

}  // namespace sb::kafka
