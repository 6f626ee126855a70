// What reaches outside the engine: HTTP and what is built on it, events, processes, child runs. Each goes through the
// policy on its way out and back.
#include <fmt/format.h>

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/log.h"
#include "flow/engine.h"
#include "flow/grpc/call.h"
#include "flow/outbound/request_texts.h"
#include "flow/steps.h"

namespace sb::flow {
namespace {

std::string text_member(const json::value& with, std::string_view key, std::string_view otherwise = {}) {
  return std::string(string_member(with, key, otherwise));
}

/// Counted as long as the run waits for it.
class AwaitedChild {
 public:
  explicit AwaitedChild(LiveRun& run) : run_(run) { ++run_.children_awaited; }
  ~AwaitedChild() { --run_.children_awaited; }
  AwaitedChild(const AwaitedChild&) = delete;
  AwaitedChild& operator=(const AwaitedChild&) = delete;

 private:
  LiveRun& run_;
};

// Where there is no room for what an effect leaves in the store, the run does not fail: it goes on from its last commit
// as soon as there is room, and asks again.
void park_without_room(LiveRun& run, const Error& error) {
  if (error.code == Errc::disk_full && !run.unrecorded) run.unrecorded = error;
}

}  // namespace

bool Engine::is_outside(const TaskNode& task) {
  const auto* call = std::get_if<CallTask>(&task.body);
  return !call || call->kind != CallKind::builtin;
}

Task<std::expected<Engine::CallResult, Problem>> Engine::effect(LiveRun& run, Machine::Call call,
                                                                CancelSource& cancel) {
  if (std::holds_alternative<EmitTask>(call.task->body)) co_return co_await emit(run, std::move(call));
  if (const auto* made = std::get_if<RunTask>(&call.task->body)) {
    if (made->kind == RunTask::Kind::workflow) co_return co_await child_run(run, std::move(call));
    if (made->kind == RunTask::Kind::container) co_return co_await container(run, std::move(call), cancel);
    co_return co_await process(run, std::move(call), cancel);
  }
  if (!parts_.outbound)
    co_return std::unexpected(
        standard_problem("configuration", 500, "Flows may not call out", "no host is configured"));
  switch (std::get<CallTask>(call.task->body).kind) {
    case CallKind::http:
      co_return co_await http_call(run, std::move(call), cancel);
    case CallKind::openapi:
      co_return co_await openapi_call(run, std::move(call), cancel);
    case CallKind::grpc:
      co_return co_await grpc_call(run, std::move(call), cancel);
    case CallKind::asyncapi:
      co_return co_await asyncapi_call(run, std::move(call), cancel);
    default:
      co_return co_await rpc_call(run, std::move(call), cancel);
  }
}

json::object Engine::secrets_of(const LiveRun& run) const {
  json::object allowed;
  for (const auto& name : run.machine.flow().secrets) {
    if (const auto* found = parts_.secrets ? parts_.secrets->if_contains(name) : nullptr) allowed[name] = *found;
  }
  return allowed;
}

// The guard takes objects and lists: a value alone is a list of one to it.
Result<GuardOutcome> Engine::guard_json(LiveRun& run, std::string document, policy::Direction direction,
                                        const RecordJson& given) {
  const bool alone = document.empty() || (document.front() != '{' && document.front() != '[');
  if (alone) document = "[" + document + "]";
  const bool inbound = direction == policy::Direction::inbound;
  SB_TRY(auto passed, inbound ? run.guard.treat(direction, std::move(document))
                              : run.guard.inspect(direction, std::move(document), policy::JsonProfile::any, given));
  if (alone) {
    json::value only = passed.content.value().get_array().front();
    passed.content = Data(std::move(only));
  }
  if (inbound) return passed;
  run.passed = passed.content;
  run.passed_as_answer = false;
  return passed;
}

// What leaves for a service passes the policy like what leaves for a model: path, query, headers and body.
Result<> Engine::guard_question(LiveRun& run, HttpQuestion& question) {
  if (run.guard.needs_local())
    return fail(Errc::policy_denied,
                "the policy lets models of our own alone see what this run was given: it calls no service");
  const auto refusal = [](const GuardOutcome& outcome) {
    return fail(Errc::policy_denied,
                fmt::format("the request contains what the policy blocks: {}", fmt::join(outcome.types, ", ")));
  };
  if (const auto open = parts_.outbound->open_host_part(question.url); !open.empty()) {
    SB_TRY(const auto host, guard_json(run, to_text(json::value(open))));
    if (host.verdict >= policy::Verdict::changed) return refusal(host);  // another host is another service
  }
  query_into_url(question);
  const RequestTexts texts(question, secrets_of(run));
  SB_TRY(const auto beside, run.guard.inspect(policy::Direction::outbound, texts.document(), policy::JsonProfile::any));
  if (beside.verdict >= policy::Verdict::human) return refusal(beside);
  if (beside.verdict == policy::Verdict::changed) texts.put_back(beside.content.value(), question);
  if (!question.body) return {};
  const bool is_json = parse_json(*question.body).has_value();
  std::string document = *question.body;
  if (!is_json) {
    document.clear();
    append_json_string(document, *question.body);
  }
  SB_TRY(auto passed, guard_json(run, std::move(document)));
  if (passed.verdict >= policy::Verdict::human) return refusal(passed);
  question.body = is_json ? passed.content.text() : std::string(passed.content.value().get_string());
  return {};
}

Result<GivenValues> Engine::guard_and_give(LiveRun& run, std::uint32_t effect, HttpQuestion& question) {
  SB_CHECK(guard_question(run, question));
  TrustedHost to = parts_.outbound->trusted(question.url);
  to.types = run.guard.may_give(std::move(to.types));
  SB_TRY(auto given, GivenValues::give(question, secrets_of(run), run.guard.vault(), std::move(to)));
  if (!given.empty()) run.given[effect] = given.record();
  return given;
}

// Of a service that was given values the reply is what somebody sends us, too: they may be in it again.
Result<GuardOutcome> Engine::guard_reply(LiveRun& run, std::string told, const GivenValues& given) {
  if (!given.empty()) {
    SB_TRY(auto came, guard_json(run, std::move(told), policy::Direction::inbound));
    if (came.verdict >= policy::Verdict::human) return came;
    told = came.content.text();
  }
  return guard_json(run, std::move(told), policy::Direction::outbound, given.record());
}

std::expected<Engine::CallResult, Problem> Engine::guarded(LiveRun& run, HttpAnswer answer, std::string_view as,
                                                           const GivenValues& given) {
  CallResult result;
  given.take_back(answer);
  const bool is_raw_text = as == "raw" && is_valid_utf8(answer.body);  // looked at before it is coded
  auto passed =
      guard_reply(run, to_text(is_raw_text ? json::value(json::string(answer.body)) : answer.output(as)), given);
  if (!passed)
    return std::unexpected(
        standard_problem("communication", 502, "The answer could not be guarded", passed.error().detail));
  if (passed->verdict >= policy::Verdict::human)
    return std::unexpected(standard_problem(
        "authorization", 403, "Blocked by policy",
        fmt::format("the answer contains what the policy blocks: {}", fmt::join(passed->types, ", "))));
  result.output = std::move(passed->content);
  if (const auto* text = result.output.value().if_string(); is_raw_text && text)
    result.output = run.passed = Data(json::string(to_base64(*text)));
  result.decision = std::move(passed->decision);
  result.authorization = std::move(answer.authorization);
  return result;
}

Task<std::expected<Engine::CallResult, Problem>> Engine::http_call(LiveRun& run, Machine::Call call,
                                                                   CancelSource& cancel) {
  HttpQuestion question;
  question.method = text_member(call.with, "method", "GET");
  if (const auto* endpoint = find_member(call.with, "endpoint")) read_endpoint(*endpoint, question);
  if (const auto* query = find_member(call.with, "query")) question.query = *query;
  if (const auto* headers = find_member(call.with, "headers")) question.headers = *headers;
  if (const auto* body = find_member(call.with, "body"); body && !body->is_null())
    question.body = body->is_string() ? std::string(body->get_string()) : to_text(*body);
  question.redirect_is_fine = bool_member(call.with, "redirect");
  question.idempotency_key = effect_key(run.row.id, call.id);
  question.cancel = &cancel;
  const auto given = guard_and_give(run, call.id, question);
  if (!given)
    co_return std::unexpected(standard_problem("authorization", 403, "Blocked by policy", given.error().detail));
  auto answer = co_await parts_.outbound->ask(std::move(question), secrets_of(run));
  if (!answer) co_return std::unexpected(answer.error());
  co_return guarded(run, *std::move(answer), string_member(call.with, "output", "content"), *given);
}

// Policies read the arguments and the answer as JSON; what goes over the wire is made of what they leave.
Task<std::expected<Engine::CallResult, Problem>> Engine::grpc_call(LiveRun& run, Machine::Call call,
                                                                   CancelSource& cancel) {
  const auto method = std::get<CallTask>(call.task->body).method;
  if (!method) co_return std::unexpected(standard_problem("configuration", 500, "The flow was never registered"));
  auto question = grpc::question(call.with, *method);
  if (!question) co_return std::unexpected(question.error());
  question->idempotency_key = effect_key(run.row.id, call.id);
  question->cancel = &cancel;
  const auto given = guard_and_give(run, call.id, *question);
  if (!given)
    co_return std::unexpected(standard_problem("authorization", 403, "Blocked by policy", given.error().detail));
  if (auto put = grpc::put_message(*question, *method); !put) co_return std::unexpected(put.error());
  auto answer = co_await parts_.outbound->ask(*std::move(question), secrets_of(run));
  if (!answer) co_return std::unexpected(answer.error());
  auto told = grpc::answer_of(*answer, *method);
  if (!told) co_return std::unexpected(told.error());
  answer->headers["content-type"] = "application/json";
  answer->body = *std::move(told);
  co_return guarded(run, *std::move(answer), "content", *given);
}

// JSON-RPC 2.0 over HTTP: A2A as it is; MCP's streamable HTTP without a session (initialize is the server's wish, not a
// must, since 2025-06-18 for stateless servers).
Task<std::expected<Engine::CallResult, Problem>> Engine::rpc_call(LiveRun& run, Machine::Call call,
                                                                  CancelSource& cancel) {
  const bool mcp = std::get<CallTask>(call.task->body).kind == CallKind::mcp;
  const auto* transport = mcp ? find_member(call.with, "transport") : nullptr;
  const auto* http = transport ? find_member(*transport, "http") : nullptr;
  const auto* endpoint = mcp ? (http ? find_member(*http, "endpoint") : nullptr) : find_member(call.with, "server");
  HttpQuestion question;
  if (endpoint) read_endpoint(*endpoint, question);
  json::object headers;
  if (const auto* more = http ? find_member(*http, "headers") : nullptr; more && more->is_object())
    headers = more->get_object();
  headers["accept"] = "application/json, text/event-stream";
  if (mcp) headers["mcp-protocol-version"] = text_member(call.with, "protocolVersion", "2025-06-18");
  question.headers = std::move(headers);
  question.method = "POST";
  json::object request{{"jsonrpc", "2.0"}, {"id", call.id}, {"method", text_member(call.with, "method")}};
  if (const auto* parameters = find_member(call.with, "parameters")) request["params"] = *parameters;
  question.body = to_text(request);
  question.idempotency_key = effect_key(run.row.id, call.id);
  question.cancel = &cancel;
  const auto given = guard_and_give(run, call.id, question);
  if (!given)
    co_return std::unexpected(standard_problem("authorization", 403, "Blocked by policy", given.error().detail));
  auto answer = co_await parts_.outbound->ask(std::move(question), secrets_of(run));
  if (!answer) co_return std::unexpected(answer.error());
  json::value reply = parse_json(answer->body).value_or(nullptr);
  for (const auto line : split(answer->body, '\n')) {  // one event of a stream
    if (reply.is_null() && line.starts_with("data:")) reply = parse_json(trim(line.substr(5))).value_or(nullptr);
  }
  if (const auto* error = find_member(reply, "error"))
    co_return std::unexpected(standard_problem("communication", 500, "The server refused the request",
                                               fmt::format("JSON-RPC error {}", int_member(*error, "code"))));
  const auto* result = find_member(reply, "result");
  if (!result) co_return std::unexpected(standard_problem("communication", 502, "The answer is no JSON-RPC 2.0"));
  answer->headers["content-type"] = "application/json";
  answer->body = to_text(*result);
  co_return guarded(run, *std::move(answer), "content", *given);
}

Task<std::expected<Engine::CallResult, Problem>> Engine::emit(LiveRun& run, Machine::Call call) {
  json::object event = call.with.is_object() ? call.with.get_object() : json::object();
  // The same event however often it is sent: its id comes of the run and the effect.
  const std::string id = effect_key(run.row.id, call.id);
  event.emplace("id", id);
  event.emplace("specversion", "1.0");
  event.emplace("source", fmt::format("/flows/{}/{}", run.machine.flow().ns, run.machine.flow().name));
  event.emplace("time", rfc3339(parts_.clock.now_us()));
  if (event.contains("data")) event.emplace("datacontenttype", "application/json");
  if (auto valid = check_cloud_event(event); !valid)
    co_return std::unexpected(standard_problem("validation", 400, "The event is not valid", valid.error().detail));
  auto passed = guard_json(run, to_text(event));
  if (!passed || passed->verdict >= policy::Verdict::human)
    co_return std::unexpected(
        standard_problem("authorization", 403, "Blocked by policy", "the event contains what the policy blocks"));
  CallResult result;
  result.output = passed->content;
  result.decision = std::move(passed->decision);
  if (auto published = co_await publish(run, call.id, result.output); !published)
    co_return std::unexpected(std::move(published.error()));
  co_return result;
}

Task<std::expected<void, Problem>> Engine::publish(LiveRun& run, std::uint32_t effect, const Data& event) {
  constexpr std::chrono::milliseconds kDeliverAgain{250};
  const bool leaves = parts_.events_out && parts_.events_out->wants(string_member(event.value(), "type"));
  if (leaves && run.guard.needs_local())
    co_return std::unexpected(
        standard_problem("authorization", 403, "Blocked by policy",
                         "the policy lets models of our own alone see what this run was given: its event stays here"));
  if (parts_.events) {
    auto carried = carried_with(run, event.text());
    if (!carried)
      co_return std::unexpected(
          standard_problem("validation", 400, "The event could not be read", carried.error().detail));
    const auto deliver = [&] { return parts_.events->publish(event.value(), run.row.tenant, Carried(*carried)); };
    auto receipt = co_await deliver();
    // It may be on its way still from an earlier life of this run, or who listens for it is at work: both pass.
    while (!receipt && receipt.error().code == Errc::unavailable && run.machine.wants(effect)) {
      asio::steady_timer pause(io_, kDeliverAgain);
      co_await pause.async_wait(use_task);
      receipt = co_await deliver();
    }
    if (!receipt) {
      park_without_room(run, receipt.error());
      co_return std::unexpected(
          standard_problem("communication", 503, "The event could not be delivered", receipt.error().detail));
    }
  }
  if (!leaves) co_return std::expected<void, Problem>();
  if (auto written = co_await parts_.events_out->write(event.value()); !written)
    co_return std::unexpected(
        standard_problem("communication", 503, "The event could not be written", written.error().detail));
  co_return std::expected<void, Problem>();
}

Result<Carried> Engine::carried_with(LiveRun& run, std::string_view text) {
  Carried carried;
  SB_TRY(carried.values, policy::carried_values(run.guard.vault(), text));
  carried.subject = run.row.subject;
  carried.local = run.guard.needs_local();
  carried.may_restore = run.guard.may_restore();
  carried.observes = run.observes;
  return carried;
}

Result<GuardOutcome> Engine::told_by_child(LiveRun& run, const store::RunRow& child, std::string_view text) {
  policy::TokenVault vault;
  if (!child.vault.empty()) {
    SB_TRY(const auto document, parse_json(child.vault));
    SB_TRY(vault, policy::TokenVault::from_json(document));
  }
  SB_TRY(const auto values, policy::carried_values(vault, text));
  SB_TRY(auto ours, policy::carry_into(run.guard.vault(), text, values));
  return guard_json(run, std::move(ours));
}

Task<std::expected<Engine::CallResult, Problem>> Engine::child_run(LiveRun& run, Machine::Call call) {
  const auto& task = std::get<RunTask>(call.task->body);
  std::string version = text_member(call.with, "version");
  if (version == "latest") version.clear();
  auto flow = parts_.flows.find(text_member(call.with, "namespace"), text_member(call.with, "name"), version);
  if (!flow)
    co_return std::unexpected(standard_problem("configuration", 404, "There is no such flow", flow.error().detail));
  const auto* input = find_member(call.with, "input");
  std::string text = input ? to_text(*input) : "{}";
  auto carried = carried_with(run, text);
  if (!carried)
    co_return std::unexpected(
        standard_problem("validation", 400, "The input could not be read", carried.error().detail));
  auto started =
      co_await launch(*flow, run.row.tenant, run.row.key, std::move(text),
                      fmt::format("child:{}", effect_key(run.row.id, call.id)), *std::move(carried), task.await);
  if (!started) {
    park_without_room(run, started.error());
    co_return std::unexpected(
        standard_problem("runtime", 500, "The flow could not be started", started.error().detail));
  }
  CallResult result;
  result.output = call.input;
  RecordWriter decision;
  decision.begin_object().member("chosen", RecordText::ours(started->to_string())).member("kind", "run").end_object();
  result.decision = std::move(decision).take();
  if (!task.await) co_return result;
  constexpr std::chrono::seconds kStillWanted{60};
  const AwaitedChild counted(run);
  lend_place(run);
  give_slot(run);
  while (run.machine.wants(call.id)) {
    const auto left = parts_.in_flight.watch(*started);
    auto row = co_await store::read_patiently([&] { return parts_.store.load_run(*started); });
    if (!row) co_return std::unexpected(standard_problem("runtime", 500, "The flow's run is gone", row.error().detail));
    if (!store::is_final(row->status)) {
      (void)co_await left->wait(kStillWanted);
      continue;
    }
    if (auto opened = unseal(*row); !opened)
      co_return std::unexpected(
          standard_problem("runtime", 500, "The flow's run cannot be read", opened.error().detail));
    const bool completed = row->status == store::RunStatus::completed;
    if (completed && task.what == RunTask::Return::none) {
      result.output = Data();
      co_return result;
    }
    auto told = told_by_child(run, *row, completed ? row->output : row->error);
    if (!told)
      co_return std::unexpected(standard_problem("runtime", 500, "The flow's run cannot be read", told.error().detail));
    if (told->verdict >= policy::Verdict::human)
      co_return std::unexpected(standard_problem(
          "authorization", 403, "Blocked by policy",
          fmt::format("the flow's run says what the policy blocks: {}", fmt::join(told->types, ", "))));
    if (completed) {
      result.output = std::move(told->content);
      co_return result;
    }
    auto problem = Problem::from_json(told->content.value());
    problem.instance = call.task->ref;
    co_return std::unexpected(std::move(problem));
  }
  co_return result;
}

}  // namespace sb::flow
