// What becomes of runs and tasks goes into the outbox, with the commit that makes it so.
#include <algorithm>
#include <iterator>

#include "flow/engine.h"

namespace sb::flow {

void Engine::observe(LiveRun& run) const {
  if (options_.lifecycle.observes(run.machine.flow())) run.machine.observe();
}

// After what became of tasks until now.
void Engine::mark(LiveRun& run, LifecycleMark mark) const {
  if (!run.machine.observed()) return;
  std::ranges::move(run.machine.take_marks(), std::back_inserter(run.marks));
  mark.at_us = parts_.clock.now_us();
  run.marks.push_back(std::move(mark));
}

void Engine::mark_end(LiveRun& run, store::RunStatus status) const {
  run.machine.mark_tasks(Lifecycle::cancelled);  // that the run's end has cut off
  if (status == store::RunStatus::cancelled) return mark(run, {Lifecycle::cancelled});
  if (run.problem) return mark(run, {.what = Lifecycle::faulted, .error = run.problem});
  mark(run, {.what = Lifecycle::completed, .output = run.output});
}

// Each has its number, whether anybody wants it or not: it is the same when a crash has it made again.
void Engine::tell_marks(LiveRun& run, store::Commit& commit) const {
  std::ranges::move(run.machine.take_marks(), std::back_inserter(run.marks));
  for (const auto& mark : std::exchange(run.marks, {})) {
    ++run.marked;
    if (!options_.lifecycle.wants(lifecycle_type(mark))) continue;
    const std::string text = telling(run, mark).to_text();
    commit.outbox.push_back(
        {0, run.row.id, run.marked, parts_.sealer.seal(run.data_key, run.row.id, place::outbox(run.marked), text)});
  }
}

Telling Engine::telling(LiveRun& run, const LifecycleMark& mark) const {
  Telling telling{lifecycle_event(mark, {run.row.id.to_string(), run.machine.flow()}, run.marked), {}, !run.observes};
  json::object content = lifecycle_content(mark, options_.lifecycle.output);
  content.erase("error");
  auto& data = telling.event["data"].get_object();
  const auto passed = content.empty() ? Result<GuardOutcome>(GuardOutcome())
                                      : run.guard.treat(policy::Direction::outbound, to_text(content));
  // What the policy does not let out is left out: nothing of it is something that the specification asks for.
  if (passed && passed->verdict < policy::Verdict::human && !content.empty()) {
    for (const auto& [name, value] : passed->content.value().as_object()) data[name] = value;
  }
  if (mark.error) {
    auto error = policed(run, *mark.error);
    data["error"] = (error ? *error : error.error()).to_json();
  }
  auto carried = carried_with(run, to_text(telling.event));
  if (carried) telling.carried = *std::move(carried);
  telling.inside = telling.inside && carried;
  telling.carried.local = run.guard.needs_local();
  return telling;
}

}  // namespace sb::flow
