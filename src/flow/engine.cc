#include "flow/engine.h"

#include <fmt/format.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cstdlib>

#include "base/bytes.h"
#include "base/canonical_json.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/record_writer.h"
#include "keys/derived_keys.h"

namespace sb::flow {

Engine::Engine(asio::io_context& io, EngineParts parts, EngineOptions options)
    : io_(io), parts_(std::move(parts)), options_(std::move(options)), parking_(options_.timers_near) {}
Engine::~Engine() = default;

// A chat goes to what its caller named, a flow to whatever it names itself.
std::span<const std::string> Engine::reach_of(policy::JsonProfile profile, std::string_view model) const {
  return parts_.catalog.reach(profile == policy::JsonProfile::chat_request ? model : std::string_view());
}

// A run whose input nobody has looked at yet.
struct Engine::Opening {
  RunRequest request;
  std::shared_ptr<Pending> pending;
  RunId id;
  Micros started_us;
  std::string subject;
  Sealer::RunKey key;
  GuardSession guard;
};

Result<Engine::Opening> Engine::open(RunRequest request, std::shared_ptr<Pending> pending, RunId id) {
  const Micros now = parts_.clock.now_us();
  std::string subject = request.carried.subject.empty() ? parts_.pseudonyms.subject(request.tenant, request.subject)
                                                        : std::move(request.carried.subject);
  if (pending) pending->belongs_to(subject);  // an erasure knows of it before the store does
  SB_TRY(auto key, parts_.sealer.new_key(id, request.tenant));
  GuardSession guard(
      parts_.policy(),
      {request.tenant, request.key, request.flow->id(), request.requested_model,
       reach_of(request.profile, request.requested_model), request.may_restore && request.carried.may_restore},
      tenant_key(request.tenant), parts_.injection);
  guard.tie_hashes_to(key.key);
  if (!request.carried.values.empty()) {
    SB_TRY(request.input, policy::carry_into(guard.vault(), request.input, request.carried.values));
  }
  return Opening{std::move(request), std::move(pending), id, now, std::move(subject), std::move(key), std::move(guard)};
}

Result<GuardOutcome> Engine::inspect(Opening& opening) {
  return opening.guard.inspect(policy::Direction::inbound, std::move(opening.request.input), opening.request.profile);
}

Result<std::shared_ptr<LiveRun>> Engine::prepare(RunRequest request, std::shared_ptr<Pending> pending, RunId id) {
  SB_TRY(auto opening, open(std::move(request), std::move(pending), id));
  SB_TRY(auto inbound, inspect(opening));
  return begin(std::move(opening), std::move(inbound));
}

Task<Result<std::shared_ptr<LiveRun>>> Engine::prepare_long(RunRequest request, std::shared_ptr<Pending> pending,
                                                            RunId id) {
  SB_CO_TRY(auto opening, open(std::move(request), std::move(pending), id));
  auto work = [opening = std::move(opening)]() mutable {
    auto inbound = inspect(opening);
    return std::pair(std::move(opening), std::move(inbound));
  };
  auto [opened, inbound] = co_await workers_.run(std::move(work));
  if (!inbound) co_return std::unexpected(inbound.error());
  co_return begin(std::move(opened), *std::move(inbound));
}

std::shared_ptr<LiveRun> Engine::begin(Opening opening, GuardOutcome inbound) {
  auto& [request, pending, id, now, subject, key, guard] = opening;
  if (request.carried.local) guard.keep_local();

  store::RunRow row;
  row.id = id;
  row.tenant = std::move(request.tenant);
  row.key = std::move(request.key);
  row.flow = request.flow->id();
  row.flow_hash = request.flow->hash;
  row.status = store::RunStatus::running;
  row.epoch = LeaseEpoch{1};
  row.idempotency_key = std::move(request.idempotency_key);
  row.request_hash = std::move(request.request_hash);
  row.created_us = now;
  Machine machine(request.flow, {row.id.to_string(), now, parts_.secrets}, inbound.content);
  row.data_key = std::move(key.wrapped);
  row.subject = std::move(subject);
  auto run = std::make_shared<LiveRun>(std::move(row), std::move(machine), std::move(guard));
  run->data_key = std::move(key.key);
  run->input = inbound.content;
  run->profile = request.profile;
  run->pending = std::move(pending);
  run->durability = request.durability;
  run->stream = request.stream;
  run->include_usage = request.include_usage;
  run->finish_without_caller = !run->row.idempotency_key.empty();
  run->audience = request.audience;
  run->cancel = request.cancel;
  run->spender = request.spender;
  run->spend_limit_per_day = request.spend_limit_per_day;
  run->request_id = std::move(request.request_id);
  run->cache = request.cache;
  run->requested_model = std::move(request.requested_model);

  run->sealed_input = parts_.sealer.seal(run->data_key, run->row.id, place::kInput, run->input.text());
  run->actor = parts_.pseudonyms.actor(run->row.key);
  note_versions(*run);
  RecordWriter start;
  start.begin_object().member("flow", RecordText::configured(run->row.flow));
  start.member("flow_hash", RecordText::ours(std::string_view(run->row.flow_hash).substr(0, 16))).end_object();
  record_leaf(*run, "run.start", std::move(start).take(),
              Sealer::commitment(run->data_key, "input", run->sealed_input));
  store::StepRow step;
  step.name = "guard.inbound";
  step.ref = kInboundGuard;
  step.kind = "guard";
  step.started_us = now;
  step.ended_us = parts_.clock.now_us();
  record(*run, std::move(step), std::move(inbound.decision));
  refuse_inbound(*run, inbound.verdict, inbound.reasons());
  run->error_param = std::move(inbound.param);
  return run;
}

Task<Result<>> Engine::drive(std::shared_ptr<LiveRun> run) {
  ++runs_;
  auto recorded = co_await advance(*run);
  if (auto tell = std::exchange(run->on_commit, {})) tell(recorded);
  live_.erase(run->row.id);
  --runs_;
  parts_.in_flight.leave(run->row.tenant, run->row.idempotency_key, run->pending);
  if (!recorded && run->stored) take_up_later(*run, recorded.error().code);
  co_return recorded;
}

void Engine::refuse_inbound(LiveRun& run, policy::Verdict verdict, std::string_view reasons) {
  if (verdict == policy::Verdict::human) {
    run.row.route = "human";
    run.needs_person = true;
  }
  if (verdict == policy::Verdict::block) {
    run.problem =
        Problem{error_type("authorization"), 403, "Blocked by policy",
                fmt::format("the request contains what the policy blocks: {}", reasons), std::string(kInboundGuard)};
    run.error_code = Errc::policy_denied;
  }
}

// Services of the operator's own decide about what was guarded last.
Task<Engine::OutsideAnswer> Engine::ask_outside(LiveRun& run, policy::Direction direction) {
  auto due = run.guard.take_outside(direction);
  OutsideAnswer answer;
  if (due.checks.empty()) co_return answer;
  if (direction == policy::Direction::inbound) (void)co_await answer_waiter(run);
  store::StepRow step;
  step.name = "guard.outside";
  step.ref = direction == policy::Direction::inbound ? kInboundGuard : "/use/extensions/guard/after";
  step.kind = "guard";
  step.started_us = parts_.clock.now_us();
  std::vector<policy::CheckResult> results;
  for (const auto& check : due.checks) {
    if (parts_.outside)
      results.push_back(co_await parts_.outside->ask(check, direction, due.texts));
    else
      results.push_back({check.get(), 1, true, "no answer", {}});
  }
  step.ended_us = parts_.clock.now_us();
  RecordJson decision;
  answer.verdict = run.guard.conclude(direction, results, decision);
  for (const auto& result : results) {
    if (!result.objects) continue;
    answer.reasons += fmt::format("{}check {}: {}", answer.reasons.empty() ? "" : ", ", result.check->name,
                                  result.complaint.empty() ? result.label : result.complaint);
  }
  record(run, std::move(step), std::move(decision));
  co_return answer;
}

std::string Engine::tenant_key(std::string_view tenant) const {
  return parts_.tenant_keys.value_key(tenant);
}

policy::OpenedText Engine::reveal(std::string_view tenant, std::string_view text) const {
  return policy::open_values(parts_.tenant_keys.value_keys(tenant), text);
}

// What stands behind the tenant's placeholders in the request: other runs know it.
Task<Result<>> Engine::adopt_tenant_tokens(LiveRun& run) {
  for (const auto& token : run.guard.vault().take_foreign_tokens()) {
    SB_CO_TRY(const auto sealed,
              co_await store::read_patiently([&] { return parts_.store.find_token(run.row.tenant, token); }));
    if (!sealed) continue;
    SB_CO_TRY(auto value, parts_.sealer.open_token(run.row.tenant, token, *sealed));
    run.guard.vault().adopt({token, std::move(value)});
  }
  co_return Result<>();
}

Task<Result<>> Engine::advance(LiveRun& run) {
  SB_CO_CHECK(co_await adopt_tenant_tokens(run));
  if (!run.problem && !std::exchange(run.outside_asked, true)) {
    const auto outside = co_await ask_outside(run, policy::Direction::inbound);
    refuse_inbound(run, outside.verdict, outside.reasons);
  }
  while (!run.problem) {
    auto action = run.machine.next(parts_.clock.now_us());
    record_pure(run);
    if (run.problem) break;
    if (run.wish != LiveRun::Wish::none && !std::holds_alternative<Machine::Done>(action)) {
      if (run.wish == LiveRun::Wish::suspend) co_return co_await suspend(run);
      run.error_code = Errc::cancelled;
      run.problem = standard_problem("runtime", 499, "The run was cancelled", "", "/");
      break;
    }
    if (auto* done = std::get_if<Machine::Done>(&action)) {
      run.output = std::move(done->output);
      break;
    }
    if (auto* faulted = std::get_if<Machine::Faulted>(&action)) {
      run.problem = std::move(faulted->problem);
      break;
    }
    if (std::holds_alternative<Machine::Parked>(action)) {
      SB_CO_TRY(const bool at_rest, co_await park(run));
      if (at_rest) co_return Result<>();
      continue;
    }
    if (std::holds_alternative<Machine::Busy>(action)) {
      co_await next_result(run);
      if (run.unrecorded) co_return std::unexpected(*run.unrecorded);
      continue;
    }
    const auto& due = std::get<Machine::Call>(action);
    if (is_outside(*due.task)) {
      SB_CO_CHECK(co_await begin_effect(run, due));
      continue;
    }
    SB_CO_CHECK(co_await answer_waiter(run));
    store::StepRow step;
    step.name = due.task->name;
    step.ref = due.task->ref;
    step.kind = due.task->kind();
    step.attempt = due.attempt;
    step.started_us = parts_.clock.now_us();
    run.failure.reset();  // of a call that the flow has caught
    run.failed_call = {};
    auto result = co_await call(run, due);
    if (run.unrecorded) co_return std::unexpected(*run.unrecorded);
    step.ended_us = parts_.clock.now_us();
    step.cost = std::exchange(run.call_cost, 0);
    if (!result) {
      result = std::unexpected(treated(run, std::move(result.error())));
      step.error = to_text(result.error().to_json());
      record(run, std::move(step), std::exchange(run.failed_call, {}));
      if (run.streamed) {  // what the caller has begun to hear cannot become another answer
        run.problem = std::move(result.error());
        break;
      }
      run.machine.tick(parts_.clock.now_us());
      run.machine.fault(due.id, std::move(result.error()));
      continue;
    }
    record(run, std::move(step), std::move(result->decision));
    if (run.problem) break;
    if (result->parked) {
      // What other branches have sent out is on the record before anybody is asked; what comes of it may end the wait.
      while (!run.under_way.empty() && run.wish == LiveRun::Wish::none && run.machine.wants(due.id))
        co_await next_result(run);
      if (run.wish != LiveRun::Wish::none || !run.machine.wants(due.id)) {
        run.review_create.reset();  // nobody is asked
        continue;
      }
      run.row.state = run.machine.checkpoint();
      live_.erase(run.row.id);             // what is told from here on finds it at rest
      run.row.output = run.output.text();  // what the caller hears meanwhile, and hears again if it asks again
      co_return co_await commit(run, store::RunStatus::waiting, run.durability);
    }
    if (run.machine.due() != 0) run.machine.tick(parts_.clock.now_us());
    run.machine.complete(due.id, std::move(result->output));
  }
  co_return co_await finish(run);
}

Task<Result<>> Engine::finish(LiveRun& run) {
  live_.erase(run.row.id);  // nothing that it is told changes its end
  for (const auto& [id, source] : run.under_way) source->cancel();
  record_given(run);
  schedule_again(run);
  // A flow that went on, or answers otherwise after all: nobody else asked for that.
  auto& asked = run.model_call;
  if (!asked.answer || !run.output.same_as(*asked.answer)) asked.request_hash.reset();
  if (!run.problem) co_await guard_output(run);
  if (run.problem) run.problem = treated(run, *std::move(run.problem));
  const bool gone = run.problem && run.error_code == Errc::cancelled;
  const auto status = !run.problem ? store::RunStatus::completed
                      : gone       ? store::RunStatus::cancelled
                                   : store::RunStatus::faulted;
  run.row.state.clear();
  run.row.ended_us = parts_.clock.now_us();
  if (run.problem) {
    if (run.problem->instance.empty()) run.problem->instance = "/do";
    auto problem = run.problem->to_json();
    problem.get_object()["code"] = to_string(run.error_code);
    run.row.error = to_text(problem);
  } else {
    run.row.output = run.output.text();
    run.sealed_output = parts_.sealer.seal(run.data_key, run.row.id, place::kOutput, run.row.output);
  }
  RecordWriter end;
  end.begin_object().member("cost_micro", run.row.cost);
  end.member("error", run.problem ? RecordText::ours(to_string(run.error_code)) : "");
  end.member("model", RecordText::configured(run.row.model)).member("route", RecordText::configured(run.row.route));
  end.member("status", RecordText::ours(store::to_string(status)));
  record_leaf(
      run, "run.end", std::move(end.end_object()).take(),
      run.sealed_output.empty() ? std::string() : Sealer::commitment(run.data_key, "output", run.sealed_output));
  std::optional<AnswerCache::Claim> claim;
  claim_answer(run, claim);
  SB_CO_CHECK(co_await commit(run, status, run.durability));
  if (claim) remember_answer(run, *claim);
  ask_second_opinion(run);
  co_return Result<>();
}

Task<Result<>> Engine::accept(std::shared_ptr<LiveRun> run) {
  record_pure(*run);
  run->row.state = run->machine.checkpoint();
  co_return co_await commit(*run, store::RunStatus::running, run->durability);
}

void Engine::spawn(std::shared_ptr<LiveRun> run) {
  asio::co_spawn(
      io_,
      [](Engine& engine, std::shared_ptr<LiveRun> live) -> Task<void> {
        const auto id = live->row.id.to_string();
        if (auto driven = co_await engine.drive(std::move(live)); !driven) {
          log_error("run.not_recorded",
                    {{"run", id}, {"code", to_string(driven.error().code)}, {"detail", driven.error().detail}});
        }
      }(*this, std::move(run)),
      asio::detached);
}

Result<> Engine::unseal(store::RunRow& row) const {
  return parts_.sealer.unseal(row);
}

Result<> Engine::unseal(const store::RunRow& row, std::vector<store::StepRow>& steps) const {
  return parts_.sealer.unseal(row, steps);
}

Result<std::shared_ptr<LiveRun>> Engine::resume(store::RunRow row, std::shared_ptr<Pending> pending) {
  SB_CHECK(unseal(row));
  SB_TRY(auto flow, parts_.flows.find_id(row.flow));
  if (flow->hash != row.flow_hash) {
    return fail(Errc::corrupt, fmt::format("run {} was started with another text of {}", row.id.to_string(), row.flow));
  }
  const std::string row_input = row.input;
  const Data input = Data::from_text(row_input);
  const json::value state = parse_json(row.state, 80).value_or(nullptr);
  const std::string model(string_member(input.value(), "model"));
  const auto profile = bool_member(state, "chat") ? policy::JsonProfile::chat_request : policy::JsonProfile::any;
  GuardSession guard(
      parts_.policy(),
      {row.tenant, row.key, row.flow, model, reach_of(profile, model), bool_member(state, "restores", true)},
      tenant_key(row.tenant), parts_.injection);
  SB_CHECK(guard.load_vault(row.vault));
  SB_TRY(std::string data_key, parts_.sealer.key_of(row));
  guard.tie_hashes_to(data_key);
  RunDescriptor descriptor{row.id.to_string(), row.created_us, parts_.secrets};
  SB_TRY(auto machine, Machine::restore(flow, std::move(descriptor), input, row.state));
  row.epoch = LeaseEpoch{static_cast<std::uint64_t>(row.epoch) + 1};
  auto run = std::make_shared<LiveRun>(std::move(row), std::move(machine), std::move(guard));
  run->data_key = std::move(data_key);
  run->actor = parts_.pseudonyms.actor(run->row.key);
  note_versions(*run);
  run->input = input;
  run->profile = profile;
  run->pending = std::move(pending);
  run->stored = true;
  run->finish_without_caller = true;
  run->spender = KeyId::parse(run->row.key);
  // Checkpoints of before this was kept: by the route.
  run->needs_person = bool_member(state, "person", run->row.route == "human" && run->row.model.empty());
  // Steps so far have indices below this: a resumed run never reuses one.
  run->next_step = static_cast<std::uint32_t>(int_member(state, "steps", 0));
  run->state_hash = string_member(state, "hash");
  run->guard.read_request(row_input);
  if (bool_member(state, "local")) run->guard.keep_local();
  run->outside_asked = bool_member(state, "asked");
  std::vector<std::string> findings;
  if (const auto* types = find_member(state, "findings"); types && types->is_array()) {
    for (const auto& type : types->get_array()) {
      if (type.is_string()) findings.emplace_back(type.get_string());
    }
  }
  run->guard.set_inbound_types(std::move(findings));
  run->requested_model = std::string(string_member(run->input.value(), "model"));
  return run;
}

Result<std::shared_ptr<LiveRun>> Engine::reopen(store::RunRow row, bool may_restore) {
  SB_CHECK(unseal(row));
  SB_TRY(auto flow, parts_.flows.find_id(row.flow));
  GuardSession guard(parts_.policy(), {row.tenant, row.key, row.flow, {}, {}, may_restore}, {});
  SB_CHECK(guard.load_vault(row.vault));
  Machine machine(flow, {row.id.to_string(), row.created_us, {}}, Data());
  if (row.erased) return fail(Errc::not_found, fmt::format("the content of run {} was erased", row.id.to_string()));
  SB_TRY(std::string data_key, parts_.sealer.key_of(row));
  auto run = std::make_shared<LiveRun>(std::move(row), std::move(machine), std::move(guard));
  run->data_key = std::move(data_key);
  run->guard.read_request(run->row.input);  // an answer that was asked for as JSON is restored as JSON
  run->output = Data::from_text(run->row.output);
  if (!run->row.error.empty()) {
    const auto error = parse_json(run->row.error).value_or(nullptr);
    run->problem = Problem::from_json(error);
    run->error_code = errc_of(string_member(error, "code"));
  }
  return run;
}

Task<std::vector<std::string>> Engine::stored_events(const LiveRun& run) {
  std::vector<std::string> events;
  auto chunks = co_await parts_.store.load_chunks(run.row.id, 0);
  if (!chunks) co_return events;
  const auto restorer = run.guard.stream_restorer();
  for (const auto& chunk : *chunks) {
    auto opened = Sealer::open(run.data_key, run.row.id, place::chunk(chunk.first_event), chunk.data);
    // A second attempt after a crash was not streamed: what the first one journaled is not the answer.
    if (!opened || chunk.first_event != events.size()) co_return std::vector<std::string>();
    for (const auto line : split(*opened, '\n'))
      events.push_back(restorer ? restorer->restore(line) : std::string(line));
  }
  if (events.empty() || events.back() != kStreamEnd) co_return std::vector<std::string>();
  events.pop_back();
  co_return events;
}

json::value Engine::open_question(const store::ReviewRow& review, const store::RunRow& run) const {
  const auto key = parts_.sealer.key_of(run);
  if (!key) return nullptr;
  return parse_json(Sealer::open(*key, review.run, place::question(review.id), review.question).value_or("null"))
      .value_or(nullptr);
}

void Engine::record_leaf(LiveRun& run, std::string kind, RecordJson summary, std::string payload_commit) {
  store::LeafDraft leaf;
  leaf.kind = std::move(kind);
  leaf.tenant = run.row.tenant;
  leaf.run = run.row.id;
  leaf.actor = run.actor;
  leaf.summary = std::move(summary).text();
  leaf.payload_commit = std::move(payload_commit);
  const bool by_model = run.row.model != "human" && !run.row.model.starts_with("script/");
  leaf.versions = versions_of(run, by_model ? std::string_view(run.row.model) : std::string_view());
  leaf.time_us = parts_.clock.now_us();
  chain(run, leaf);
  run.leaves.push_back(std::move(leaf));
}

// What a leaf says goes into the next one's prev_state: a run's leaves are a chain of their own, whatever lies between
// them in the log.
void Engine::chain(LiveRun& run, store::LeafDraft& leaf) const {
  std::string summary;  // as the log will have it, whatever order it was written in
  if (append_canonical_text(summary, leaf.summary)) leaf.summary = std::move(summary);
  std::string text = run.state_hash;
  for (const std::string* part : {&leaf.kind, &leaf.summary, &leaf.payload_commit}) (text += '\n') += *part;
  leaf.prev_state = std::exchange(run.state_hash, to_hex(sha256(text)));
}

void Engine::note_versions(LiveRun& run) const {
  if (const auto router = parts_.router()) run.triage = router->version();
}

std::string Engine::versions_of(const LiveRun& run, std::string_view model) {
  RecordWriter versions(160);
  versions.begin_object().member("flow", RecordText::configured(run.row.flow));
  if (!model.empty()) versions.member("model", RecordText::configured(model));
  versions.member("policy", RecordText::ours(run.guard.policy_version()));
  if (!run.triage.empty()) versions.member("triage", RecordText::ours(run.triage));
  return std::move(versions.end_object()).take().text();
}

namespace {

RecordJson summary_of(const store::StepRow& step, const RecordJson& decision) {
  RecordWriter summary(96 + decision.text().size());
  summary.begin_object();
  if (step.cost != 0) summary.member("cost_micro", step.cost);
  if (!decision.empty()) summary.member("decision", decision);
  if (!step.error.empty()) summary.member("failed", true);
  summary.member("kind", RecordText::ours(step.kind)).member("task", RecordText::configured(step.name)).end_object();
  return std::move(summary).take();
}

}  // namespace

void Engine::record(LiveRun& run, store::StepRow step, RecordJson decision) {
  step.index = StepIndex{run.next_step++};
  run.row.cost += step.cost;
  run.spend += step.cost;
  store::LeafDraft leaf;
  leaf.kind = "step";
  leaf.tenant = run.row.tenant;
  leaf.run = run.row.id;
  leaf.step = step.index;
  leaf.attempt = step.attempt;
  leaf.actor = run.actor;
  const bool by_model = (step.kind == "chat" || step.kind == "embed") && step.error.empty();
  leaf.versions = versions_of(run, by_model ? std::string_view(run.row.model) : std::string_view());
  leaf.summary = summary_of(step, decision).text();
  if (leaf.summary.size() > store::kMaxSummaryBytes) {
    make_recordable(run, step, decision);
    leaf.summary = summary_of(step, decision).text();
  }
  step.decision = std::move(decision).text();
  leaf.time_us = step.ended_us;
  chain(run, leaf);
  run.leaves.push_back(std::move(leaf));
  run.steps.push_back(std::move(step));
}

// A leaf that the log does not take would keep the run from its end for ever: the run fails, and says by what.
void Engine::make_recordable(LiveRun& run, store::StepRow& step, RecordJson& decision) {
  constexpr std::size_t kNameBytes = 256;
  while (step.name.size() > kNameBytes || !is_valid_utf8(step.name))
    step.name.resize(std::min(kNameBytes, step.name.size() - 1));
  decision = std::move(RecordWriter(32).begin_object().member("omitted", true).end_object()).take();
  run.review_create.reset();
  run.review.reset();
  if (run.problem) return;
  run.problem =
      standard_problem("runtime", 500, "The step could not be recorded",
                       fmt::format("what it decided, with its name, is longer than the {} bytes that a leaf of "
                                   "the record holds",
                                   store::kMaxSummaryBytes),
                       step.ref);
  run.error_code = Errc::too_large;
}

void Engine::record_pure(LiveRun& run) {
  for (const auto& pure : run.machine.take_pure_steps()) {
    store::StepRow step;
    step.name = pure.task->name;
    step.ref = pure.task->ref;
    step.kind = pure.task->kind();
    step.ended_us = parts_.clock.now_us();
    step.started_us = pure.started_us > 1 ? pure.started_us : step.ended_us;
    step.attempt = pure.attempt;
    RecordJson decision;
    if (!pure.chosen.empty()) {
      RecordWriter chosen(64);
      chosen.begin_object().member("chosen", RecordText::configured(pure.chosen)).member("kind", "switch").end_object();
      decision = std::move(chosen).take();
    }
    record(run, std::move(step), std::move(decision));
  }
}

namespace {

/// For the crash tests: the process dies right after the commit of that number, as if the power went.
void die_if_asked() {
  static const char* const text = std::getenv("SIGNALBOX_TEST_DIE_AFTER_COMMIT");
  if (!text) return;
  static std::atomic<long> left{std::atol(text)};
  if (--left == 0) ::kill(::getpid(), SIGKILL);
}

}  // namespace

Task<Result<>> Engine::commit(LiveRun& run, store::RunStatus status, store::Durability durability) {
  if (run.unrecorded) co_return std::unexpected(*run.unrecorded);
  run.row.status = status;
  run.row.updated_us = parts_.clock.now_us();
  store::Commit commit;
  commit.durability = durability;
  commit.run = run.row.id;
  auto& row = run.stored ? commit.update.emplace(run.row) : commit.create.emplace(run.row);
  if (!row.state.empty()) {
    // The checkpoint also says how many steps there are, so that a resumed run numbers on, and what the guard found and
    // who may see it, so that it is treated as it would have been.
    json::array findings;
    for (const auto type : run.guard.given_types()) findings.push_back(json::string(type));
    row.state.insert(
        1, fmt::format("\"steps\":{},\"hash\":\"{}\",\"findings\":{},\"asked\":{},\"local\":{},"
                       "\"restores\":{},\"chat\":{},\"person\":{},",
                       run.next_step, run.state_hash, to_text(findings), run.outside_asked, run.guard.needs_local(),
                       run.guard.may_restore(), run.profile == policy::JsonProfile::chat_request, run.needs_person));
  }
  row.input.clear();
  row.vault = run.guard.vault_json();
  const std::string& key = run.data_key;
  row.state = parts_.sealer.seal(key, row.id, place::kState, row.state);
  row.vault = parts_.sealer.seal(key, row.id, place::kVault, row.vault);
  row.error = parts_.sealer.seal_error(key, row.id, place::kError, row.error);
  row.output =
      run.sealed_output.empty() ? parts_.sealer.seal(key, row.id, place::kOutput, row.output) : run.sealed_output;
  if (!run.stored) {
    row.input = std::exchange(run.sealed_input, {});
    SB_CO_CHECK(parts_.sealer.renew(row, key));
  }
  for (const auto& entry : run.guard.vault().take_new_tenant_entries()) {
    SB_CO_TRY(auto sealed, parts_.sealer.seal_token(row.tenant, entry.token, entry.value));
    commit.tokens.push_back({row.tenant, entry.token, row.subject, std::move(sealed)});
  }
  commit.wake = std::exchange(run.wake, {});
  commit.steps = std::exchange(run.steps, {});
  for (auto& step : commit.steps) {
    if (!step.error.empty()) step.error = parts_.sealer.seal_error(key, row.id, place::step_error(step), step.error);
  }
  commit.leaves = std::exchange(run.leaves, {});
  commit.chunks = std::exchange(run.chunks, {});
  commit.review_create = std::exchange(run.review_create, {});
  commit.review_change = std::exchange(run.review_change, {});
  if (run.spend != 0 && !run.row.key.empty()) {
    commit.spend_key = run.row.key;
    commit.spend = std::exchange(run.spend, 0);
    commit.spend_at_us = run.row.updated_us;
  }
  // A commit that comes before this one's answer, with an event, changes a run that is there.
  const bool was_stored = std::exchange(run.stored, true);
  auto written = co_await parts_.store.commit(std::move(commit));
  if (!written) {
    run.stored = was_stored;
    run.unrecorded = written.error();
  }
  die_if_asked();
  if (auto tell = std::exchange(run.on_commit, {})) tell(written);
  co_return written;
}

}  // namespace sb::flow
