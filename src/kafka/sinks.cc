#include "kafka/sinks.h"

#include <algorithm>

#include "base/log.h"
#include "base/wildcard.h"

namespace sb::kafka {
namespace {

std::vector<std::string> topics_of(const std::vector<Sink>& sinks) {
  std::vector<std::string> topics;
  topics.reserve(sinks.size());
  for (const auto& sink : sinks) topics.push_back(sink.topic);
  return topics;
}

bool takes(const Sink& sink, std::string_view type) {
  return std::ranges::any_of(sink.types, [&](const auto& pattern) { return fits_wildcard(pattern, type); });
}

}  // namespace

Message event_message(std::string topic, const json::value& event) {
  return {std::move(topic),
          std::string(string_member(event, "partitionkey")),
          {{"content-type", "application/cloudevents+json; charset=UTF-8"}},
          to_text(event)};
}

Sinks::Sinks(Producer& producer, std::vector<Sink> sinks, MetricRegistry& registry)
    : producer_(producer),
      sinks_(std::move(sinks)),
      written_(registry.counters("signalbox_kafka_written_total",
                                 "Events of flows that the topic has, acknowledged by all in-sync replicas.",
                                 {{"topic", topics_of(sinks_)}})),
      failures_(registry.counters("signalbox_kafka_write_failures_total",
                                  "Events that the topic did not take; the task that emitted them failed. Rising: see "
                                  "kafka.not_written in the log.",
                                  {{"topic", topics_of(sinks_)}})) {}

bool Sinks::wants(std::string_view type) const {
  return std::ranges::any_of(sinks_, [&](const Sink& sink) { return takes(sink, type); });
}

// To every topic, whatever another says. Of several errors the one that may pass.
Task<Result<>> Sinks::write(json::value event) {
  Result<> worst;
  for (std::size_t i = 0; i < sinks_.size(); ++i) {
    if (!takes(sinks_[i], string_member(event, "type"))) continue;
    auto message = event_message(sinks_[i].topic, event);
    auto done = co_await producer_.write(std::move(message));
    if (!done) {
      failures_.at(i).add();
      log_error("kafka.not_written",
                {{"topic", sinks_[i].topic}, {"code", to_string(done.error().code)}, {"detail", done.error().detail}});
      if (worst || done.error().code == Errc::unavailable) worst = std::unexpected(done.error());
      continue;
    }
    written_.at(i).add();
  }
  co_return worst;
}

}  // namespace sb::kafka
