// What each kind of task does when it is entered.
#include <fmt/format.h>

#include <algorithm>

#include "flow/machine.h"

namespace sb::flow {

Result<> Machine::perform(Branch& branch) {
  Frame& frame = branch.frames.back();
  const TaskNode& task = frame.task();
  if (const auto* made = std::get_if<CallTask>(&task.body)) return call(branch, *made);
  if (const auto* choice = std::get_if<SwitchTask>(&task.body)) return choose(branch, *choice);
  if (const auto* set = std::get_if<SetTask>(&task.body)) {
    SB_TRY(auto value, set->value.render(scope(frame)));
    note(branch);
    return finish(branch, std::move(value));
  }
  if (const auto* nested = std::get_if<DoTask>(&task.body)) {
    push(branch, {&nested->list, Role::body, frame.locals, *frame.input});
    return {};
  }
  if (const auto* loop = std::get_if<ForTask>(&task.body)) return start_loop(branch, *loop);
  if (const auto* forked = std::get_if<ForkTask>(&task.body)) return fork(branch, *forked);
  if (std::holds_alternative<TryTask>(task.body)) {
    if (!frame.progress) {
      frame.progress = std::make_unique<Progress>();
      frame.progress->first_us = now_;
    }
    return attempt(branch);
  }
  if (const auto* wait = std::get_if<WaitTask>(&task.body)) {
    SB_TRY(const auto time, wait->time.resolve(scope(frame)));
    branch.until_us = now_ + time;
    branch.state = State::waiting;
    branch.wake = Wake::waited;
    timed_ = true;
    return {};
  }
  if (const auto* emit = std::get_if<EmitTask>(&task.body)) {
    SB_TRY(auto event, emit->event.render(scope(frame)));
    request(branch, event.value());
    return {};
  }
  if (std::holds_alternative<ListenTask>(task.body)) return start_listening(branch);
  if (const auto* process = std::get_if<RunTask>(&task.body)) {
    SB_TRY(auto with, process->with.render(scope(frame)));
    request(branch, with.value());
    return {};
  }
  return raise_task(branch, std::get<RaiseTask>(task.body));
}

Result<> Machine::call(Branch& branch, const CallTask& task) {
  Frame& frame = branch.frames.back();
  if (!task.with) {
    if (task.kind == CallKind::function) {
      push(branch, {task.body.get(), Role::function, nullptr, *frame.input});
      return {};
    }
    request(branch, nullptr);
    return {};
  }
  SB_TRY(const auto with, task.with->render(scope(frame)));
  if (task.kind == CallKind::function) {
    push(branch, {task.body.get(), Role::function, nullptr, with});
    return {};
  }
  request(branch, with.value());
  return {};
}

Result<> Machine::choose(Branch& branch, const SwitchTask& task) {
  Frame& frame = branch.frames.back();
  const Data input = *frame.input;
  for (const auto& one : task.cases) {
    bool taken = !one.when;
    if (one.when) {
      SB_TRY(taken, one.when->test(scope(frame)));
    }
    if (!taken) continue;
    note(branch, one.name);
    return finish(branch, input, one.then);
  }
  note(branch);
  return finish(branch, input);
}

Result<> Machine::raise_task(Branch& branch, const RaiseTask& task) {
  Frame& frame = branch.frames.back();
  SB_TRY(const auto error, task.error.render(scope(frame)));
  note(branch);
  auto problem = Problem::from_json(error.value());
  raise(branch, std::move(problem));
  return {};
}

Result<> Machine::start_loop(Branch& branch, const ForTask& task) {
  Frame& frame = branch.frames.back();
  if (!frame.progress) {
    Data items;
    if (const auto* expression = std::get_if<Expression>(&task.in)) {
      SB_TRY(items, expression->evaluate(scope(frame)));
    } else {
      SB_TRY(items, std::get<Template>(task.in).render(scope(frame)));
    }
    if (!items.value().is_array())
      return fail(Errc::invalid_argument,
                  fmt::format("`for.in` gave no list but {}", json::to_string(items.value().kind())));
    frame.progress = std::make_unique<Progress>();
    frame.progress->items = std::move(items);
    frame.progress->current = *frame.input;
  }
  return iterate(branch);
}

Result<> Machine::iterate(Branch& branch) {
  Frame& frame = branch.frames.back();
  const auto& task = std::get<ForTask>(frame.task().body);
  Progress& progress = *frame.progress;
  const auto& items = progress.items->value().get_array();
  const auto done = [&] {
    note(branch);
    return finish(branch, *std::exchange(progress.current, {}));
  };
  if (progress.at >= items.size()) return done();
  auto item = std::make_shared<Binding>(Binding{frame.locals, Data(items[progress.at])});
  auto index = std::make_shared<Binding>(Binding{std::move(item), Data(json::value(progress.at))});
  if (task.condition) {
    Scope inner = scope(frame, *progress.current);
    inner.locals = index.get();
    SB_TRY(const bool wanted, task.condition->test(inner));
    if (!wanted) return done();
  }
  push(branch, {&task.list, Role::iteration, std::move(index), *progress.current});
  return {};
}

Result<> Machine::fork(Branch& branch, const ForkTask& task) {
  const std::uint32_t parent = branch.id;
  const std::size_t depth = branch.frames.size() - 1;
  Frame& frame = branch.frames.back();
  frame.progress = std::make_unique<Progress>();
  frame.progress->outputs.resize(task.branches.size());
  branch.state = State::forked;
  branch.wake = Wake::forked;
  const Data input = *frame.input;
  const auto locals = frame.locals;
  if (branches_.size() + task.branches.size() > 1'000)
    return fail(Errc::too_large, "a run has at most 1000 branches at a time");
  for (std::size_t i = 0; i < task.branches.size(); ++i) {
    auto& made = branches_.emplace_back();
    made.id = next_branch_++;
    made.parent = parent;
    made.depth = depth;
    Frame first{&task.branches[i], Role::branch, locals, input};
    first.slot = static_cast<std::uint32_t>(i);
    push(made, std::move(first));
  }
  return {};
}

Result<> Machine::branch_ended(Branch& branch, Data output) {
  const auto parent_id = branch.parent;
  const auto slot = branch.frames.front().slot;
  const auto id = branch.id;
  Branch& parent = *find_branch(parent_id);
  Frame& frame = parent.frames.back();
  const auto& task = std::get<ForkTask>(frame.task().body);
  Progress& progress = *frame.progress;
  if (task.compete) {
    progress.current = std::move(output);
  } else {
    progress.outputs[slot] = output.value();
    if (++progress.at == task.branches.size()) progress.current = Data(json::value(std::move(progress.outputs)));
  }
  if (progress.current) {
    parent.state = State::ready;
    drop_children(parent_id, parent.frames.size() - 1);
  } else {
    std::erase_if(branches_, [&](const Branch& one) { return one.id == id; });
  }
  return {};
}

}  // namespace sb::flow
