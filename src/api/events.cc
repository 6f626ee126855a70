// Events in, and what people do to runs: /api/v1/events, /api/v1/runs/{id}/events|suspend|resume|cancel.
#include <fmt/format.h>

#include <boost/asio/basic_waitable_timer.hpp>
#include <charconv>

#include "api/api.h"
#include "api/control.h"
#include "base/bytes.h"
#include "flow/cloud_event.h"
#include "flow/event_hub.h"

namespace sb::api {
namespace {

/// Binary mode of the HTTP binding: attributes are `ce-` headers, the body is the data.
Result<json::value> read_event(const http::Request& request) {
  const auto type = request.headers.get("content-type");
  if (request.headers.get("ce-id").empty()) return parse_json(request.body);
  json::object attributes;
  for (const auto& [name, value] : request.headers) {
    const auto lower = to_lower(name);
    if (lower.starts_with("ce-")) attributes[lower.substr(3)] = value;
  }
  return flow::event_of_parts(std::move(attributes), type, request.body);
}

}  // namespace

Task<void> Api::post_event(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  auto event = read_event(exchange.request());
  if (!event) co_return co_await respond_error(exchange, event.error());
  if (!parts_.events)
    co_return co_await respond_error(exchange, Error(Errc::unsupported, "this server takes no events"));
  const auto subject = subject_of(exchange.request());
  if (!subject) co_return co_await respond_error(exchange, subject.error());
  flow::Carried carried;  // from outside: nothing but whose data it is
  carried.subject = parts_.pseudonyms.subject(caller.tenant, *subject);
  auto receipt = co_await parts_.events->publish(*std::move(event), caller.tenant, std::move(carried));
  if (!receipt) co_return co_await respond_error(exchange, receipt.error());
  co_await respond_json(exchange, 202,
                        to_text(json::object{{"runs", receipt->runs}, {"duplicate", receipt->duplicate}}));
}

Task<void> Api::act_on_run(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  const auto id = RunId::parse(captured[0]);
  const std::string& verb = captured[1];
  if (!id) co_return co_await respond_error(exchange, Error(Errc::invalid_argument, "a run id is a UUID", "id"));
  if ((verb != "suspend" && verb != "resume" && verb != "cancel") || !parts_.events)
    co_return co_await respond_error(exchange,
                                     Error(Errc::not_found, "a run can be told to suspend, resume or cancel"));
  const auto row = co_await parts_.store.load_run(*id);
  if (!row || !may_see(caller, row->tenant)) co_return co_await respond_error(exchange, not_shown(row, "run"));
  using Verb = flow::EventHub::Verb;
  const auto what = verb == "suspend" ? Verb::suspend : verb == "resume" ? Verb::resume : Verb::cancel;
  if (auto done = co_await parts_.events->command(*id, what, actor_of(caller)); !done)
    co_return co_await respond_error(exchange, done.error());
  co_await get_run(exchange, caller, {captured[0]});
}

// One event a step as it is on disk, then the run's end. `Last-Event-ID` goes on behind a step.
Task<void> Api::get_run_events(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  const auto id = RunId::parse(captured[0]);
  if (!id) co_return co_await respond_error(exchange, Error(Errc::invalid_argument, "a run id is a UUID", "id"));
  auto row = co_await parts_.store.load_run(*id);
  if (!row || !may_see(caller, row->tenant)) co_return co_await respond_error(exchange, not_shown(row, "run"));
  if (auto told = co_await record_opening(caller, *row, R"({"what":"events"})"); !told)
    co_return co_await respond_error(exchange, told.error());
  std::uint64_t from = 0;
  const auto last = exchange.request().headers.get("last-event-id");
  if (!last.empty() && std::from_chars(last.data(), last.data() + last.size(), from).ec == std::errc()) ++from;
  if (auto begun =
          co_await exchange.begin_stream(200, {{"content-type", "text/event-stream"}, {"cache-control", "no-cache"}});
      !begun)
    co_return;
  asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor> timer(
      co_await asio::this_coro::executor);
  std::string_view told;
  for (std::size_t silent = 0;; ++silent) {
    row = co_await parts_.store.load_run(*id);
    auto steps =
        row ? co_await parts_.store.load_steps(*id) : Result<std::vector<store::StepRow>>(std::unexpected(row.error()));
    if (!steps || !parts_.engine.unseal(*row, *steps)) co_return exchange.abort();
    std::string out;
    for (const auto& step : *steps) {
      const auto index = static_cast<std::uint32_t>(step.index);
      if (index < from) continue;
      out += fmt::format("id: {}\nevent: task.{}\ndata: {}\n\n", index, step.error.empty() ? "completed" : "faulted",
                         to_text(step_json(step)));
      from = index + 1;
    }
    const auto status = store::to_string(row->status);
    if (status != told) out += fmt::format("event: run.{}\ndata: {}\n\n", status, to_text(run_summary(*row)));
    told = status;
    constexpr std::size_t kSilence = 50;
    if (out.empty() && silent % kSilence == kSilence - 1) out = ":\n\n";
    if (!out.empty() && !co_await exchange.write(out)) co_return;
    if (store::is_final(row->status)) break;
    timer.expires_after(std::chrono::milliseconds(100));
    co_await timer.async_wait(use_task);
  }
  (void)co_await exchange.end_stream();
}

}  // namespace sb::api
