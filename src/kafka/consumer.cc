#include "kafka/consumer.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <tuple>

#include "base/log.h"

namespace sb::kafka {
namespace {

constexpr std::chrono::seconds kTick{1};
constexpr std::chrono::milliseconds kLook{10};  // at what is in work, while a partition is given up

Record read(const rd_kafka_message_t& message, std::size_t value_bytes_max) {
  Record record;
  record.topic = rd_kafka_topic_name(message.rkt);
  record.partition = message.partition;
  record.offset = message.offset;
  rd_kafka_timestamp_type_t type;
  record.timestamp_ms = rd_kafka_message_timestamp(&message, &type);
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name;
    const void* content;
    std::size_t size;
    for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &content, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
      record.headers.emplace_back(name, std::string(static_cast<const char*>(content), content ? size : 0));
    }
  }
  record.is_too_large = message.len > value_bytes_max;
  if (!record.is_too_large && message.payload)
    record.value.assign(static_cast<const char*>(message.payload), message.len);
  return record;
}

}  // namespace

Consumer::Consumer(Executor executor, ConsumerOptions options, Handle handle)
    : executor_(executor), options_(std::move(options)), handle_(std::move(handle)), complaints_(options_.name) {}

Result<std::unique_ptr<Consumer>> Consumer::create(Executor executor, const Cluster& cluster, ConsumerOptions options,
                                                   Handle handle) {
  std::unique_ptr<Consumer> made(new Consumer(executor, std::move(options), std::move(handle)));
  SB_CHECK(made->open(cluster));
  return made;
}

Result<> Consumer::open(const Cluster& cluster) {
  SB_TRY(auto conf, make_conf(cluster, {{"group.id", options_.group},
                                        {"auto.offset.reset", options_.from_earliest ? "earliest" : "latest"},
                                        {"isolation.level", "read_committed"},
                                        {"partition.assignment.strategy", "cooperative-sticky"},
                                        {"enable.auto.offset.store", "false"},
                                        {"enable.auto.commit", "true"},
                                        {"auto.commit.interval.ms", "1000"},
                                        {"allow.auto.create.topics", "false"}}));
  rd_kafka_conf_set_events(conf.get(), RD_KAFKA_EVENT_FETCH | RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_ERROR);
  char why[512];
  client_ = rd_kafka_new(RD_KAFKA_CONSUMER, conf.get(), why, sizeof why);
  if (!client_) return fail(Errc::invalid_argument, fmt::format("kafka.settings: {}", why), "kafka.settings");
  std::ignore = conf.release();
  rd_kafka_poll_set_consumer(client_);
  control_.reset(rd_kafka_queue_get_consumer(client_));
  fetched_.reset(rd_kafka_queue_new(client_));
  return {};
}

Consumer::~Consumer() {
  if (!client_) return;
  for (const auto* queue : {&control_, &fetched_}) rd_kafka_queue_cb_event_enable(queue->get(), nullptr, nullptr);
  control_.reset();
  fetched_.reset();
  // Before 2.2 librdkafka aborts when it destroys a member that has joined its group and was not yet told of partitions
  // (confluentinc/librdkafka, issue 4312): that one is left to the end of the process, which is near.
  if (!had_partitions_ && rd_kafka_version() < 0x02020000) return;
  rd_kafka_destroy_flags(client_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);  // stop() has closed it, or had no time
}

