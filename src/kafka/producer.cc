#include "kafka/producer.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <tuple>

#include "base/log.h"

namespace sb::kafka {
namespace {

using Timer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;
constexpr std::chrono::milliseconds kQueueFullPause{50};

Error refusal(rd_kafka_resp_err_t error, const std::string& topic) {
  const auto said = [&](Errc code) { return Error(code, fmt::format("topic {}: {}", topic, rd_kafka_err2str(error))); };
  switch (error) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return said(Errc::not_found);
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
      return said(Errc::too_large);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      return said(Errc::permission_denied);
    default:
      return said(Errc::unavailable);
  }
}

}  // namespace

Result<std::unique_ptr<Producer>> Producer::create(Cluster cluster) {
  std::unique_ptr<Producer> made(new Producer(std::move(cluster)));
  SB_CHECK(made->open());
  return made;
}

Result<> Producer::open() {
  SB_TRY(auto conf, make_conf(cluster_, {{"acks", "all"},
                                         {"enable.idempotence", "true"},
                                         {"message.timeout.ms", "0"},  // as long as it takes: a run waits for it
                                         {"queue.buffering.max.kbytes", "65536"}}));
  rd_kafka_conf_set_events(conf.get(), RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
  rd_kafka_conf_set_background_event_cb(conf.get(), on_event);
  rd_kafka_conf_set_opaque(conf.get(), this);
  char why[512];
  client_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), why, sizeof why));
  if (!client_) return fail(Errc::invalid_argument, fmt::format("kafka.settings: {}", why), "kafka.settings");
  std::ignore = conf.release();
  const QueuePtr main(rd_kafka_queue_get_main(client_.get())), background(rd_kafka_queue_get_background(client_.get()));
  rd_kafka_queue_forward(main.get(), background.get());
  return {};
}

Producer::~Producer() {
  if (client_) spent_.push_back(std::move(client_));
  for (const auto& client : spent_) rd_kafka_purge(client.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  spent_.clear();  // ends its thread; nobody is told anything after that
}

void Producer::on_event(rd_kafka_t*, rd_kafka_event_t* owned, void* self) {
  const EventPtr event(owned);
  auto& producer = *static_cast<Producer*>(self);
  if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_ERROR)
    producer.complaints_.hear(rd_kafka_event_error(event.get()), rd_kafka_event_error_string(event.get()));
  if (rd_kafka_event_type(event.get()) != RD_KAFKA_EVENT_DR) return;
  while (const auto* message = rd_kafka_event_message_next(event.get()))
    producer.settle(reinterpret_cast<std::uintptr_t>(message->_private), message->err);
}

void Producer::settle(std::uint64_t id, rd_kafka_resp_err_t outcome) {
  decltype(waiting_)::node_type found;
  {
    const std::lock_guard lock(mutex_);
    found = waiting_.extract(id);
  }
  if (!found) return;
  Waiting& waiting = found.mapped();
  asio::post(waiting.executor, [done = std::move(waiting.done), outcome]() mutable { std::move(done)(outcome); });
}

rd_kafka_resp_err_t Producer::hand_over(const Message& message, std::uint64_t id) {
  KafkaPtr<rd_kafka_headers_t, rd_kafka_headers_destroy> headers(rd_kafka_headers_new(message.headers.size()));
  for (const auto& [name, content] : message.headers)
    rd_kafka_header_add(headers.get(), name.c_str(), -1, content.data(), static_cast<ssize_t>(content.size()));
  std::array<rd_kafka_vu_t, 6> parts{};
  parts[0].vtype = RD_KAFKA_VTYPE_TOPIC;
  parts[0].u.cstr = message.topic.c_str();
  parts[1].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  parts[1].u.i = RD_KAFKA_MSG_F_COPY;
  parts[2].vtype = RD_KAFKA_VTYPE_KEY;
  parts[2].u.mem = {const_cast<char*>(message.key.empty() ? nullptr : message.key.data()), message.key.size()};
  parts[3].vtype = RD_KAFKA_VTYPE_VALUE;
  parts[3].u.mem = {const_cast<char*>(message.value.data()), message.value.size()};
  parts[4].vtype = RD_KAFKA_VTYPE_OPAQUE;
  // A number in the place of a pointer: it comes back as it is. NOLINTNEXTLINE(performance-no-int-to-ptr)
  parts[4].u.ptr = reinterpret_cast<void*>(static_cast<std::uintptr_t>(id));
  parts[5].vtype = RD_KAFKA_VTYPE_HEADERS;
  parts[5].u.headers = headers.get();
  const std::lock_guard lock(mutex_);
  const ErrorPtr error(rd_kafka_produceva(client_.get(), parts.data(), parts.size()));
  if (error) return rd_kafka_error_code(error.get());
  std::ignore = headers.release();  // the client's now
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

Task<rd_kafka_resp_err_t> Producer::try_to_write(const Message& message, std::uint64_t& id) {
  const Executor executor = co_await asio::this_coro::executor;
  auto start = [&](auto handler) {
    {
      const std::lock_guard lock(mutex_);
      id = ++last_;
      waiting_.emplace(id, Waiting{executor, std::move(handler)});
    }
    if (const auto error = hand_over(message, id)) settle(id, error);
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<Executor>, void(rd_kafka_resp_err_t)>(start,
                                                                                                            use_task);
}

// A producer that has lost count of what it wrote never writes again; its successor may write a record twice.
void Producer::renew_after_fatal() {
  const std::lock_guard lock(mutex_);
  char why[512];
  if (rd_kafka_fatal_error(client_.get(), why, sizeof why) == RD_KAFKA_RESP_ERR_NO_ERROR) return;  // it was renewed
  log_error("kafka.producer_renewed", {{"detail", why}});
  spent_.push_back(std::move(client_));
  if (const auto opened = open(); !opened) client_ = std::move(spent_.back()), spent_.pop_back();
}

Task<Result<>> Producer::write(Message message, CancelSource* cancel) {
  Timer pause(co_await asio::this_coro::executor);
  std::uint64_t id = 0;
  const CancelRegistration unwanted(cancel, [&] { settle(id, RD_KAFKA_RESP_ERR__TIMED_OUT); });
  for (;;) {
    if (cancel && cancel->cancelled())
      co_return fail(Errc::cancelled, fmt::format("topic {}: nobody waits for the record any more", message.topic));
    const auto outcome = co_await try_to_write(message, id);
    if (outcome == RD_KAFKA_RESP_ERR_NO_ERROR) co_return Result<>();
    if (cancel && cancel->cancelled()) continue;
    if (outcome == RD_KAFKA_RESP_ERR__FATAL)
      renew_after_fatal();
    else if (outcome != RD_KAFKA_RESP_ERR__QUEUE_FULL)
      co_return std::unexpected(refusal(outcome, message.topic));
    pause.expires_after(kQueueFullPause);
    co_await pause.async_wait(use_task);
  }
}

}  // namespace sb::kafka
