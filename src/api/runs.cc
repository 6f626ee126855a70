// /api/v1/runs: lists, reads and starts runs.
#include <fmt/format.h>

#include "api/api.h"
#include "api/control.h"
#include "api/openings.h"
#include "base/bytes.h"
#include "base/record_writer.h"

namespace sb::api {

json::object run_summary(const store::RunRow& row) {
  json::object summary{{"id", row.id.to_string()},
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
  if (row.forked_from)
    summary["forked_from"] =
        json::object{{"run", row.forked_from->to_string()}, {"step", static_cast<std::uint32_t>(row.forked_at)}};
  return summary;
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

Task<void> Api::list_runs(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  const auto& request = exchange.request();
  store::RunFilter filter;
  filter.tenant = tenant_scope(caller);
  if (filter.tenant.empty()) filter.tenant = request.query_param("tenant").value_or("");
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
  if (const auto tag = request.query_param("tag")) {
    const auto colon = tag->find(':');
    if (colon == std::string::npos)
      co_return co_await respond_error(exchange, Error(Errc::invalid_argument, "`tag` is NAME:VALUE", "tag"));
    if (filter.tenant.empty()) filter.tenant = caller.tenant;  // a tag is a tenant's
    filter.tag = parts_.pseudonyms.tag(filter.tenant, std::string_view(*tag).substr(0, colon),
                                       std::string_view(*tag).substr(colon + 1));
  }
  for (const auto& [name, wanted] : {std::pair("before", &filter.before), {"forked_from", &filter.forked_from}}) {
    const auto id = request.query_param(name);
    if (!id) continue;
    *wanted = RunId::parse(*id);
    if (!*wanted)
      co_return co_await respond_error(exchange,
                                       Error(Errc::invalid_argument, fmt::format("`{}` is a run id", name), name));
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
  const bool restored = exchange.request().query_param("restore") == "true";
  if (restored && !allows(caller.role, Permission::restore))
    co_return co_await respond_error(
        exchange, Error(Errc::permission_denied, "this key may not see the values behind placeholders", "restore"));
  auto row = co_await parts_.store.load_run(*id);
  if (!row || !may_see(caller, row->tenant)) co_return co_await respond_error(exchange, not_shown(row, "run"));
  const char* what = restored ? R"({"restored":true,"what":"run"})" : R"({"what":"run"})";
  if (auto told = co_await record_opening(caller, *row, what); !told)
    co_return co_await respond_error(exchange, told.error());
  co_await answer_run(exchange, *std::move(row), restored);
}

// For `audit prove --disclose`, which reads the content from the data directory itself.
Task<void> Api::record_disclosure(http::Exchange& exchange, const Caller& caller, std::vector<std::string> captured) {
  const auto id = RunId::parse(captured[0]);
  if (!id) co_return co_await respond_error(exchange, Error(Errc::invalid_argument, "a run id is a UUID", "id"));
  const auto row = co_await parts_.store.load_run(*id);
  if (!row || !may_see(caller, row->tenant)) co_return co_await respond_error(exchange, not_shown(row, "run"));
  if (auto told = co_await record_opening(caller, *row, R"({"what":"proof"})"); !told)
    co_return co_await respond_error(exchange, told.error());
  co_await respond_json(exchange, 200, to_text(json::object{{"run", id->to_string()}, {"recorded", true}}));
}

namespace {

/// Which runs were read, in the words of `policy diff`: a leaf takes no other. Errors: invalid_argument.
Result<RecordJson> traffic_summary(const json::value& body) {
  constexpr std::size_t kMaxMemberBytes = 200;
  constexpr std::string_view kTime = "0123456789-:.+TZ";
  constexpr std::string_view kFlow = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-/@.+";
  const auto refuse = [](RecordText name, std::string_view expected) {
    return fail(Errc::invalid_argument, fmt::format("`{}` is {}", name.text(), expected), std::string(name.text()));
  };
  RecordWriter summary;
  summary.begin_object();
  const auto add = [&](RecordText name, std::string_view made_of, std::string_view expected) -> Result<> {
    const auto* member = find_member(body, name.text());
    if (!member) return {};
    const std::string_view text = string_member(body, name.text());
    if (text.empty() || text.size() > kMaxMemberBytes || text.find_first_not_of(made_of) != std::string_view::npos)
      return refuse(name, expected);
    summary.member(name, RecordText::ours(text));
    return {};
  };
  if (const auto direction = string_member(body, "direction"); direction == "inbound" || direction == "outbound")
    summary.member("direction", RecordText::ours(direction));
  else if (find_member(body, "direction"))
    return refuse("direction", "inbound or outbound");
  SB_CHECK(add("flow", kFlow, "namespace/name, or its beginning"));
  if (const auto* limit = find_member(body, "limit")) {
    if (!limit->is_int64()) return refuse("limit", "a number");
    summary.member("limit", limit->get_int64());
  }
  SB_CHECK(add("since", kTime, "a time such as 2026-01-31T00:00:00Z"));
  SB_CHECK(add("until", kTime, "a time such as 2026-01-31T00:00:00Z"));
  return std::move(summary.member("what", "traffic").end_object()).take();
}

}  // namespace

// For `policy diff --data`, which reads many runs: one leaf that says which.
Task<void> Api::record_traffic_disclosure(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  const auto body = parse_json(exchange.request().body);
  if (!body || !body->is_object())
    co_return co_await respond_error(
        exchange, Error(Errc::invalid_argument,
                        R"(send {"what": "traffic", "tenant"?, "flow"?, "direction"?, "since"?, "until"?, "limit"?})"));
  if (auto known = only_members(*body, {"direction", "flow", "limit", "since", "tenant", "until", "what"}); !known)
    co_return co_await respond_error(exchange, known.error());
  const std::string tenant(string_member(*body, "tenant"));
  if (caller.role != Role::admin && caller.tenant != tenant)
    co_return co_await respond_error(
        exchange, Error(Errc::permission_denied, "name your own tenant; all others' runs are for admins", "tenant"));
  const auto summary = traffic_summary(*body);
  if (!summary) co_return co_await respond_error(exchange, summary.error());
  store::Commit commit;
  store::LeafDraft leaf;
  leaf.kind = "record.opened";
  leaf.tenant = tenant;
  leaf.actor = parts_.pseudonyms.actor(actor_of(caller));
  leaf.summary = summary->text();
  leaf.time_us = parts_.clock.now_us();
  commit.leaves.push_back(std::move(leaf));
  if (auto written = co_await parts_.store.commit(std::move(commit)); !written)
    co_return co_await respond_error(exchange, written.error());
  co_await respond_json(exchange, 200, to_text(json::object{{"recorded", true}}));
}

// An application that asks after its own runs gets an answer; it opens nothing that it has not got. What was erased
// cannot be opened.
Task<Result<>> Api::record_opening(const Caller& caller, const store::RunRow& run, std::string summary) {
  if (run.erased || (caller.role == Role::client && caller.key_id == run.key)) co_return Result<>();
  Openings::Opening opening{run.tenant, run.id, parts_.pseudonyms.actor(actor_of(caller)), std::move(summary)};
  co_return co_await parts_.openings.record(std::move(opening));
}

Task<void> Api::answer_run(http::Exchange& exchange, store::RunRow row, bool restored) {
  std::shared_ptr<flow::LiveRun> opened_run;
  if (restored && !row.erased) {
    auto reopened = parts_.engine.reopen(row, true);
    if (!reopened) co_return co_await respond_error(exchange, reopened.error());
    opened_run = *std::move(reopened);
  }
  const auto shown = [&](const std::string& text) {
    if (!opened_run || text.empty()) return json_or_null(text);
    const std::string list = opened_run->guard.restore("[" + text + "]");  // a document is no bare value
    return json_or_null(std::string_view(list).substr(1, list.size() - 2));
  };
  auto steps = co_await parts_.store.load_steps(row.id);
  if (!steps) co_return co_await respond_error(exchange, steps.error());
  const auto notes = co_await parts_.store.notes(row.id);
  if (!notes) co_return co_await respond_error(exchange, notes.error());
  auto noted = parts_.engine.open_notes(row, *notes, opened_run ? &opened_run->guard : nullptr);
  if (!noted) co_return co_await respond_error(exchange, noted.error());
  if (auto opened = parts_.engine.unseal(row); !opened) co_return co_await respond_error(exchange, opened.error());
  if (auto opened = parts_.engine.unseal(row, *steps); !opened)
    co_return co_await respond_error(exchange, opened.error());
  json::object body = run_summary(row);
  // Steps as the store has them, and all of it for whoever only looks on: placeholders.
  body["input"] = shown(row.input);
  body["output"] = row.status == store::RunStatus::completed ? shown(row.output) : json::value(nullptr);
  body["error"] = shown(row.error);
  if (row.erased) body["erased"] = true;
  for (auto& [kind, all] : *noted) body[kind] = std::move(all);
  json::array tasks;
  std::ranges::stable_sort(*steps, {}, &store::StepRow::started_us);
  for (const auto& step : *steps) tasks.push_back(step_json(step));
  body["tasks"] = std::move(tasks);
  co_await respond_json(exchange, 200, to_text(body));
}

Task<Result<>> Api::start_run(flow::RunRequest wanted, std::shared_ptr<flow::Pending> pending) {
  const std::string tenant = wanted.tenant, key = wanted.idempotency_key;
  auto& engine = parts_.engine;
  if (!engine.takes(tenant, *wanted.flow)) {
    parts_.in_flight.leave(tenant, key, pending);
    co_return std::unexpected(flow::Engine::queue_full());
  }
  auto run = engine.is_long(wanted) ? co_await engine.prepare_long(std::move(wanted), pending, pending->run())
                                    : engine.prepare(std::move(wanted), pending, pending->run());
  co_return co_await start_prepared(std::move(run), tenant, key, std::move(pending));
}

Task<Result<>> Api::start_prepared(Result<std::shared_ptr<flow::LiveRun>> run, std::string tenant, std::string key,
                                   std::shared_ptr<flow::Pending> pending) {
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

Task<Result<Api::OneRun>> Api::run_of_key(const std::string& tenant, const Caller& caller, const std::string& key,
                                          const std::string& hash) {
  auto entry = parts_.in_flight.enter(tenant, key, RunId::generate(parts_.clock, parts_.entropy), hash);
  OneRun one{entry.pending->run(), false, entry.pending};
  if (key.empty()) co_return one;
  auto stored = co_await parts_.store.find_idempotent(tenant, key);
  if (entry.owner && (!stored || *stored)) parts_.in_flight.leave(tenant, key, entry.pending);
  if (!stored) co_return std::unexpected(stored.error());
  if (*stored) {
    SB_CO_CHECK(same_request(**stored, caller, hash));
    co_return OneRun{(*stored)->id, true, nullptr};
  }
  if (!entry.owner)  // not on disk yet: nothing to promise
    co_return fail(Errc::unavailable, "the first request with this Idempotency-Key is still being accepted; try again");
  co_return one;
}

flow::RunRequest Api::request_of(const http::Exchange& exchange, const Caller& caller, std::string key,
                                 std::string hash) const {
  flow::RunRequest wanted;
  wanted.tenant = caller.tenant;
  wanted.key = caller.key_id;
  wanted.idempotency_key = std::move(key);
  wanted.request_hash = std::move(hash);
  wanted.request_id = exchange.request().id;
  wanted.may_restore = allows(caller.role, Permission::restore);
  wanted.spender = caller.key;
  return wanted;
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
  auto key = request_key(exchange, caller);
  if (!key) co_return co_await respond_error(exchange, key.error());
  auto subject = subject_of(exchange.request());
  if (!subject) co_return co_await respond_error(exchange, subject.error());
  if (parts_.in_flight.size() >= parts_.in_flight_max) co_return co_await respond_error(exchange, at_limit());
  const std::string hash = key->empty() ? std::string() : request_hash(caller, (*flow)->id(), text);
  auto one = co_await run_of_key(caller.tenant, caller, *key, hash);
  if (!one) co_return co_await respond_error(exchange, one.error());
  const RunId id = one->id;
  if (!one->known) {
    auto wanted = request_of(exchange, caller, *key, hash);
    wanted.flow = *flow;
    wanted.input = text;
    wanted.profile = flow::profile_of(**flow);
    wanted.subject = *std::move(subject);
    if (auto started = co_await start_run(std::move(wanted), std::move(one->pending)); !started)
      co_return co_await respond_error(exchange, started.error());
  }
  if (bool_member(*body, "wait")) {
    if (auto pending = parts_.in_flight.find(id)) (void)co_await pending->wait(std::chrono::seconds(600));
    auto row = co_await parts_.store.load_run(id);
    if (!row) co_return co_await respond_error(exchange, row.error());
    co_return co_await answer_run(exchange, *std::move(row), allows(caller.role, Permission::restore));
  }
  co_await respond_json(exchange, 202, to_text(json::object{{"id", id.to_string()}}),
                        {{"location", "/api/v1/runs/" + id.to_string()}});
}

}  // namespace sb::api
