/// Owners of librdkafka's objects: `KafkaPtr<rd_kafka_event_t, rd_kafka_event_destroy>`.
#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>

namespace sb::kafka {

template <auto Free>
struct KafkaFree {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

template <class T, auto Free>
using KafkaPtr = std::unique_ptr<T, KafkaFree<Free>>;

using ConfPtr = KafkaPtr<rd_kafka_conf_t, rd_kafka_conf_destroy>;
using EventPtr = KafkaPtr<rd_kafka_event_t, rd_kafka_event_destroy>;
using ListPtr = KafkaPtr<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>;
using QueuePtr = KafkaPtr<rd_kafka_queue_t, rd_kafka_queue_destroy>;
using ErrorPtr = KafkaPtr<rd_kafka_error_t, rd_kafka_error_destroy>;

}  // namespace sb::kafka