void Consumer::start() {
  for (const auto* queue : {&control_, &fetched_}) rd_kafka_queue_cb_event_enable(queue->get(), on_queue, this);
  const ListPtr topics(rd_kafka_topic_partition_list_new(static_cast<int>(options_.topics.size())));
  for (const auto& topic : options_.topics)
    rd_kafka_topic_partition_list_add(topics.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  if (const auto error = rd_kafka_subscribe(client_, topics.get()))
    log_error("kafka.not_subscribed", {{"source", options_.name}, {"detail", rd_kafka_err2str(error)}});
  asio::co_spawn(executor_, tick(), asio::detached);
}

// On a thread of librdkafka's, which must not be kept.
void Consumer::on_queue(rd_kafka_t*, void* self) {
  auto& consumer = *static_cast<Consumer*>(self);
  if (consumer.pump_posted_.exchange(true)) return;
  asio::post(consumer.executor_, [&consumer] {
    consumer.pump_posted_ = false;
    consumer.pump();
  });
}

void Consumer::pump() {
  while (EventPtr event{rd_kafka_queue_poll(control_.get(), 0)}) on_event(std::move(event));
  while (!stopping_ && in_flight() < options_.in_flight_max) {
    EventPtr event{rd_kafka_queue_poll(fetched_.get(), 0)};
    if (!event) break;
    on_event(std::move(event));
  }
}

void Consumer::on_event(EventPtr event) {
  switch (rd_kafka_event_type(event.get())) {
    case RD_KAFKA_EVENT_FETCH:
      while (const auto* message = rd_kafka_event_message_next(event.get())) take(*message);
      break;
    case RD_KAFKA_EVENT_REBALANCE:
      on_rebalance(std::move(event));
      break;
    case RD_KAFKA_EVENT_ERROR:
      if (rd_kafka_event_error(event.get()) == RD_KAFKA_RESP_ERR__FATAL)
        log_error("kafka.source_ended",
                  {{"source", options_.name}, {"detail", rd_kafka_event_error_string(event.get())}});
      complaints_.hear(rd_kafka_event_error(event.get()), rd_kafka_event_error_string(event.get()));
      break;
    default:
      break;
  }
}

void Consumer::on_rebalance(EventPtr event) {
  const auto* partitions = rd_kafka_event_topic_partition_list(event.get());
  if (rd_kafka_event_error(event.get()) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) return assign(*partitions);
  for (int i = 0; i < partitions->cnt; ++i) {
    const auto found = partitions_.find({partitions->elems[i].topic, partitions->elems[i].partition});
    if (found != partitions_.end()) found->second->claim->held = false;
  }
  asio::co_spawn(executor_, give_up(std::move(event)), asio::detached);
}

void Consumer::assign(const rd_kafka_topic_partition_list_t& partitions) {
  had_partitions_ = true;
  for (int i = 0; i < partitions.cnt; ++i) {
    const auto& [topic, partition] = std::pair(partitions.elems[i].topic, partitions.elems[i].partition);
    partitions_[{topic, partition}] = std::make_shared<Partition>();
    const QueuePtr queue(rd_kafka_queue_get_partition(client_, topic, partition));
    rd_kafka_queue_forward(queue.get(), fetched_.get());  // before it is fetched: records come here alone
  }
  const ErrorPtr error(rd_kafka_incremental_assign(client_, &partitions));
  if (error)
    log_error("kafka.not_assigned", {{"source", options_.name}, {"detail", rd_kafka_error_string(error.get())}});
  log_info("kafka.partitions", {{"source", options_.name}, {"came", partitions.cnt}, {"now", partitions_.size()}});
}

Task<void> Consumer::give_up(EventPtr event) {
  const auto* partitions = rd_kafka_event_topic_partition_list(event.get());
  std::vector<std::shared_ptr<Partition>> gone;
  for (int i = 0; i < partitions->cnt; ++i) {
    const auto found = partitions_.find({partitions->elems[i].topic, partitions->elems[i].partition});
    if (found != partitions_.end()) gone.push_back(found->second);
  }
  // Lost ones are another's already: what is committed of them now would be refused.
  if (!rd_kafka_assignment_lost(client_))
    (void)co_await all_dealt_with(gone, std::chrono::steady_clock::now() + options_.give_up_patience);
  for (int i = 0; i < partitions->cnt; ++i)
    partitions_.erase({partitions->elems[i].topic, partitions->elems[i].partition});
  const ErrorPtr error(rd_kafka_incremental_unassign(client_, partitions));  // commits what is stored of them
  if (error)
    log_error("kafka.not_given_up", {{"source", options_.name}, {"detail", rd_kafka_error_string(error.get())}});
  log_info("kafka.partitions", {{"source", options_.name}, {"went", partitions->cnt}, {"now", partitions_.size()}});
}

void Consumer::take(const rd_kafka_message_t& message) {
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR)
    return complaints_.hear(message.err, rd_kafka_message_errstr(&message));
  const auto found = partitions_.find({rd_kafka_topic_name(message.rkt), message.partition});
  if (found == partitions_.end() || !found->second->claim->held) return;
  if (message.offset < found->second->offsets.next()) {
    log_warn("kafka.offset_went_back", {{"source", options_.name},
                                        {"topic", found->first.first},
                                        {"partition", found->first.second},
                                        {"offset", message.offset}});
    auto anew = std::make_shared<Partition>();  // the topic was made again, or cut: what is in work is of the old one
    anew->claim = found->second->claim;
    found->second = std::move(anew);
  }
  found->second->offsets.begin(message.offset);
  ++found->second->in_work;
  in_flight_.fetch_add(1, std::memory_order_relaxed);
  asio::co_spawn(executor_, deal_with(read(message, options_.value_bytes_max), found->second), asio::detached);
}

