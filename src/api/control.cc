// /api/v1: runs, flows, reviews, costs, keys.
#include <fmt/format.h>

#include <charconv>

#include "api/api.h"
#include "base/bytes.h"
#include "base/log.h"

namespace sb::api {
namespace {

std::size_t limit_of(const http::Request& request, std::size_t otherwise) {
  std::size_t limit = otherwise;
  if (const auto text = request.query_param("limit")) std::from_chars(text->data(), text->data() + text->size(), limit);
  return std::clamp<std::size_t>(limit, 1, 1'000);
}

json::value time_or_null(Micros us) {
  return us == 0 ? json::value(nullptr) : json::value(rfc3339(us));
}
json::value json_or_null(std::string_view text) {
  return text.empty() ? json::value(nullptr) : parse_json(text).value_or(nullptr);
}

json::object run_summary(const store::RunRow& row) {
  return {{"id", row.id.to_string()},
          {"flow", row.flow},
          {"status", store::to_string(row.status)},
          {"tenant", row.tenant},
          {"route", row.route},
          {"model", row.model},
          {"cost_micro", row.cost},
          {"cost_all_large_micro", row.cost_all_large},
          {"createdAt", time_or_null(row.created_us)},
          {"updatedAt", time_or_null(row.updated_us)},
          {"endedAt", time_or_null(row.ended_us)}};
}

json::object step_json(const store::StepRow& step) {
  return {{"index", static_cast<std::uint32_t>(step.index)},
          {"name", step.name},
          {"ref", step.ref},
          {"kind", step.kind},
          {"status", step.error.empty() ? "completed" : "faulted"},
          {"output", json_or_null(step.output)},
          {"decision", json_or_null(step.decision)},
          {"error", json_or_null(step.error)},
          {"cost_micro", step.cost},
          {"attempt", step.attempt},
          {"startedAt", time_or_null(step.started_us)},
          {"endedAt", time_or_null(step.ended_us)}};
}

json::object key_json(const KeyRecord& key) {
  return {{"id", key.id.to_string()},
          {"name", key.name},
          {"tenant", key.tenant},
          {"role", to_string(key.role)},
          {"limits",
           {{"requests_per_minute", key.limits.requests_per_minute},
            {"spend_micro_per_day", key.limits.spend_micro_per_day},
            {"max_in_flight", key.limits.max_in_flight}}},
          {"createdAt", time_or_null(key.created_us)},
          {"revokedAt", key.revoked_us ? time_or_null(*key.revoked_us) : json::value(nullptr)}};
}

/// Admins see all tenants; everybody else their own.
bool may_see(const Caller& caller, std::string_view tenant) {
  return caller.role == Role::admin || caller.tenant == tenant;
}
std::string tenant_scope(const Caller& caller) {
  return caller.role == Role::admin ? std::string() : caller.tenant;
}
std::string actor_of(const Caller& caller) {
  return caller.key_id.empty() ? "local" : caller.key_id;
}

/// Errors: invalid_argument, naming the member and the nearest one there is.
Result<> only_members(const json::value& value, const std::vector<std::string>& known) {
  if (!value.is_object()) return fail(Errc::invalid_argument, "must be a JSON object");
  for (const auto& [key, member] : value.get_object()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    const auto near = nearest(key, known);
    return fail(
        Errc::invalid_argument,
        fmt::format("unknown member `{}`{}", std::string_view(key), near ? "; did you mean `" + *near + "`?" : ""),
        std::string(key));
  }
  return {};
}

Error no_such(std::string_view what) {
  return Error(Errc::not_found, fmt::format("no such {}", what), "id");
}

}  // namespace

Task<void> Api::list_runs(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  const auto& request = exchange.request();
  store::RunFilter filter;
  filter.tenant = tenant_scope(caller);
  filter.limit = limit_of(request, 50);
  filter.flow = request.query_param("flow").value_or("");
  filter.route = request.query_param("route").value_or("");
  if (const auto status = request.query_param("status")) {
    filter.status = store::run_status(*status);
    if (!filter.status)
      co_return co_await respond_error(
          exchange,
          Error(Errc::invalid_argument,
                "status is one of pending, running, waiting, suspended, cancelled, faulted, completed", "status"));
  }
  if (const auto before = request.query_param("before")) {
    filter.before = RunId::parse(*before);
    if (!filter.before)
      co_return co_await respond_error(exchange, Error(Errc::invalid_argument, "`before` is a run id", "before"));
  }
  auto rows = co_await parts_.store.list_runs(filter);
  if (!rows) co_return co_await respond_error(exchange, rows.error());
  json::array runs;
  for (const auto& row : *rows) runs.push_back(run_summary(row));
  json::object body{{"runs", std::move(runs)}};
  if (rows->size() == filter.limit) body["next"] = rows->back().id.to_string();
  co_await respond_json(exchange, 200, to_text(body));
}

Task<void> Api::get_run(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  const auto id = RunId::parse(captured[0]);
  if (!id) co_return co_await respond_error(exchange, Error(Errc::invalid_argument, "a run id is a UUID", "id"));
  if (exchange.request().query_param("wait") == "true") {
    if (auto pending = parts_.in_flight.find(*id)) (void)co_await pending->wait(std::chrono::seconds(60));
  }
  auto row = co_await parts_.store.load_run(*id);
  if (!row || !may_see(caller, row->tenant)) co_return co_await respond_error(exchange, no_such("run"));
  auto steps = co_await parts_.store.load_steps(*id);
  if (!steps) co_return co_await respond_error(exchange, steps.error());
  if (auto opened = parts_.engine.unseal(*row); !opened) co_return co_await respond_error(exchange, opened.error());
  json::object body = run_summary(*row);
  // As the store has them: placeholders stay placeholders for whoever only looks on.
  body["input"] = json_or_null(row->input);
  body["output"] = row->status == store::RunStatus::completed ? json_or_null(row->output) : json::value(nullptr);
  body["error"] = json_or_null(row->error);
  json::array tasks;
  for (const auto& step : *steps) tasks.push_back(step_json(step));
  body["tasks"] = std::move(tasks);
  co_await respond_json(exchange, 200, to_text(body));
}

Task<Result<>> Api::start_run(flow::RunRequest wanted, std::shared_ptr<flow::Pending> pending) {
  const std::string tenant = wanted.tenant, key = wanted.idempotency_key;
  auto run = parts_.engine.prepare(std::move(wanted), pending, pending->run());
  if (!run) {
    parts_.in_flight.leave(tenant, key, pending);
    co_return std::unexpected(run.error());
  }
  (*run)->finish_without_caller = true;
  (*run)->requested_model = string_member((*run)->input.value(), "model");  // policed, like all that a flow sees
  if ((*run)->problem) co_return co_await parts_.engine.drive(*run);  // refused already: on disk before it is told
  if (auto accepted = co_await parts_.engine.accept(*run); !accepted) {
    parts_.in_flight.leave(tenant, key, pending);
    co_return std::unexpected(accepted.error());
  }
  parts_.engine.spawn(*std::move(run));
  co_return Result<>();
}

Task<void> Api::create_run(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  auto body = parse_json(exchange.request().body);
  if (!body || !body->is_object())
    co_return co_await respond_error(
        exchange, Error(Errc::invalid_argument, R"(send {"input": ..., "version"?: "...", "wait"?: bool})"));
  if (auto known = only_members(*body, {"input", "version", "wait"}); !known)
    co_return co_await respond_error(exchange, known.error());
  auto flow = parts_.flows.find(captured[0], captured[1], string_member(*body, "version"));
  if (!flow) co_return co_await respond_error(exchange, flow.error());
  const auto* input = find_member(*body, "input");
  const std::string text = input ? to_text(*input) : "{}";
  const std::string key(exchange.request().headers.get("idempotency-key"));
  if (auto fits = check_idempotency_key(key); !fits) co_return co_await respond_error(exchange, fits.error());
  if (parts_.in_flight.size() >= parts_.in_flight_max) co_return co_await respond_error(exchange, at_limit());
  const std::string hash = key.empty() ? std::string() : to_hex(sha256((*flow)->id(), text));
  auto entry = parts_.in_flight.enter(caller.tenant, key, RunId::generate(parts_.clock, parts_.entropy), hash);
  RunId id = entry.pending->run();
  bool known = false;
  if (!key.empty()) {
    auto stored = co_await parts_.store.find_idempotent(caller.tenant, key);
    if (entry.owner && (!stored || *stored)) parts_.in_flight.leave(caller.tenant, key, entry.pending);
    if (!stored) co_return co_await respond_error(exchange, stored.error());
    known = stored->has_value();
    if (known) id = (*stored)->id;
    if (known && (*stored)->request_hash != hash) {
      co_return co_await respond_error(
          exchange,
          Error(Errc::already_exists, "this Idempotency-Key was used with another request", "Idempotency-Key"));
    }
    if (!known && !entry.owner) {  // not on disk yet: nothing to promise
      co_return co_await respond_error(
          exchange,
          Error(Errc::unavailable, "the first request with this Idempotency-Key is still being accepted; try again"));
    }
  }
  if (!known) {
    flow::RunRequest wanted;
    wanted.flow = *flow;
    wanted.tenant = caller.tenant;
    wanted.key = caller.key_id;
    wanted.input = text;
    wanted.profile = (*flow)->ns == "signalbox" && (*flow)->name == "chat" ? policy::JsonProfile::chat_request
                                                                           : policy::JsonProfile::any;
    wanted.idempotency_key = key;
    wanted.request_hash = hash;
    wanted.request_id = exchange.request().id;
    wanted.spender = caller.key;
    wanted.spend_limit_per_day = caller.spend_limit_per_day;
    if (auto started = co_await start_run(std::move(wanted), std::move(entry.pending)); !started)
      co_return co_await respond_error(exchange, started.error());
  }
  if (bool_member(*body, "wait")) {
    if (auto pending = parts_.in_flight.find(id)) (void)co_await pending->wait(std::chrono::seconds(600));
    co_return co_await get_run(exchange, caller, {id.to_string()});
  }
  co_await respond_json(exchange, 202, to_text(json::object{{"id", id.to_string()}}),
                        {{"location", "/api/v1/runs/" + id.to_string()}});
}

Task<void> Api::list_flows(http::Exchange& exchange, const Caller&, std::vector<std::string>) {
  json::array flows;
  for (const auto& flow : parts_.flows.list()) {
    flows.push_back(
        json::object{{"namespace", flow->ns}, {"name", flow->name}, {"version", flow->version}, {"hash", flow->hash}});
  }
  co_await respond_json(exchange, 200, to_text(json::object{{"flows", std::move(flows)}}));
}

Task<void> Api::add_flow(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  auto flow = flow::load_flow(exchange.request().body, "flow", flow::builtin_functions());
  if (!flow) {
    json::object problem{{"title", "the flow was refused"},
                         {"status", 422},
                         {"detail", flow.error().detail},
                         {"pointer", flow.error().param}};
    co_return co_await respond_json(exchange, 422, to_text(problem), {{"content-type", "application/problem+json"}});
  }
  auto pass = co_await parts_.changes.enter();
  if (!pass) co_return co_await respond_error(exchange, pass.error());
  const auto known = parts_.flows.find_id((*flow)->id());
  if (!known) {
    store::Commit commit;
    commit.documents.emplace_back("flow:" + (*flow)->id(), (*flow)->source);
    json::array ids{json::string((*flow)->id())};  // so that a restart finds them
    for (const auto& other : parts_.flows.list()) ids.push_back(json::string(other->id()));
    commit.documents.emplace_back("flows", to_text(ids));
    store::LeafDraft leaf;
    leaf.kind = "flow.register";
    leaf.tenant = caller.tenant;
    leaf.actor = actor_of(caller);
    leaf.summary = fmt::format(R"({{"flow":"{}","hash":"{}"}})", (*flow)->id(), (*flow)->hash);
    leaf.time_us = parts_.clock.now_us();
    commit.leaves.push_back(std::move(leaf));
    if (auto written = co_await parts_.store.commit(std::move(commit)); !written)
      co_return co_await respond_error(exchange, written.error());
  }
  // On disk before it can be used: a run must find its flow again after a restart.
  if (auto added = parts_.flows.add(*flow); !added) co_return co_await respond_error(exchange, added.error());
  co_await respond_json(exchange, known ? 200 : 201,
                        to_text(json::object{{"namespace", (*flow)->ns},
                                             {"name", (*flow)->name},
                                             {"version", (*flow)->version},
                                             {"hash", (*flow)->hash}}));
}

namespace {

json::object review_json(const store::ReviewRow& row, const json::value& question) {
  json::object body{{"id", row.id.to_string()},
                    {"run", row.run.to_string()},
                    {"tenant", row.tenant},
                    {"state", store::to_string(row.state)},
                    {"reason", row.reason},
                    {"priority", row.priority},
                    {"claimedBy", row.claimed_by.empty() ? json::value(nullptr) : json::value(row.claimed_by)},
                    {"claimUntil", time_or_null(row.claim_until_us)},
                    {"decidedBy", row.decided_by.empty() ? json::value(nullptr) : json::value(row.decided_by)},
                    {"createdAt", time_or_null(row.created_us)},
                    {"decidedAt", time_or_null(row.decided_us)}};
  if (!question.is_null()) body["question"] = question;
  return body;
}

}  // namespace

Task<void> Api::list_reviews(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  const auto& request = exchange.request();
  store::ReviewFilter filter;
  filter.tenant = tenant_scope(caller);
  filter.limit = limit_of(request, 50);
  const auto state = request.query_param("state").value_or("");
  for (const auto candidate : {store::ReviewState::open, store::ReviewState::claimed, store::ReviewState::approved,
                               store::ReviewState::edited, store::ReviewState::rejected, store::ReviewState::expired}) {
    if (state == store::to_string(candidate)) filter.state = candidate;
  }
  if (!state.empty() && !filter.state)
    co_return co_await respond_error(
        exchange,
        Error(Errc::invalid_argument, "state is one of open, claimed, approved, edited, rejected, expired", "state"));
  auto rows = co_await parts_.store.list_reviews(filter);
  if (!rows) co_return co_await respond_error(exchange, rows.error());
  json::array reviews;
  for (const auto& row : *rows) reviews.push_back(review_json(row, nullptr));
  co_await respond_json(exchange, 200, to_text(json::object{{"reviews", std::move(reviews)}}));
}

Task<void> Api::get_review(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  const auto id = ReviewId::parse(captured[0]);
  if (!id) co_return co_await respond_error(exchange, Error(Errc::invalid_argument, "a review id is a UUID", "id"));
  auto row = co_await parts_.store.load_review(*id);
  if (!row || !may_see(caller, row->tenant)) co_return co_await respond_error(exchange, no_such("review"));
  co_await respond_json(exchange, 200, to_text(review_json(*row, parts_.engine.open_question(*row))));
}

Task<void> Api::act_on_review(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  const auto id = ReviewId::parse(captured[0]);
  if (!id) co_return co_await respond_error(exchange, Error(Errc::invalid_argument, "a review id is a UUID", "id"));
  auto known = co_await parts_.store.load_review(*id);
  if (!known || !may_see(caller, known->tenant)) co_return co_await respond_error(exchange, no_such("review"));
  const std::string& verb = captured[1];
  Result<store::ReviewRow> row =
      fail(Errc::not_found, fmt::format("a review can be claimed, approved, edited or rejected, not `{}`", verb));
  if (verb == "claim") {
    row = co_await parts_.engine.claim(*id, actor_of(caller));
  } else if (verb == "approve" || verb == "edit" || verb == "reject") {
    json::object verdict{{"verdict", verb}};
    if (!trim(exchange.request().body).empty()) {
      auto body = parse_json(exchange.request().body);
      if (!body || !body->is_object())
        co_return co_await respond_error(exchange,
                                         Error(Errc::invalid_argument, R"(send {"text"?: "...", "reason"?: "..."})"));
      for (const char* key : {"text", "reason"}) {
        if (const auto* value = find_member(*body, key)) verdict[key] = *value;
      }
    }
    row = co_await parts_.engine.decide(*id, actor_of(caller), std::move(verdict));
  }
  if (!row) co_return co_await respond_error(exchange, row.error());
  co_await respond_json(exchange, 200, to_text(review_json(*row, nullptr)));
}

Task<void> Api::get_costs(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  auto rows = co_await parts_.store.costs(tenant_scope(caller), 0, parts_.clock.now_us() + 1);
  if (!rows) co_return co_await respond_error(exchange, rows.error());
  MicroMoney total = 0, all_large = 0;
  std::uint64_t runs = 0;
  json::object by_route, by_model;
  const auto add = [](json::object& into, std::string_view name, const store::CostRow& row) {
    auto& slot = into[name];
    if (!slot.is_object()) slot = json::object{{"runs", 0}, {"cost_micro", 0}, {"all_large_micro", 0}};
    auto& entry = slot.get_object();
    entry["runs"] = int_member(slot, "runs") + static_cast<std::int64_t>(row.runs);
    entry["cost_micro"] = int_member(slot, "cost_micro") + row.cost;
    entry["all_large_micro"] = int_member(slot, "all_large_micro") + row.cost_all_large;
  };
  for (const auto& row : *rows) {
    total += row.cost;
    all_large += row.cost_all_large;
    runs += row.runs;
    add(by_route, row.route.empty() ? "none" : row.route, row);
    add(by_model, row.model.empty() ? "none" : row.model, row);
  }
  const double saved =
      all_large > 0 ? 100.0 * static_cast<double>(all_large - total) / static_cast<double>(all_large) : 0.0;
  co_await respond_json(exchange, 200,
                        to_text(json::object{{"currency", parts_.currency},
                                             {"runs", runs},
                                             {"total_micro", total},
                                             {"all_large_micro", all_large},
                                             {"saved_percent", saved},
                                             {"by_route", std::move(by_route)},
                                             {"by_model", std::move(by_model)}}));
}

Task<void> Api::list_keys(http::Exchange& exchange, const Caller&, std::vector<std::string>) {
  json::array keys;
  for (const auto& key : parts_.keys.records()) keys.push_back(key_json(key));
  co_await respond_json(exchange, 200, to_text(json::object{{"keys", std::move(keys)}}));
}

Task<Result<>> Api::store_keys(std::vector<KeyRecord> records, std::string kind, const Caller& caller,
                               const KeyRecord& key) {
  store::Commit commit;
  commit.documents.emplace_back("keys", to_text(keys_to_json(records)));
  store::LeafDraft leaf;
  leaf.kind = std::move(kind);
  leaf.tenant = key.tenant;
  leaf.actor = actor_of(caller);
  leaf.summary = fmt::format(R"({{"key":"{}","role":"{}"}})", key.id.to_string(), to_string(key.role));
  leaf.time_us = parts_.clock.now_us();
  commit.leaves.push_back(std::move(leaf));
  SB_CO_CHECK(co_await parts_.store.commit(std::move(commit)));
  co_return parts_.keys.replace(std::move(records));
}

Task<void> Api::create_key(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  auto body = parse_json(exchange.request().body);
  if (!body || !body->is_object())
    co_return co_await respond_error(
        exchange, Error(Errc::invalid_argument, R"(send {"name": "...", "tenant"?, "role"?, "limits"?})"));
  const auto role = parse_role(string_member(*body, "role", "client"));
  if (!role)
    co_return co_await respond_error(
        exchange, Error(Errc::invalid_argument, "role is one of admin, operator, reviewer, client, auditor", "role"));
  KeyLimits limits;
  if (auto known = only_members(*body, {"name", "tenant", "role", "limits"}); !known)
    co_return co_await respond_error(exchange, known.error());
  if (const auto* given = find_member(*body, "limits")) {
    // A limit that is misspelt would be no limit.
    if (auto known = only_members(*given, {"requests_per_minute", "spend_micro_per_day", "max_in_flight"}); !known) {
      co_return co_await respond_error(exchange, known.error());
    }
    limits = {int_member(*given, "requests_per_minute"), int_member(*given, "spend_micro_per_day"),
              int_member(*given, "max_in_flight")};
  }
  auto pass = co_await parts_.changes.enter();
  if (!pass) co_return co_await respond_error(exchange, pass.error());
  auto made =
      make_key(std::string(string_member(*body, "name")), std::string(string_member(*body, "tenant", "default")), *role,
               limits, parts_.keys.pepper(), parts_.clock, parts_.entropy);
  if (!made) co_return co_await respond_error(exchange, made.error());
  auto records = parts_.keys.records();
  records.push_back(made->record);
  if (auto stored = co_await store_keys(std::move(records), "key.create", caller, made->record); !stored)
    co_return co_await respond_error(exchange, stored.error());
  json::object answer = key_json(made->record);
  answer["key"] = made->text.reveal();  // shown this once
  co_await respond_json(exchange, 201, to_text(answer));
}

Task<void> Api::revoke_key(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  auto pass = co_await parts_.changes.enter();
  if (!pass) co_return co_await respond_error(exchange, pass.error());
  auto records = parts_.keys.records();
  const auto found =
      std::ranges::find_if(records, [&](const KeyRecord& key) { return key.id.to_string() == captured[0]; });
  if (found == records.end()) co_return co_await respond_error(exchange, no_such("key"));
  if (!found->revoked_us) found->revoked_us = parts_.clock.now_us();
  const KeyRecord revoked = *found;
  if (auto stored = co_await store_keys(std::move(records), "key.revoke", caller, revoked); !stored)
    co_return co_await respond_error(exchange, stored.error());
  co_await respond_json(exchange, 200, to_text(key_json(revoked)));
}

Task<void> Api::get_metrics(http::Exchange& exchange, const Caller&, std::vector<std::string>) {
  co_await respond_json(exchange, 200, parts_.metrics.render(),
                        {{"content-type", std::string(MetricRegistry::kContentType)}});
}

}  // namespace sb::api
