#include "kafka/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/log.h"
#include "flow/caller_names.h"

namespace sb::kafka {
namespace {

using Timer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;
constexpr std::chrono::milliseconds kFirstPause{100}, kLongestPause{5'000};

// A client's Idempotency-Key never begins so: no HTTP header has a line end.
constexpr std::string_view kOurKeys = "\nkafka ";

/// Whether the same record would fail in the same way for ever.
bool can_never_work(Errc code) {
  return code == Errc::invalid_argument || code == Errc::too_large || code == Errc::policy_denied ||
         code == Errc::already_exists;
}

Message dead_letter(const std::string& topic, const std::string& source, const Record& record, const Error& why,
                    const std::string& run) {
  json::object letter{{"source", source},        {"topic", record.topic},       {"partition", record.partition},
                      {"offset", record.offset}, {"code", to_string(why.code)}, {"detail", why.detail}};
  if (!run.empty()) letter["run"] = run;
  return {topic,
          {},
          {{"content-type", "application/json"},
           {"signalbox-topic", record.topic},
           {"signalbox-partition", std::to_string(record.partition)},
           {"signalbox-offset", std::to_string(record.offset)},
           {"signalbox-code", std::string(to_string(why.code))}},
          to_text(letter)};
}

}  // namespace

SourceMetrics::SourceMetrics(MetricRegistry& registry, std::vector<std::string> sources)
    : records(registry.counters("signalbox_kafka_records_total",
                                "Records that were dealt with: taken (a run or an event), known (it had come before), "
                                "rejected (it can never work). Rejected rising: see the dead letters, or the log.",
                                {{"source", sources}, {"outcome", {"taken", "known", "rejected"}}})),
      retries(
          registry.counters("signalbox_kafka_retries_total",
                            "Records that had to wait: the store, a limit, or a flow that is not there. Rising: see "
                            "kafka.waiting in the log.",
                            {{"source", sources}})),
      dead_letters(registry.counters("signalbox_kafka_dead_letters_total",
                                     "Rejected records that the dead letter topic was told of.",
                                     {{"source", sources}})) {}

Result<std::unique_ptr<Source>> Source::create(Executor executor, const Cluster& cluster, SourceOptions options,
                                               SourceParts parts) {
  std::unique_ptr<Source> made(new Source(std::move(options), std::move(parts)));
  ConsumerOptions consumer;
  consumer.name = made->options_.name;
  consumer.group = made->options_.group;
  consumer.topics = made->options_.topics;
  consumer.from_earliest = made->options_.from_earliest;
  consumer.in_flight_max = made->options_.in_flight_max;
  consumer.value_bytes_max = made->options_.value_bytes_max;
  SB_TRY(made->consumer_, Consumer::create(executor, cluster, std::move(consumer),
                                           [source = made.get()](Record record, std::shared_ptr<const Claim> claim) {
                                             return source->deal_with(std::move(record), std::move(claim));
                                           }));
  return made;
}

Task<bool> Source::deal_with(Record record, std::shared_ptr<const Claim> claim) {
  for (std::size_t tries = 0;; ++tries) {
    const auto taken = co_await take(record);
    if (taken && !taken->refused) {
      count(taken->is_new ? SourceMetrics::taken : SourceMetrics::known);
      co_return true;
    }
    const Error& why = taken ? *taken->refused : taken.error();
    if (taken || can_never_work(why.code)) co_return co_await reject(record, why, taken ? taken->run : "", *claim);
    if (!co_await wait_before_retry(record, why, tries, *claim)) co_return false;
  }
}

Task<Result<Source::Taken>> Source::take(const Record& record) {
  if (record.is_too_large)
    co_return fail(Errc::too_large,
                   fmt::format("the value is above {} bytes (server.limits.body_bytes)", options_.value_bytes_max));
  if (parts_.in_flight.size() >= options_.runs_max)
    co_return fail(Errc::unavailable, "the server is at its limit of requests in work (server.limits.max_in_flight)");
  if (options_.flow_name.empty()) co_return co_await publish_event(record);
  co_return co_await start_run(record);
}

Task<Result<Source::Taken>> Source::start_run(const Record& record) {
  flow::RunRequest wanted;
  SB_CO_TRY(const json::value input, parse_json(record.value));
  SB_CO_TRY(wanted.flow, parts_.flows.find(options_.flow_ns, options_.flow_name, options_.flow_version));
  SB_CO_TRY(const auto subject, record.header("x-signalbox-subject"));
  SB_CO_TRY(wanted.subject, flow::subject_name(subject));
  SB_CO_TRY(const auto key, record.header("idempotency-key"));
  SB_CO_CHECK(flow::check_idempotency_key(key));
  const auto flow = fmt::format("{}/{}", options_.flow_ns, options_.flow_name);
  wanted.input = to_text(input);
  wanted.tenant = options_.tenant;
  wanted.key = "kafka:" + options_.name;
  if (flow == "signalbox/chat") wanted.profile = policy::JsonProfile::chat_request;
  if (key.empty()) {
    // With the cluster and the time: a topic that was made again counts its records from 0 again.
    wanted.idempotency_key =
        fmt::format("{}place:{}:{}:{}:{}:{}:{}:{}", kOurKeys, options_.group, consumer_->cluster_id(), record.topic,
                    record.partition, record.offset, record.timestamp_ms, flow);
  } else {
    wanted.idempotency_key = fmt::format("{}key:{}:{}", kOurKeys, flow, key);
    wanted.request_hash = to_hex(sha256(flow, wanted.input));
  }
  const auto& [engine, executor] = parts_.engines[static_cast<std::size_t>(record.partition) % parts_.engines.size()];
  SB_CO_TRY(const auto started, co_await asio::co_spawn(executor, engine->start(std::move(wanted)), use_task));
  if (!started.is_on_disk) co_return fail(Errc::unavailable, "the same record is being taken already");
  Taken taken;
  taken.is_new = started.is_new;
  taken.run = started.run.to_string();
  if (started.refused)
    taken.refused = Error(*started.refused, *started.refused == Errc::policy_denied
                                                ? "the policy blocks it; the run says more"
                                                : "it does not fit the flow's input; the run says more");
  co_return taken;
}

Task<Result<Source::Taken>> Source::publish_event(const Record& record) {
  SB_CO_TRY(auto event, read_event(record));
  SB_CO_TRY(const auto said, record.header("x-signalbox-subject"));
  SB_CO_TRY(const auto subject, flow::subject_name(said));
  flow::Carried carried;  // from outside: nothing but whose data it is
  carried.subject = parts_.pseudonyms.subject(options_.tenant, subject);
  SB_CO_TRY(const auto receipt, co_await parts_.events.publish(std::move(event), options_.tenant, std::move(carried)));
  Taken taken;
  taken.is_new = !receipt.duplicate;
  co_return taken;
}

Task<bool> Source::reject(const Record& record, const Error& why, const std::string& run, const Claim& claim) {
  log_warn("kafka.rejected", {{"source", options_.name},
                              {"topic", record.topic},
                              {"partition", record.partition},
                              {"offset", record.offset},
                              {"run", run},
                              {"code", to_string(why.code)},
                              {"detail", why.detail}});
  for (std::size_t tries = 0; parts_.producer && !options_.dead_letter.empty(); ++tries) {
    const auto told =
        co_await parts_.producer->write(dead_letter(options_.dead_letter, options_.name, record, why, run));
    if (told) {
      parts_.metrics.dead_letters.at(parts_.position).add();
      break;
    }
    if (!co_await wait_before_retry(record, told.error(), tries, claim)) co_return false;
  }
  count(SourceMetrics::rejected);
  co_return true;
}

Task<bool> Source::wait_before_retry(const Record& record, const Error& why, std::size_t tries, const Claim& claim) {
  constexpr std::size_t kDoublings = 6;
  parts_.metrics.retries.at(parts_.position).add();
  const auto pause = std::min(kFirstPause * (1 << std::min(tries, kDoublings)), kLongestPause);
  if (tries % 10 == 0)
    log_warn("kafka.waiting", {{"source", options_.name},
                               {"topic", record.topic},
                               {"partition", record.partition},
                               {"offset", record.offset},
                               {"code", to_string(why.code)},
                               {"detail", why.detail}});
  Timer timer(co_await asio::this_coro::executor);
  const auto end = std::chrono::steady_clock::now() + pause;
  while (claim.held && std::chrono::steady_clock::now() < end) {
    timer.expires_after(kFirstPause);  // in pieces: whoever takes the partition over does not wait for the whole pause
    co_await timer.async_wait(use_task);
  }
  co_return claim.held;
}

}  // namespace sb::kafka
