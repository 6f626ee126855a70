// POST /v1/chat/completions, /v1/embeddings, GET /v1/models: the surface official clients talk to.
#include <fmt/format.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>

#include "api/api.h"
#include "api/chat_head.h"
#include "api/control.h"
#include "base/bytes.h"
#include "base/log.h"
#include "flow/chat_completion.h"
#include "model/error_body.h"

namespace sb::api {
namespace {

constexpr std::chrono::milliseconds kJoinPatience{600'000};

/// An answer of the run's failure that a client library understands; retries stop here, we have made ours.
struct ErrorAnswer {
  int status;
  std::string body;
  http::Headers headers;
};

ErrorAnswer error_answer(const flow::LiveRun& run) {
  ErrorAnswer answer{500, {}, {}};
  if (run.failure) {
    answer.status = run.failure->status;
    answer.body = run.failure->body;
    answer.headers = run.failure->headers;
    if (!run.failure->retry_after.empty()) answer.headers.set("retry-after", run.failure->retry_after);
    answer.headers.set("x-should-retry", "false");
  } else {
    answer.status = model::http_status(run.error_code);
  }
  if (answer.body.empty()) {
    answer.body = model::openai_error_body(
        Error(run.error_code, run.problem ? run.guard.restore_plain(run.problem->detail) : "the run failed",
              run.error_param));
  }
  return answer;
}

}  // namespace

struct Api::Work {
  std::shared_ptr<flow::LiveRun> run;
  std::unique_ptr<SseAudience> audience;
  Micros started_us = 0;
  bool include_usage = false;
  http::Headers limits;  // of a whole answer; a stream's are with its audience
};

http::Headers Api::run_headers(const flow::LiveRun& run, Micros started_us) const {
  http::Headers headers{{"x-signalbox-run", run.row.id.to_string()},
                        {"x-signalbox-route", run.row.route},
                        {"x-signalbox-durability", std::string(flow::to_string(run.durability))}};
  if (!run.row.model.empty()) headers.add("x-signalbox-model", run.row.model);
  if (!run.intent.empty()) headers.add("x-signalbox-intent", run.intent);
  if (run.review) headers.add("x-signalbox-review", run.review->to_string());
  if (run.model_call.again) headers.add("x-signalbox-cache", run.model_call.alike ? "semantic" : "exact");
  if (run.row.rejected_cost) headers.add("x-signalbox-escalated", "small");
  // Of a stream that has just begun the cost is not known: it comes at the end.
  if (run.row.status != store::RunStatus::running) headers.add("x-signalbox-cost", std::to_string(run.row.cost));
  if (parts_.overhead_header) {
    headers.add("x-signalbox-overhead-us",
                std::to_string(std::max<Micros>(0, parts_.clock.now_us() - started_us - run.upstream_us)));
  }
  return headers;
}

void Api::count(const flow::LiveRun& run, Micros started_us) {
  parts_.counters.runs.of(run.row.route).add();
  parts_.counters.cost_micro.of(run.row.route).add(static_cast<std::uint64_t>(std::max<MicroMoney>(0, run.row.cost)));
  parts_.counters.overhead.observe(
      static_cast<std::uint64_t>(std::max<Micros>(0, parts_.clock.now_us() - started_us - run.upstream_us)));
}

// What a model route was asked for, checked.
struct Api::Asked {
  std::string body;
  ChatHead head;
  std::shared_ptr<const flow::Flow> flow;
  std::string subject;
  std::string key;   // Idempotency-Key; empty: none
  std::string hash;  // of a request with one
};

Result<Api::Asked> Api::read_model_request(http::Exchange& exchange, const Caller& caller, std::string_view flow_name,
                                           std::string_view wants) const {
  if (parts_.in_flight.size() >= parts_.in_flight_max) return std::unexpected(at_limit());
  Asked asked;
  asked.body = exchange.take_body();
  SB_TRY(asked.head, read_head(asked.body, wants));
  if (asked.head.model != "auto" || !parts_.auto_model) SB_CHECK(parts_.catalog.resolve(asked.head.model));
  SB_TRY(asked.flow, parts_.flows.find("signalbox", flow_name));
  SB_TRY(asked.key, request_key(exchange, caller));
  SB_TRY(asked.subject, subject_of(exchange.request()));
  if (!asked.key.empty()) asked.hash = request_hash(caller, flow_name, asked.body);
  return asked;
}

// The same key again: the same run, whether it is in work, finished, or went on after a restart.
Task<bool> Api::answered_before(http::Exchange& exchange, const Caller& caller, const Asked& asked,
                                const flow::InFlight::Entry& entry) {
  if (!entry.owner) (void)co_await entry.pending->wait(kJoinPatience);
  auto stored = co_await parts_.store.find_idempotent(caller.tenant, asked.key);
  if (entry.owner && (!stored || *stored)) parts_.in_flight.leave(caller.tenant, asked.key, entry.pending);
  if (!stored) {
    co_await respond_error(exchange, stored.error(), caller.limit_headers);
  } else if (*stored) {
    if (auto same = same_request(**stored, caller, asked.hash); !same)
      co_await respond_error(exchange, same.error(), caller.limit_headers);
    else
      co_await answer_stored(exchange, caller, std::move(**stored), asked.head.stream, asked.head.include_usage);
  } else if (!entry.owner) {
    co_await respond_error(exchange,
                           Error(Errc::unavailable, "the first request with this Idempotency-Key is still in work"),
                           caller.limit_headers);
  } else {
    co_return false;
  }
  co_return true;
}

Task<Result<Api::Work>> Api::begin_work(http::Exchange& exchange, const Caller& caller, Asked asked,
                                        const flow::InFlight::Entry& entry, policy::JsonProfile profile,
                                        Micros started_us) {
  flow::RunRequest wanted;
  wanted.flow = std::move(asked.flow);
  wanted.tenant = caller.tenant;
  wanted.key = caller.key_id;
  wanted.input = std::move(asked.body);
  wanted.profile = profile;
  wanted.requested_model = std::move(asked.head.model);
  wanted.idempotency_key = asked.key;
  wanted.request_hash = std::move(asked.hash);
  wanted.request_id = exchange.request().id;
  wanted.subject = std::move(asked.subject);
  wanted.durability = parts_.durability;
  wanted.stream = asked.head.stream;
  wanted.include_usage = asked.head.include_usage;
  wanted.cancel = &exchange.disconnect();
  wanted.spender = caller.key;
  wanted.may_restore = allows(caller.role, Permission::restore);
  wanted.cache = read_cache_control(exchange.request().headers);
  auto& engine = parts_.engine;
  const RunId id = entry.pending->run();
  if (!engine.takes(caller.tenant, *wanted.flow)) {
    parts_.in_flight.leave(caller.tenant, asked.key, entry.pending);
    co_return std::unexpected(flow::Engine::queue_full());
  }
  auto run = engine.is_long(wanted) ? co_await engine.prepare_long(std::move(wanted), entry.pending, id)
                                    : engine.prepare(std::move(wanted), entry.pending, id);
  if (!run) {
    parts_.in_flight.leave(caller.tenant, asked.key, entry.pending);
    co_return std::unexpected(std::move(run.error()));
  }
  Work work;
  work.run = *std::move(run);
  work.started_us = started_us;
  work.include_usage = asked.head.include_usage;
  if (!asked.head.stream) {
    work.limits = caller.limit_headers;
    co_return work;
  }
  work.audience = std::make_unique<SseAudience>(exchange, parts_.ticker,
                                                [this, live = work.run, started_us, limits = caller.limit_headers] {
                                                  http::Headers headers = run_headers(*live, started_us);
                                                  for (const auto& [name, value] : limits) headers.add(name, value);
                                                  return headers;
                                                });
  work.run->audience = work.audience.get();
  co_return work;
}

// What is only needed until the run begins is gone when it does: a stream may wait for hours.
Task<void> Api::serve_model(http::Exchange& exchange, const Caller& caller, std::string_view flow_name,
                            std::string_view wants, policy::JsonProfile profile) {
  const Micros started_us = parts_.clock.now_us();
  auto asked = read_model_request(exchange, caller, flow_name, wants);
  if (!asked) co_return co_await respond_error(exchange, std::move(asked).error(), caller.limit_headers);
  const auto entry =
      parts_.in_flight.enter(caller.tenant, asked->key, RunId::generate(parts_.clock, parts_.entropy), asked->hash);
  if (!asked->key.empty() && co_await answered_before(exchange, caller, *asked, entry)) co_return;
  auto work = co_await begin_work(exchange, caller, *std::move(asked), entry, profile, started_us);
  if (!work) co_return co_await respond_error(exchange, std::move(work).error(), caller.limit_headers);
  auto driven = co_await parts_.engine.drive(work->run);
  count(*work->run, started_us);
  if (driven) co_return co_await answer_live(exchange, *work);
  if (work->audience) co_await work->audience->settle();
  if (work->audience && work->audience->begun()) {
    exchange.abort();  // not recorded: the client must not take it for an answer
    co_return;
  }
  co_await respond_error(exchange, std::move(driven).error(), caller.limit_headers);
}

Task<void> Api::answer_live(http::Exchange& exchange, Work& work) {
  auto& run = *work.run;
  if (run.problem) {
    auto answer = error_answer(run);
    if (work.audience && work.audience->begun()) {
      (void)co_await work.audience->fail_in_band(answer.body, run.row.cost);
      co_return;
    }
    if (work.audience) co_await work.audience->settle();
    auto headers = run_headers(run, work.started_us);
    for (const auto& [name, value] : work.limits) headers.set(name, value);
    for (const auto& [name, value] : answer.headers) headers.set(name, value);
    co_return co_await respond_json(exchange, answer.status, std::move(answer.body), std::move(headers));
  }
  if (!work.audience) {
    auto headers = run_headers(run, work.started_us);
    for (const auto& [name, value] : work.limits) headers.add(name, value);
    co_return co_await respond_json(exchange, 200, run.guard.restore(run.output.text()), std::move(headers));
  }
  if (!run.streamed) {
    for (const auto& chunk : flow::completion_chunks(run.guard.restore(run.output.text()), work.include_usage)) {
      if (!co_await work.audience->event(run.events++, chunk)) break;
    }
  }
  (void)co_await work.audience->done(run.row.cost);
}

Task<void> Api::answer_stored(http::Exchange& exchange, const Caller& caller, store::RunRow row, bool stream,
                              bool include_usage) {
  // In work, or about to be taken up again after a restart.
  const auto give_up = parts_.clock.steady() + kJoinPatience;
  while (!store::is_final(row.status) && row.status != store::RunStatus::waiting && parts_.clock.steady() < give_up &&
         !exchange.disconnect().cancelled()) {
    if (auto pending = parts_.in_flight.find(row.id)) {
      (void)co_await pending->wait(kJoinPatience);
    } else {
      asio::steady_timer pause(co_await asio::this_coro::executor, std::chrono::milliseconds(20));
      boost::system::error_code ignored;
      co_await pause.async_wait(asio::redirect_error(use_task, ignored));
    }
    auto again = co_await parts_.store.load_run(row.id);
    if (!again) co_return co_await respond_error(exchange, again.error());
    row = std::move(*again);
  }
  if (!store::is_final(row.status) && row.status != store::RunStatus::waiting) {
    co_return co_await respond_error(
        exchange, Error(Errc::unavailable, "the run goes on; ask again with the same Idempotency-Key"),
        {{"retry-after", "1"}});
  }
  auto live = parts_.engine.reopen(std::move(row), allows(caller.role, Permission::restore));
  if (!live) co_return co_await respond_error(exchange, live.error());
  auto& run = **live;
  if (run.problem) {
    auto answer = error_answer(run);
    co_return co_await respond_json(exchange, answer.status, std::move(answer.body),
                                    run_headers(run, parts_.clock.now_us()));
  }
  auto headers = run_headers(run, parts_.clock.now_us());
  headers.add("x-signalbox-replayed", "true");
  const std::string completion = run.guard.restore(run.output.text());
  if (!stream) co_return co_await respond_json(exchange, 200, completion, std::move(headers));

  // A stream taken up again: what was journaled, from the event after the last one the client saw.
  std::uint64_t from = 0;
  const auto last = exchange.request().headers.get("last-event-id");
  if (!last.empty() && std::from_chars(last.data(), last.data() + last.size(), from).ec == std::errc()) ++from;
  auto events = co_await parts_.engine.stored_events(run);
  if (events.empty()) events = flow::completion_chunks(completion, include_usage);
  SseAudience audience(exchange, parts_.ticker, [headers] { return headers; });
  for (std::uint64_t id = from; id < events.size(); ++id) {
    if (!co_await audience.event(id, events[id])) break;
  }
  (void)co_await audience.done(run.row.cost);
}

Task<void> Api::chat_completions(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  return serve_model(exchange, caller, "chat", "messages", policy::JsonProfile::chat_request);
}

Task<void> Api::embeddings(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  return serve_model(exchange, caller, "embeddings", "input", policy::JsonProfile::any);
}

Task<void> Api::list_models(http::Exchange& exchange, const Caller&, std::vector<std::string>) {
  json::array data;
  const auto add = [&](std::string_view id, std::string_view owner) {
    data.push_back(json::object{{"id", id}, {"object", "model"}, {"created", 0}, {"owned_by", owner}});
  };
  if (parts_.auto_model) add("auto", "signalbox");
  for (const auto& name : parts_.catalog.names()) add(name, "signalbox");
  co_await respond_json(exchange, 200, to_text(json::object{{"object", "list"}, {"data", std::move(data)}}));
}

Task<void> Api::get_model(http::Exchange& exchange, const Caller&, std::vector<std::string> captured) {
  const std::string name = fmt::format("{}", fmt::join(captured, "/"));
  if (name != "auto" || !parts_.auto_model) {
    if (auto target = parts_.catalog.resolve(name); !target) co_return co_await respond_error(exchange, target.error());
  }
  co_await respond_json(
      exchange, 200,
      to_text(json::object{{"id", name}, {"object", "model"}, {"created", 0}, {"owned_by", "signalbox"}}));
}

Task<void> Api::get_run_stream(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  const auto id = RunId::parse(captured[0]);
  if (!id) co_return co_await respond_error(exchange, Error(Errc::invalid_argument, "a run id is a UUID", "id"));
  auto row = co_await parts_.store.load_run(*id);
  // What was taken out of the request is put back into the answer: for the key that sent it, and nobody else.
  if (!row || row->tenant != caller.tenant || row->key != caller.key_id)
    co_return co_await respond_error(exchange, not_shown(row, "run"));
  co_await answer_stored(exchange, caller, std::move(*row), true, false);
}

}  // namespace sb::api
