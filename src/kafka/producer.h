/// Writes records that are there to stay: every in-sync replica has them (acks=all), once each (idempotent producer).
///
/// Thread-safe. One thread of librdkafka's own tells what became of them. Destroy it when no thread of a caller runs
/// any more: who still waits is destroyed with it, and writes again after the next start.
#pragma once

#include <boost/asio/any_completion_handler.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/errors.h"
#include "base/task.h"
#include "kafka/client.h"

namespace sb::kafka {

struct Message {
  std::string topic;
  std::string key;  ///< empty: none
  std::vector<std::pair<std::string, std::string>> headers;
  std::string value;
};

class Producer {
 public:
  /// Connects to nothing before something is written. Errors: invalid_argument (settings).
  static Result<std::unique_ptr<Producer>> create(Cluster cluster);
  ~Producer();
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  /// Returns when the record is there to stay; as long as no broker can be reached it waits, unless `cancel` ends that:
  /// a record that the client has taken may come there all the same. `cancel` outlives the call.
  /// Errors: not_found (no such topic), too_large (for the topic or the client), permission_denied, cancelled,
  /// unavailable (what else the cluster refuses it for).
  Task<Result<>> write(Message message, CancelSource* cancel = nullptr);

 private:
  struct Waiting {
    Executor executor;
    asio::any_completion_handler<void(rd_kafka_resp_err_t)> done;
  };
  explicit Producer(Cluster cluster) : cluster_(std::move(cluster)), complaints_("producer") {}
  static void on_event(rd_kafka_t* client, rd_kafka_event_t* event, void* self);
  Result<> open();
  void renew_after_fatal();
  /// `id`: set to what it waits under.
  Task<rd_kafka_resp_err_t> try_to_write(const Message& message, std::uint64_t& id);
  rd_kafka_resp_err_t hand_over(const Message& message, std::uint64_t id);
  void settle(std::uint64_t id, rd_kafka_resp_err_t outcome);

  const Cluster cluster_;
  Complaints complaints_;  ///< on librdkafka's thread
  std::mutex mutex_;
  // Under it:
  KafkaPtr<rd_kafka_t, rd_kafka_destroy> client_;
  std::vector<KafkaPtr<rd_kafka_t, rd_kafka_destroy>> spent_;  ///< after an error that a producer does not survive
  std::map<std::uint64_t, Waiting> waiting_;
  std::uint64_t last_ = 0;
};

}  // namespace sb::kafka
