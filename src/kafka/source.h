/// Records as work: each starts a run, or is an event for flows that listen.
///
/// A record is dealt with when its run or event is on disk; or, where it can never work, when the dead letter topic has
/// it, or the log where there is none. What stands in the way for now (a full disk, a queue, a limit) is waited for:
/// nothing is skipped. A record that comes again is known by where it stands in its topic, or by its `idempotency-key`.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flow/engine.h"
#include "kafka/consumer.h"
#include "kafka/producer.h"
#include "telemetry/metrics.h"

namespace sb::kafka {

/// One of a server's engines; all start runs, by partition.
struct Engines {
  flow::Engine* engine;
  Executor executor;
};

struct SourceOptions {
  std::string name;
  std::string group;
  std::vector<std::string> topics;
  std::string tenant;
  std::string flow_ns, flow_name;  ///< empty: records are events
  std::string flow_version;        ///< empty: the highest there is when the record comes
  std::string dead_letter;         ///< topic; empty: none
  bool from_earliest = true;
  std::size_t in_flight_max = 64;
  std::size_t value_bytes_max = 0;
  std::size_t runs_max = 0;  ///< in work on the server; with so many, records wait
};

/// Counters of all sources; by the source's position.
struct SourceMetrics {
  SourceMetrics(MetricRegistry& registry, std::vector<std::string> sources);
  enum Outcome : std::size_t { taken, known, rejected };
  MetricFamily<Counter> records;       ///< by source and outcome
  MetricFamily<Counter> retries;       ///< by source
  MetricFamily<Counter> dead_letters;  ///< by source
};

/// What a source works with. Borrowed; all of it outlives the source.
struct SourceParts {
  std::vector<Engines> engines;
  flow::EventHub& events;
  const flow::FlowRegistry& flows;
  const flow::InFlight& in_flight;
  Pseudonyms pseudonyms;
  Producer* producer = nullptr;  ///< of dead letters; null: none are sent
  SourceMetrics& metrics;
  std::size_t position = 0;  ///< among the sources
};

class Source {
 public:
  /// Errors: as Consumer::create.
  static Result<std::unique_ptr<Source>> create(Executor executor, const Cluster& cluster, SourceOptions options,
                                                SourceParts parts);

  Consumer& consumer() { return *consumer_; }

 private:
  struct Taken {
    bool is_new = true;
    std::optional<Error> refused{};  ///< it is on record, and can never work
    std::string run{};
  };

  Source(SourceOptions options, SourceParts parts) : options_(std::move(options)), parts_(std::move(parts)) {}
  Task<bool> deal_with(Record record, std::shared_ptr<const Claim> claim);
  Task<Result<Taken>> take(const Record& record);
  Task<Result<Taken>> start_run(const Record& record);
  Task<Result<Taken>> publish_event(const Record& record);
  /// False: the partition is given up.
  Task<bool> reject(const Record& record, const Error& why, const std::string& run, const Claim& claim);
  Task<bool> wait_before_retry(const Record& record, const Error& why, std::size_t tries, const Claim& claim);
  void count(SourceMetrics::Outcome outcome) { parts_.metrics.records.at(parts_.position, outcome).add(); }

  SourceOptions options_;
  SourceParts parts_;
  std::unique_ptr<Consumer> consumer_;
};

}  // namespace sb::kafka