Task<void> Consumer::deal_with(Record record, std::shared_ptr<Partition> partition) {
  const Place place{record.topic, record.partition};
  const auto offset = record.offset;
  const bool is_done = co_await handle_(std::move(record), partition->claim);
  in_flight_.fetch_sub(1, std::memory_order_relaxed);
  --partition->in_work;
  if (is_done) {
    const auto mine = partitions_.find(place);
    const auto committable = partition->offsets.done(offset);
    if (committable && mine != partitions_.end() && mine->second == partition) store_offset(place, *committable);
  }
  pump();
}

void Consumer::store_offset(const Place& place, std::int64_t offset) {
  const ListPtr list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), place.first.c_str(), place.second)->offset = offset;
  const auto error = rd_kafka_offsets_store(client_, list.get());
  if (error) complaints_.hear(error, "an offset was not stored");
}

// Also keeps the group's patience: a consumer that does not look at its queue is taken for dead.
Task<void> Consumer::tick() {
  Timer timer(executor_);
  while (!stopping_) {
    pump();
    measure_lag();
    timer.expires_after(kTick);
    co_await timer.async_wait(use_task);
  }
}

void Consumer::measure_lag() {
  std::int64_t sum = 0, worst = 0;
  for (const auto& [place, partition] : partitions_) {
    std::int64_t low = 0, high = 0;
    const auto error =
        rd_kafka_get_watermark_offsets(client_, place.first.c_str(), place.second, &low, &high);  // as last fetched
    if (error || high < 0 || partition->offsets.next() == 0) continue;
    const auto behind = std::max<std::int64_t>(
        0, high - partition->offsets.next() + static_cast<std::int64_t>(partition->offsets.in_work()));
    sum += behind;
    worst = std::max(worst, behind);
  }
  lag_.store(sum, std::memory_order_relaxed);
  lag_of_worst_.store(worst, std::memory_order_relaxed);
}

Task<bool> Consumer::all_dealt_with(std::vector<std::shared_ptr<Partition>> partitions,
                                    std::chrono::steady_clock::time_point deadline) {
  Timer timer(executor_);
  const auto are_done = [&] {
    return std::ranges::all_of(partitions, [](const auto& partition) { return partition->in_work == 0; });
  };
  while (!are_done() && std::chrono::steady_clock::now() < deadline) {
    timer.expires_after(kLook);
    co_await timer.async_wait(use_task);
  }
  co_return are_done();
}

Task<void> Consumer::stop(std::chrono::steady_clock::time_point deadline) {
  stopping_ = true;
  std::vector<std::shared_ptr<Partition>> all;
  for (const auto& [place, partition] : partitions_) {
    partition->claim->held = false;
    all.push_back(partition);
  }
  (void)co_await all_dealt_with(std::move(all), deadline);
  const ErrorPtr error(rd_kafka_consumer_close_queue(client_, control_.get()));
  Timer timer(executor_);
  while (!error && !rd_kafka_consumer_closed(client_) && std::chrono::steady_clock::now() < deadline) {
    pump();
    timer.expires_after(kLook);
    co_await timer.async_wait(use_task);
  }
  if (!rd_kafka_consumer_closed(client_))
    log_warn("kafka.not_closed", {{"source", options_.name},
                                  {"detail",
                                   "no time to commit and to leave the group; records since the last commit "
                                   "come again, and are known"}});
}

std::string Consumer::cluster_id() const {
  char* id = rd_kafka_clusterid(client_, 0);
  std::string text = id ? id : "";
  if (id) rd_kafka_mem_free(client_, id);
  return text;
}

}  // namespace sb::kafka
