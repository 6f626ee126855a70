// How a run comes into memory: a new one, its input guarded first, or one that goes on from its last commit.
#include <fmt/format.h>

#include "base/json.h"
#include "base/record_writer.h"
#include "flow/engine.h"
#include "flow/steps.h"
#include "policy/carried.h"

namespace sb::flow {

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
  std::unique_ptr<triage::Membership> trials;
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
  auto trials = parts_.trials ? trials_of(request, subject, id) : nullptr;
  if (!request.carried.values.empty()) {
    SB_TRY(request.input, policy::carry_into(guard.vault(), request.input, request.carried.values));
  }
  return Opening{std::move(request), std::move(pending), id, now, std::move(subject), std::move(key),
                 std::move(guard),   std::move(trials)};
}

// Beside a policy's own patterns our detectors are cheap.
bool Engine::is_long(const RunRequest& request) const {
  if (request.input.size() <= kLongInput / (1 + policy::kMaxPatternCost / kOwnCost)) return false;
  const std::size_t cost = parts_.policy()->scanner(policy::Direction::inbound).cost();
  return request.input.size() * (kOwnCost + cost) > kLongInput * kOwnCost;
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
  auto& [request, pending, id, now, subject, key, guard, trials] = opening;
  if (request.carried.local) guard.keep_local();

  Machine machine(request.flow, {id.to_string(), now, parts_.secrets}, inbound.content);
  auto row = new_row(request, id, now, std::move(subject), std::move(key.wrapped));
  auto run = std::make_shared<LiveRun>(std::move(row), std::move(machine), std::move(guard));
  run->data_key = std::move(key.key);
  run->input = inbound.content;
  run->trials = std::move(trials);
  run->observes = request.carried.observes;
  take_wishes(*run, request, std::move(pending));
  begin_record(*run);
  auto step = guard_step("guard.inbound", policy::Direction::inbound, now);
  step.ended_us = parts_.clock.now_us();
  record(*run, std::move(step), std::move(inbound.decision));
  refuse_inbound(*run, inbound.verdict, inbound.reasons());
  run->error_param = std::move(inbound.param);
  keep_checkpoint(*run);
  return run;
}

store::RunRow Engine::new_row(RunRequest& request, RunId id, Micros now, std::string subject, std::string wrapped_key) {
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
  row.data_key = std::move(wrapped_key);
  row.subject = std::move(subject);
  return row;
}

void Engine::take_wishes(LiveRun& run, RunRequest& request, std::shared_ptr<Pending> pending) {
  run.profile = request.profile;
  run.pending = std::move(pending);
  run.durability = durability_of(*request.flow, request.durability);
  run.stream = request.stream;
  run.include_usage = request.include_usage;
  run.finish_without_caller = !run.row.idempotency_key.empty();
  run.audience = request.audience;
  run.cancel = request.cancel;
  run.spender = request.spender;
  run.request_id = std::move(request.request_id);
  run.cache = request.cache;
  run.requested_model = std::move(request.requested_model);
}

void Engine::begin_record(LiveRun& run) {
  observe(run);
  mark(run, {Lifecycle::started});
  run.sealed_input = parts_.sealer.seal(run.data_key, run.row.id, place::kInput, run.input.text());
  run.actor = parts_.pseudonyms.actor(run.row.key);
  note_versions(run);
  RecordWriter start;
  start.begin_object().member("flow", RecordText::configured(run.row.flow));
  start.member("flow_hash", RecordText::ours(std::string_view(run.row.flow_hash).substr(0, 16))).end_object();
  record_leaf(run, "run.start", std::move(start).take(), Sealer::commitment(run.data_key, "input", run.sealed_input));
}

Durability Engine::durability_of(const Flow& flow, Durability wanted) const {
  return options_.always_sync ? Durability::sync : flow.durability.value_or(wanted);
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

std::string Engine::tenant_key(std::string_view tenant) const {
  return parts_.tenant_keys.value_key(tenant);
}

Result<std::shared_ptr<LiveRun>> Engine::resume(store::RunRow row, std::shared_ptr<Pending> pending) {
  SB_CHECK(unseal(row));
  SB_TRY(auto flow, parts_.flows.find_id(row.flow));
  if (flow->hash != row.flow_hash) {
    return fail(Errc::corrupt, fmt::format("run {} was started with another text of {}", row.id.to_string(), row.flow));
  }
  const Data input = Data::from_text(row.input);
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
  if (const auto* kept = find_member(state, "trials"); kept && parts_.trials)
    run->trials = parts_.trials->read_membership(*kept);
  note_versions(*run);
  run->input = input;
  run->profile = profile;
  run->pending = std::move(pending);
  run->stored = true;
  run->durability = durability_of(run->machine.flow(), Durability::sync);
  run->finish_without_caller = true;
  run->spender = KeyId::parse(run->row.key);
  // Checkpoints of before this was kept: by the route.
  run->needs_person = bool_member(state, "person", run->row.route == "human" && run->row.model.empty());
  // Steps so far have indices below this: a resumed run never reuses one.
  run->next_step = static_cast<std::uint32_t>(int_member(state, "steps", 0));
  run->state_hash = string_member(state, "hash");
  run->marked = static_cast<std::uint64_t>(int_member(state, "marked", 0));
  run->observes = bool_member(state, "observes");
  run->kept_bytes = static_cast<std::uint64_t>(int_member(state, "kept"));
  if (const auto* heard = find_member(state, "heard"); heard && heard->is_array()) {
    for (const auto& name : heard->get_array()) {
      if (const auto* text = name.if_string()) run->heard.emplace_back(*text);
    }
  }
  observe(*run);
  read_findings(*run, state);
  run->requested_model = std::string(string_member(run->input.value(), "model"));
  return run;
}

void Engine::read_findings(LiveRun& run, const json::value& state) {
  run.guard.read_request(run.input.text());
  if (bool_member(state, "local")) run.guard.keep_local();
  run.outside_asked = bool_member(state, "asked");
  std::vector<std::string> findings;
  if (const auto* types = find_member(state, "findings"); types && types->is_array()) {
    for (const auto& type : types->get_array()) {
      if (type.is_string()) findings.emplace_back(type.get_string());
    }
  }
  run.guard.set_inbound_types(std::move(findings));
}

}  // namespace sb::flow
