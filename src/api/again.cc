// /api/v1/runs/ID/retry and /fork: a run goes on from where it failed, or a new one begins where it stood.
#include <fmt/format.h>

#include "api/api.h"
#include "api/control.h"

namespace sb::api {
namespace {

/// Errors: invalid_argument.
Result<json::value> body_of(std::string_view text, const std::vector<std::string>& known) {
  if (text.empty()) return json::value(json::object());
  auto body = parse_json(text);
  if (!body || !body->is_object()) return fail(Errc::invalid_argument, "send a JSON object, or nothing");
  SB_CHECK(only_members(*body, known));
  return body;
}

/// Errors: invalid_argument.
Result<flow::Engine::Goal> goal_of(const json::value& body) {
  flow::Engine::Goal goal;
  const auto* step = find_member(body, "step");
  const auto* from = find_member(body, "from");
  if (step && from) return fail(Errc::invalid_argument, "`step` or `from`, not both", "from");
  if (step) {
    const auto number = int_member(body, "step", -1);
    if (number < 0 || number > UINT32_MAX)
      return fail(Errc::invalid_argument, "`step` is the index of one of the run's steps", "step");
    goal.step = static_cast<std::uint32_t>(number);
  }
  if (from) {
    goal.task = string_member(body, "from");
    if (!goal.task.starts_with("/"))
      return fail(Errc::invalid_argument, "`from` is a task's JSON pointer in the flow, as `ref` of steps says it",
                  "from");
  }
  return goal;
}

std::optional<std::string> text_member(const json::value& body, std::string_view name) {
  const auto* member = find_member(body, name);
  return member ? std::optional(to_text(*member)) : std::nullopt;
}

}  // namespace

// Of one run, the newest last. As many as somebody may be waiting for who asks again: a run can be retried without end.
Task<Result<Api::Wishes>> Api::wishes_of(std::string document, std::string_view key, std::string_view hash) {
  constexpr std::size_t kMost = 20;
  SB_CO_TRY(const auto stored, co_await parts_.store.load_document(std::move(document)));
  const auto kept = parse_json(stored.value_or("{}")).value_or(nullptr);
  json::array wishes;
  if (const auto* list = find_member(kept, "wishes"); list && list->is_array()) wishes = list->get_array();
  for (const auto& wish : wishes) {
    if (string_member(wish, "key") != key) continue;
    if (string_member(wish, "request") == hash) co_return Wishes{true, {}};
    co_return fail(Errc::already_exists, "this Idempotency-Key was used with another request", "Idempotency-Key");
  }
  while (wishes.size() >= kMost) wishes.erase(wishes.begin());
  wishes.push_back(json::object{{"key", key}, {"request", hash}});
  co_return Wishes{false, to_text(json::object{{"wishes", std::move(wishes)}})};
}

Task<void> Api::retry_run(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  const auto row = co_await run_of_caller(caller, captured[0]);
  if (!row) co_return co_await respond_error(exchange, row.error());
  const auto body = body_of(exchange.request().body, {"from", "step"});
  if (!body) co_return co_await respond_error(exchange, body.error());
  auto goal = goal_of(*body);
  if (!goal) co_return co_await respond_error(exchange, goal.error());
  const auto key = request_key(exchange, caller);
  if (!key) co_return co_await respond_error(exchange, key.error());
  const std::string hash = key->empty() ? std::string() : request_hash(caller, "retry", to_text(*body));
  const std::string document = key->empty() ? std::string() : fmt::format("retry:{}", row->id.to_string());
  // An erasure finds a run that has ended, or that goes on: none comes to life between its looks.
  auto pass = co_await parts_.changes.enter();
  if (!pass) co_return co_await respond_error(exchange, pass.error());
  Result<Wishes> wishes;
  if (!document.empty()) wishes = co_await wishes_of(document, *key, hash);
  if (!wishes) co_return co_await respond_error(exchange, wishes.error());
  if (!wishes->granted) {
    auto done =
        co_await parts_.engine.retry(row->id, *std::move(goal), {actor_of(caller), document, std::move(wishes->then)});
    if (!done) co_return co_await respond_error(exchange, done.error());
  }
  pass->reset();
  co_await respond_json(exchange, 202, to_text(json::object{{"id", captured[0]}}),
                        {{"location", "/api/v1/runs/" + captured[0]}});
}

Task<void> Api::fork_run(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  // An application has its own runs alone: in a fork it would see what another one was told.
  auto row = co_await run_of_caller(caller, captured[0]);
  if (!row) co_return co_await respond_error(exchange, row.error());
  const auto body = body_of(exchange.request().body, {"context", "from", "input", "step"});
  if (!body) co_return co_await respond_error(exchange, body.error());
  auto goal = goal_of(*body);
  if (!goal) co_return co_await respond_error(exchange, goal.error());
  auto key = request_key(exchange, caller);
  if (!key) co_return co_await respond_error(exchange, key.error());
  if (parts_.in_flight.size() >= parts_.in_flight_max) co_return co_await respond_error(exchange, at_limit());
  const std::string hash =
      key->empty() ? std::string() : request_hash(caller, "fork/" + row->id.to_string(), to_text(*body));
  const std::string tenant = row->tenant;
  // As above: what the other run was given is not copied while it is erased.
  auto pass = co_await parts_.changes.enter();
  if (!pass) co_return co_await respond_error(exchange, pass.error());
  auto one = co_await run_of_key(tenant, caller, *key, hash);
  if (!one) co_return co_await respond_error(exchange, one.error());
  if (!one->known) {
    flow::Engine::Fork fork{*std::move(row), *std::move(goal), text_member(*body, "input"),
                            text_member(*body, "context")};
    auto run = co_await parts_.engine.prepare_fork(std::move(fork), request_of(exchange, caller, *key, hash),
                                                   one->pending, one->id);
    if (auto started = co_await start_prepared(std::move(run), tenant, *key, one->pending); !started)
      co_return co_await respond_error(exchange, started.error());
  }
  pass->reset();
  const std::string made = one->id.to_string();
  co_await respond_json(exchange, 202, to_text(json::object{{"id", made}}), {{"location", "/api/v1/runs/" + made}});
}

}  // namespace sb::api
