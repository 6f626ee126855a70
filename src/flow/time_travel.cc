// Runs that go on from where they failed or from a task before that, and runs that begin where another one stood.
#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <set>

#include "base/bytes.h"
#include "base/record_writer.h"
#include "flow/engine.h"
#include "flow/steps.h"
#include "flow/task_refs.h"

namespace sb::flow {
namespace {

/// Kind of the step that says that a run goes on, or begins, somewhere: no task of the DSL is called that.
constexpr std::string_view kGoesOn = "again";
constexpr std::string_view kForked = "run.fork";

/// What nobody can go on from. Errors: conflict.
Result<> check_kept(const store::RunRow& row) {
  if (row.erased) return fail(Errc::conflict, "the run's content was erased: there is nothing to go on from");
  return {};
}

/// Errors: conflict.
Result<> check_failed(const store::RunRow& row) {
  SB_CHECK(check_kept(row));
  if (row.status == store::RunStatus::completed)
    return fail(Errc::conflict, "the run has completed: fork it to do a part of it again");
  if (!store::is_final(row.status))
    return fail(Errc::conflict, fmt::format("the run is {}: only what failed or was cancelled is taken up again",
                                            store::to_string(row.status)));
  if (row.state.empty())
    return fail(Errc::conflict,
                "the run ended before its first task, or before checkpoints were kept: there is nothing to go on from");
  return {};
}

bool is_task(const store::StepRow& step) {
  return !step.ref.empty() && step.ref != kInboundGuard && !step.ref.starts_with("/use/extensions/guard/") &&
         step.kind != kGoesOn;
}

/// Errors: invalid_argument.
Result<> check_task(const Flow& flow, const std::vector<store::StepRow>& steps, const std::string& task) {
  if (task.contains("/fork/branches/"))
    return fail(Errc::invalid_argument, "a branch of a fork is not gone back into alone: name the task with the fork",
                "from");
  auto refs = task_refs(flow);
  std::set<std::string> known(refs.begin(), refs.end());
  for (const auto& step : steps) {
    if (is_task(step)) known.insert(step.ref);
  }
  if (known.contains(task)) return {};
  const auto near = nearest(task, std::vector(known.begin(), known.end()));
  return fail(Errc::invalid_argument,
              fmt::format("{} has no task at `{}`{}", flow.id(), task.substr(0, 200),
                          near ? "; did you mean `" + *near + "`?" : ""),
              "from");
}

/// Errors: invalid_argument.
Result<std::string> task_of_step(const std::vector<store::StepRow>& steps, std::uint32_t index) {
  const auto step = std::ranges::find(steps, StepIndex{index}, &store::StepRow::index);
  if (step == steps.end()) return fail(Errc::invalid_argument, fmt::format("the run has no step {}", index), "step");
  if (!is_task(*step))
    return fail(Errc::invalid_argument, fmt::format("step {} is no task of the flow: name one that is", index), "step");
  return step->ref;
}

}  // namespace

Result<std::shared_ptr<const Flow>> Engine::flow_again(const store::RunRow& row) const {
  auto flow = parts_.flows.find_id(row.flow);
  if (!flow || (*flow)->hash != row.flow_hash)
    return fail(Errc::conflict, fmt::format("the run's flow {} is not here any more as it was then", row.flow));
  return flow;
}

// The newest checkpoint from which nothing but tasks without effects leads there.
Task<Result<Engine::Stand>> Engine::stand_before(const store::RunRow& row, std::shared_ptr<const Flow> flow, Goal goal,
                                                 RunDescriptor as) {
  SB_CO_TRY(const auto steps, co_await parts_.store.load_steps(row.id));
  if (goal.step) {
    SB_CO_TRY(goal.task, task_of_step(steps, *goal.step));
  }
  if (!goal.task.empty()) SB_CO_CHECK(check_task(*flow, steps, goal.task));
  SB_CO_TRY(const auto kept, co_await parts_.store.checkpoints(row.id));
  SB_CO_TRY(const std::string key, parts_.sealer.key_of(row));
  const Data input = Data::from_text(row.input);
  const auto opened = [&](const store::Checkpoint& checkpoint) -> Result<Stand> {
    SB_TRY(const auto text, Sealer::open(key, row.id, place::checkpoint(checkpoint.step), checkpoint.sealed));
    SB_TRY(auto machine, Machine::restore(flow, as, input, text));
    machine.again(parts_.clock.now_us());
    return Stand{std::move(machine), parse_json(text, 80).value_or(nullptr), goal.task, checkpoint.step};
  };
  const auto is_before = [&](const store::StepRow& step) { return is_task(step) && step.index < kept.front().step; };
  if (!goal.any() && !kept.empty() && std::ranges::none_of(steps, is_before)) co_return opened(kept.front());
  for (auto checkpoint = kept.rbegin(); goal.any() && checkpoint != kept.rend(); ++checkpoint) {
    if (goal.step && static_cast<std::uint32_t>(checkpoint->step) > *goal.step) continue;
    SB_CO_TRY(auto stand, opened(*checkpoint));
    Machine::Place place{goal.task, {}};
    if (goal.step)
      place.after = static_cast<std::size_t>(std::ranges::count_if(steps, [&](const store::StepRow& step) {
        return is_task(step) && step.index >= checkpoint->step && step.index < StepIndex{*goal.step};
      }));
    if (const auto on_the_way = stand.machine.go_before(place)) {
      stand.step = StepIndex{static_cast<std::uint32_t>(stand.step) + static_cast<std::uint32_t>(*on_the_way)};
      co_return stand;
    }
    co_await asio::post(io_, use_task);  // there may be many
  }
  co_return fail(Errc::conflict,
                 fmt::format("no checkpoint was kept that leads to {}: the run did not come there, other "
                             "branches ran beside it, or they were too large to keep "
                             "(flows.checkpoint_mb)",
                             goal.task.empty() ? "its beginning" : "`" + goal.task + "`"));
}

void Engine::record_order(LiveRun& run, std::string_view kind, const std::string& task, const std::string& actor) {
  RecordWriter leaf;
  leaf.begin_object().member("step", std::int64_t{run.next_step}).member("task", RecordText::configured(task));
  record_leaf(run, std::string(kind), std::move(leaf.end_object()).take());
  run.leaves.back().actor = parts_.pseudonyms.actor(actor);
  const std::string_view name = kind.substr(kind.find('.') + 1);
  store::StepRow step;
  step.name = name;
  step.ref = task;
  step.kind = kGoesOn;
  step.started_us = step.ended_us = parts_.clock.now_us();
  RecordWriter decision;
  decision.begin_object().member("chosen", RecordText::configured(task)).member("kind", RecordText::ours(name));
  if (kind == kForked) {
    decision.member("run", RecordText::ours(run.row.forked_from->to_string()));
    decision.member("step", std::int64_t{static_cast<std::uint32_t>(run.row.forked_at)});
  }
  record(run, std::move(step), std::move(decision.end_object()).take());
  run.leaves.back().actor = parts_.pseudonyms.actor(actor);
}

Task<Result<>> Engine::retry(RunId id, Goal goal, Order order) {
  SB_CO_TRY(auto row, co_await parts_.store.load_run(id));
  SB_CO_CHECK(check_failed(row));
  SB_CO_TRY(const auto flow, flow_again(row));
  SB_CO_TRY(const auto run, co_await take_up(id, [&](const store::RunRow& now) {
              return now.status == row.status && now.epoch == row.epoch && !now.erased;
            }));
  if (!run) co_return fail(Errc::unavailable, "the run is being looked at by somebody else; try again");
  std::string task;
  if (goal.any()) {
    auto stand =
        co_await stand_before(run->row, flow, std::move(goal), {id.to_string(), run->row.created_us, parts_.secrets});
    if (!stand) {
      let_go(*run);
      co_return std::unexpected(stand.error());
    }
    stand->machine.number_on_from(run->machine);
    run->machine = std::move(stand->machine);
    run->needs_person = bool_member(stand->beside, "person");
    task = std::move(stand->task);
  } else {
    const auto* failed = run->machine.failed();
    task = failed ? failed->ref : "/do";
    run->machine.again(parts_.clock.now_us());
  }
  run->row.error.clear();
  run->row.output.clear();
  run->row.ended_us = 0;
  run->reopens = true;
  if (!order.document.empty()) run->documents.emplace_back(std::move(order.document), std::move(order.said));
  observe(*run);
  mark(*run, {Lifecycle::resumed});
  run->machine.mark_tasks(Lifecycle::resumed);
  record_order(*run, "run.retry", task, order.actor);
  keep_checkpoint(*run);
  co_return co_await spawn_until_commit(run);
}

namespace {

/// Input and context that a fork is told, as one document; empty: neither.
std::string told_text(const Engine::Fork& fork) {
  std::string text;
  for (const auto& [name, told] : {std::pair("context", &fork.context), {"input", &fork.input}}) {
    if (*told) text += fmt::format("{}\"{}\":{}", text.empty() ? "{" : ",", name, **told);
  }
  return text.empty() ? text : text + "}";
}

std::optional<Data> told_member(const json::value& told, std::string_view name) {
  const auto* member = find_member(told, name);
  return member ? std::optional(Data(*member)) : std::nullopt;
}

/// Errors: conflict.
Result<> check_was_let_in(const store::RunRow& row) {
  const auto problem = parse_json(row.error);
  if (problem && refusal(string_member(*problem, "instance")))
    return fail(Errc::conflict, "the run's input was refused: send it anew");
  return {};
}

}  // namespace

// From its beginning with another input it is a run like any other: what the flow says of its input holds.
Task<Result<std::shared_ptr<LiveRun>>> Engine::prepare_anew(Fork fork, RunRequest request,
                                                            std::shared_ptr<Pending> pending, RunId id) {
  request.input = *std::move(fork.input);
  request.profile = profile_of(*request.flow);
  request.carried.subject = fork.origin.subject;
  SB_CO_TRY(auto run, is_long(request) ? co_await prepare_long(std::move(request), std::move(pending), id)
                                       : prepare(std::move(request), std::move(pending), id));
  run->row.forked_from = fork.origin.id;
  co_return run;
}

// What the other run was given, found, and knows behind its placeholders is the new one's as well.
Result<std::shared_ptr<LiveRun>> Engine::prepare_beside(const store::RunRow& origin, Stand stand, RunRequest request,
                                                        std::shared_ptr<Pending> pending, RunId id) {
  SB_TRY(auto key, parts_.sealer.new_key(id, origin.tenant));
  GuardSession guard(parts_.policy(),
                     {origin.tenant,
                      request.key,
                      origin.flow,
                      {},
                      reach_of(request.profile, {}),
                      request.may_restore && bool_member(stand.beside, "restores", true)},
                     tenant_key(origin.tenant), parts_.injection);
  SB_CHECK(guard.load_vault(origin.vault));
  guard.tie_hashes_to(key.key);
  auto row = new_row(request, id, parts_.clock.now_us(), origin.subject, std::move(key.wrapped));
  row.forked_from = origin.id;
  row.forked_at = stand.step;
  auto run = std::make_shared<LiveRun>(std::move(row), std::move(stand.machine), std::move(guard));
  run->data_key = std::move(key.key);
  run->input = Data::from_text(origin.input);
  run->observes = bool_member(stand.beside, "observes");
  run->needs_person = bool_member(stand.beside, "person");
  take_wishes(*run, request, std::move(pending));
  read_findings(*run, stand.beside);
  begin_record(*run);
  return run;
}

// Errors: policy_denied.
Task<Result<>> Engine::tell_fork(LiveRun& run, std::string told) {
  auto step = guard_step("guard.inbound", policy::Direction::inbound, parts_.clock.now_us());
  auto work = [guard = std::move(run.guard), text = std::move(told)]() mutable {
    auto inbound = guard.inspect(policy::Direction::inbound, std::move(text), policy::JsonProfile::any);
    return std::pair(std::move(guard), std::move(inbound));
  };
  auto [guard, inbound] = co_await workers_.run(std::move(work));  // it may be long
  run.guard = std::move(guard);
  if (!inbound) co_return std::unexpected(inbound.error());
  if (inbound->verdict == policy::Verdict::block)
    co_return fail(Errc::policy_denied, fmt::format("it contains what the policy blocks: {}", inbound->reasons()));
  refuse_inbound(run, inbound->verdict, inbound->reasons());
  run.machine.change(told_member(inbound->content.value(), "input"), told_member(inbound->content.value(), "context"));
  run.outside_asked = false;
  step.ended_us = parts_.clock.now_us();
  record(run, std::move(step), std::move(inbound->decision));
  co_return Result<>();
}

Task<Result<std::shared_ptr<LiveRun>>> Engine::prepare_fork(Fork fork, RunRequest request,
                                                            std::shared_ptr<Pending> pending, RunId id) {
  // Whose it is is known before the content is read: an erasure that comes now finds this run.
  if (pending) pending->belongs_to(fork.origin.subject);
  SB_CO_TRY(fork.origin, co_await parts_.store.load_run(fork.origin.id));
  SB_CO_CHECK(check_kept(fork.origin));
  SB_CO_CHECK(unseal(fork.origin));
  SB_CO_CHECK(check_was_let_in(fork.origin));
  SB_CO_TRY(request.flow, flow_again(fork.origin));
  if (!takes(fork.origin.tenant, *request.flow)) co_return std::unexpected(queue_full());
  request.tenant = fork.origin.tenant;
  const bool is_anew = !fork.goal.any() && fork.input;
  std::string told = told_text(fork);
  if (is_anew && fork.context)
    co_return fail(Errc::invalid_argument, "a run has no context at its beginning: say `step` or `from`", "context");
  const std::string actor = request.key;
  std::shared_ptr<LiveRun> run;
  std::string task = "/do";
  if (is_anew) {
    SB_CO_TRY(run, co_await prepare_anew(std::move(fork), std::move(request), std::move(pending), id));
  } else {
    SB_CO_TRY(auto stand, co_await stand_before(fork.origin, request.flow, std::move(fork.goal),
                                                {id.to_string(), parts_.clock.now_us(), parts_.secrets}));
    if (!stand.task.empty()) task = stand.task;
    SB_CO_TRY(run, prepare_beside(fork.origin, std::move(stand), std::move(request), std::move(pending), id));
    if (!told.empty()) SB_CO_CHECK(co_await tell_fork(*run, std::move(told)));
  }
  record_order(*run, kForked, task, actor);
  keep_checkpoint(*run);
  co_return run;
}

}  // namespace sb::flow
