/// A member of a consumer group: hands out records, and commits a partition up to where its records are dealt with.
///
/// Lives on one executor: create, start and stop it there, and destroy it when that no longer runs. Records come
/// several at once, also of one partition, at most `in_flight_max`; while so many are in work none is taken from
/// librdkafka, whose own queue is bounded too. Offsets are committed every second, when partitions are given up, and at
/// the end. A partition that is to be given up waits, for a bounded time, until its records in work are dealt with.
#pragma once

#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/task.h"
#include "kafka/client.h"
#include "kafka/offset_tracker.h"
#include "kafka/record.h"

namespace sb::kafka {

struct ConsumerOptions {
  std::string name;  ///< of the source, for the log
  std::string group;
  std::vector<std::string> topics;
  bool from_earliest = true;
  std::size_t in_flight_max = 64;
  std::size_t value_bytes_max = std::size_t{10} * 1024 * 1024;
  std::chrono::milliseconds give_up_patience{5'000};  ///< for records in work of partitions that others are to have
};

/// Whether a record is still this member's to deal with; false from the moment its partition is to be given up.
struct Claim {
  bool held = true;
};

class Consumer {
 public:
  /// True: the record is dealt with, for good. False: it is not, and whoever has the partition next has it again.
  using Handle = std::function<Task<bool>(Record, std::shared_ptr<const Claim>)>;

  /// Connects to nothing before start(). Errors: invalid_argument (settings).
  static Result<std::unique_ptr<Consumer>> create(Executor executor, const Cluster& cluster, ConsumerOptions options,
                                                  Handle handle);
  ~Consumer();
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  void start();
  /// Takes no more records, waits until those in work are dealt with, commits and leaves the group; all of it until
  /// the deadline.
  Task<void> stop(std::chrono::steady_clock::time_point deadline);

  /// The cluster's id; empty as long as none was reached.
  std::string cluster_id() const;

  // For metrics; any thread.
  std::size_t in_flight() const { return in_flight_.load(std::memory_order_relaxed); }
  std::int64_t lag() const { return lag_.load(std::memory_order_relaxed); }  ///< records, all partitions
  std::int64_t lag_of_worst() const { return lag_of_worst_.load(std::memory_order_relaxed); }  ///< of one partition

 private:
  struct Partition {
    OffsetTracker offsets;
    std::size_t in_work = 0;
    std::shared_ptr<Claim> claim = std::make_shared<Claim>();
  };
  using Place = std::pair<std::string, std::int32_t>;
  using Timer =
      asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

  Consumer(Executor executor, ConsumerOptions options, Handle handle);
  static void on_queue(rd_kafka_t* client, void* self);
  Result<> open(const Cluster& cluster);
  void pump();
  void on_event(EventPtr event);
  void on_rebalance(EventPtr event);
  void assign(const rd_kafka_topic_partition_list_t& partitions);
  Task<void> give_up(EventPtr event);
  void take(const rd_kafka_message_t& message);
  Task<void> deal_with(Record record, std::shared_ptr<Partition> partition);
  void store_offset(const Place& place, std::int64_t offset);
  Task<void> tick();
  void measure_lag();
  Task<bool> all_dealt_with(std::vector<std::shared_ptr<Partition>> partitions,
                            std::chrono::steady_clock::time_point deadline);

  const Executor executor_;
  const ConsumerOptions options_;
  const Handle handle_;
  Complaints complaints_;
  rd_kafka_t* client_ = nullptr;
  QueuePtr control_;  ///< rebalances and errors
  QueuePtr fetched_;  ///< records of all partitions: left alone while enough are in work
  std::map<Place, std::shared_ptr<Partition>> partitions_;
  std::atomic<bool> pump_posted_{false};
  std::atomic<std::size_t> in_flight_{0};
  std::atomic<std::int64_t> lag_{0}, lag_of_worst_{0};
  bool stopping_ = false;
  bool had_partitions_ = false;
};

}  // namespace sb::kafka
