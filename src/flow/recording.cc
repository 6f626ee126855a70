// What a run has decided goes on the record, step by step, and with a commit to disk.
#include <fmt/format.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <ranges>

#include "base/bytes.h"
#include "base/record_writer.h"
#include "flow/engine.h"
#include "flow/steps.h"

namespace sb::flow {

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
  std::string text;
  text.reserve(run.state_hash.size() + leaf.kind.size() + leaf.summary.text().size() + leaf.payload_commit.size() + 3);
  text += run.state_hash;
  for (const std::string_view part :
       {std::string_view(leaf.kind), std::string_view(leaf.summary.text()), std::string_view(leaf.payload_commit)}) {
    (text += '\n') += part;
  }
  leaf.prev_state = std::exchange(run.state_hash, to_hex(sha256(text)));
}

void Engine::note_versions(LiveRun& run) const {
  const auto* trial = run.trials ? run.trials->deciding() : nullptr;
  run.router = trial ? trial->candidate() : parts_.router();
  if (run.router) run.triage = run.router->version();
}

const CanonicalJson& Engine::versions_of(LiveRun& run, std::string_view model) {
  auto& last = run.versions;
  const std::string_view policy = run.guard.policy_version();
  if (!last.text.empty() && last.model == model && last.policy == policy && last.triage == run.triage) return last.text;
  RecordWriter versions(160);
  versions.begin_object().member("flow", RecordText::configured(run.row.flow));
  if (!model.empty()) versions.member("model", RecordText::configured(model));
  versions.member("policy", RecordText::ours(policy));
  if (!run.triage.empty()) versions.member("triage", RecordText::ours(run.triage));
  last = {std::string(model), std::string(policy), run.triage, std::move(versions.end_object()).take().text()};
  return last.text;
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
  if (leaf.summary.text().size() > store::kMaxSummaryBytes) {
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
    const Micros now = parts_.clock.now_us();
    auto step = task_step(*pure.task, pure.attempt, pure.started_us > 1 ? pure.started_us : now);
    step.ended_us = pure.ended_us != 0 ? pure.ended_us : now;
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

// What a checkpoint says beside where the machine stands: how many steps there are, so that a resumed run numbers on,
// and what the guard found and who may see it, so that it is treated as it would have been. There is one for each step:
// what is as it is for most runs is left out.
std::string beside_machine(const LiveRun& run) {
  std::string out =
      fmt::format("\"steps\":{},\"hash\":\"{}\",\"person\":{},", run.next_step, run.state_hash, run.needs_person);
  const auto member = [&](std::string_view name, std::string_view json) {
    ((((out += '"') += name) += "\":") += json) += ',';
  };
  const auto names = [&](std::string_view name, auto texts) {
    json::array list;
    for (const auto text : texts) list.push_back(json::string(text));
    if (!list.empty()) member(name, to_text(list));
  };
  names("findings", run.guard.given_types());
  names("heard", std::views::all(run.heard));
  if (run.outside_asked) member("asked", "true");
  if (run.guard.needs_local()) member("local", "true");
  if (!run.guard.may_restore()) member("restores", "false");
  if (run.profile == policy::JsonProfile::chat_request) member("chat", "true");
  if (run.observes) member("observes", "true");
  if (run.marked != 0) member("marked", fmt::to_string(run.marked));
  if (run.kept_bytes != 0) member("kept", fmt::to_string(run.kept_bytes));
  if (run.trials) member("trials", triage::Trials::to_json(*run.trials));
  return out;
}

}  // namespace

// Of a chat none is kept: where it fails it can go on all the same, and its steps are few.
void Engine::keep_checkpoint(LiveRun& run) {
  if (options_.checkpoint_bytes_max == 0 || run.machine.flow().ns == kOwnNamespace) return;
  if (!run.machine.alone() || run.machine.is_over()) return;
  std::string text = run.machine.checkpoint();
  text.insert(1, beside_machine(run));
  if (run.kept_bytes + text.size() > options_.checkpoint_bytes_max) return;
  run.kept_bytes += text.size();
  const StepIndex step{run.next_step};
  run.checkpoints.push_back({step, parts_.sealer.seal(run.data_key, run.row.id, place::checkpoint(step), text)});
}

void Engine::take_result(LiveRun& run, std::uint32_t effect, Data output) {
  run.machine.complete(effect, std::move(output));
  keep_checkpoint(run);
}

void Engine::take_failure(LiveRun& run, std::uint32_t effect, Problem problem, bool is_answer) {
  run.machine.fault(effect, std::move(problem), is_answer);
  keep_checkpoint(run);
}

Task<Result<>> Engine::commit(LiveRun& run, store::RunStatus status, bool told) {
  if (run.unrecorded) co_return std::unexpected(*run.unrecorded);
  run.row.status = status;
  run.row.updated_us = parts_.clock.now_us();
  store::Commit commit;
  tell_marks(run, commit);
  // Who waits for this commit is told that something is so (a run begun, an event taken): that is on disk.
  const bool waits = run.durability == Durability::sync || run.on_commit || told;
  commit.durability = waits ? store::Durability::sync : store::Durability::async;
  commit.alone = runs_ <= 1;
  commit.run = run.row.id;
  auto& row = run.stored ? commit.update.emplace(run.row) : commit.create.emplace(run.row);
  if (!row.state.empty()) row.state.insert(1, beside_machine(run));
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
  commit.notes = std::exchange(run.notes, {});
  commit.labels = std::exchange(run.labels, {});
  commit.checkpoints = std::exchange(run.checkpoints, {});
  commit.documents = std::exchange(run.documents, {});
  commit.reopen = std::exchange(run.reopens, false);
  commit.review_create = std::exchange(run.review_create, {});
  commit.review_change = std::exchange(run.review_change, {});
  if (run.spend != 0 && !run.row.key.empty()) {
    commit.spend_key = run.row.key;
    commit.spend = std::exchange(run.spend, 0);
    commit.spend_at_us = run.row.updated_us;
  }
  // A commit that comes before this one's answer, with an event, changes a run that is there.
  const bool was_stored = std::exchange(run.stored, true);
  run.owes = false;
  const bool tells = !commit.outbox.empty() && parts_.on_outbox;
  std::vector<SpentContainer> spent;
  if (!run.containers.empty()) {
    const auto rest = std::ranges::partition(run.containers, &SpentContainer::is_told);
    std::ranges::move(run.containers.begin(), rest.begin(), std::back_inserter(spent));
    run.containers.erase(run.containers.begin(), rest.begin());
  }
  auto written = co_await parts_.store.commit(std::move(commit));
  if (written && tells) parts_.on_outbox();
  if (written && !spent.empty()) release_containers(std::move(spent));
  if (!written) {
    run.stored = was_stored;
    run.unrecorded = written.error();
  }
  die_if_asked();
  if (auto tell = std::exchange(run.on_commit, {})) tell(written);
  co_return written;
}

}  // namespace sb::flow
