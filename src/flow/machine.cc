// The steps of a run: entering a task, finishing it, going on.
#include "flow/machine.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "policy/guards/json_schema.h"

namespace sb::flow {
namespace {

/// A flow that turns in circles without an effect is stopped: `then` may go backwards.
constexpr std::size_t kMaxPureTasks = 10'000;
constexpr std::size_t kMaxDepth = 64;

json::object moment(Micros us) {
  return {{"iso8601", rfc3339(us)}, {"epoch", {{"seconds", us / 1'000'000}, {"milliseconds", us / 1'000}}}};
}

}  // namespace

Machine::Machine(std::shared_ptr<const Flow> flow, RunDescriptor run, Data input)
    : flow_(std::move(flow)),
      run_(std::move(run)),
      run_input_(std::move(input)),
      context_(json::value(json::object())),
      now_(run_.started_us) {
  Scope bare;
  bare.self = bare.input = &run_input_;
  bare.source = this;
  Data first = run_input_;
  const auto begin = [&]() -> Result<> {
    SB_CHECK(validate(flow_->input_schema, run_input_, "the run's input"));
    if (flow_->input_from) {
      SB_TRY(first, flow_->input_from->render(bare));
    }
    if (flow_->timeout) {
      SB_TRY(const auto limit, flow_->timeout->resolve(bare));
      deadline_us_ = run_.started_us + limit;
      timed_ = true;
    }
    return {};
  };
  auto& main = branches_.emplace_back();
  if (auto begun = begin(); !begun) {
    raise(main, begun.error());
    if (problem_) problem_->instance = kRunInput;
    return;
  }
  push(main, {&flow_->root, Role::root, nullptr, first});
}

void Machine::Frame::begin(std::size_t next_index, Data input_of_it) {
  index = next_index;
  raw = std::move(input_of_it);
  entered = false;
  stage = 0;
  effect = 0;
  started_us = deadline_us = 0;
  input.reset();
  output.reset();
  then = {};
  progress.reset();
}

Scope Machine::scope(const Frame& frame, const Data& self) const {
  evaluating_ = &frame;
  Scope scope;
  scope.self = &self;
  scope.input = frame.input ? &*frame.input : &frame.raw;
  scope.locals = frame.locals.get();
  scope.source = this;
  return scope;
}

Scope Machine::scope(const Frame& frame) const {
  return scope(frame, frame.input ? *frame.input : frame.raw);
}

const json::value* Machine::variable(Variable which, const Scope&) const {
  switch (which) {
    case Variable::context:
      return &context_.value();
    case Variable::workflow:
      if (workflow_var_.is_null())
        workflow_var_ = json::object{{"id", run_.id},
                                     {"definition", flow_->document},
                                     {"input", run_input_.value()},
                                     {"startedAt", moment(run_.started_us)}};
      return &workflow_var_;
    case Variable::runtime: {
      static const json::value kRuntime =
          json::object{{"name", "signalbox"}, {"version", SB_VERSION}, {"metadata", json::object()}};
      return &kRuntime;
    }
    case Variable::task: {
      if (!evaluating_ || evaluating_->index >= evaluating_->list->tasks.size()) return nullptr;
      const auto& task = evaluating_->task();
      const auto* definition = at_pointer(flow_->document, task.ref);
      json::object described{{"name", task.name},
                             {"reference", task.ref},
                             {"definition", definition ? *definition : json::value(nullptr)},
                             {"input", evaluating_->raw.value()},
                             {"output", evaluating_->output ? evaluating_->output->value() : json::value(nullptr)},
                             {"startedAt", moment(evaluating_->started_us)}};
      if (const auto* with = definition ? find_member(*definition, "with") : nullptr) described["with"] = *with;
      task_var_ = std::move(described);
      return &task_var_;
    }
    case Variable::secrets: {
      json::object declared;
      for (const auto& name : flow_->secrets) {
        if (const auto* found = run_.secrets ? run_.secrets->if_contains(name) : nullptr) declared[name] = *found;
      }
      secrets_var_ = std::move(declared);
      return &secrets_var_;
    }
    case Variable::authorization:
      return &authorization_;
    case Variable::input:
    case Variable::output:
      break;  // in the scope
  }
  return nullptr;
}

Result<> Machine::check_secret(std::string_view name) const {
  const bool declared = std::ranges::find(flow_->secrets, name) != flow_->secrets.end();
  if (!declared)
    return fail(Errc::permission_denied, fmt::format("secret `{}` is not named in use.secrets of the flow", name));
  if (!run_.secrets || !run_.secrets->contains(name))
    return fail(Errc::permission_denied, fmt::format("this server has no secret `{}` (flows.secrets)", name));
  return {};
}

Result<> Machine::validate(const std::shared_ptr<const policy::JsonSchema>& schema, const Data& data,
                           std::string_view what) {
  if (!schema) return {};
  const auto found = schema->first_fault(data.value());
  if (!found) return {};
  failing_ = standard_problem("validation", 400, "Validation failed",
                              fmt::format("{} does not fit its schema: {}", what, found->to_string()));
  return fail(Errc::invalid_argument, failing_->detail);
}

void Machine::note(const Branch& branch, std::string chosen) {
  const auto& frame = branch.frames.back();
  pure_.push_back({&frame.task(), std::move(chosen), frame.started_us, attempt_of(branch)});
}

void Machine::push(Branch& branch, Frame frame) {
  branch.frames.push_back(std::move(frame));
  branch.state = State::ready;
  branch.wake = Wake::run;
}

Machine::Action Machine::next(Micros now) {
  now_ = std::max(now_, now);
  if (!problem_) failed_.reset();  // of a run that was suspended at that moment
  while (true) {
    if (timed_) expire();
    if (problem_) return Faulted{*problem_};
    if (output_) return Done{*output_};
    const auto ready = std::ranges::find(branches_, State::ready, &Branch::state);
    if (ready == branches_.end()) break;
    step(*ready);
  }
  bool busy = false;
  for (const auto& branch : branches_) {
    if (branch.state != State::effect) continue;
    if (!branch.started) return *branch.pending;
    busy = true;
  }
  if (busy) return Busy{};
  return Parked{};
}

void Machine::step(Branch& branch) {
  const Wake wake = std::exchange(branch.wake, Wake::run);
  Frame& frame = branch.frames.back();
  const auto advance = [&]() -> Result<> {
    if (frame.index >= frame.list->tasks.size()) return leave(branch, frame.raw, false);
    switch (wake) {
      case Wake::waited:
        note(branch);
        pure_.back().ended_us = now_;  // recorded later, where branches go on beside it: by then the clock may be set
        return finish(branch, *frame.input);
      case Wake::retry:
        mark(Lifecycle::retried, frame);
        return attempt(branch);
      case Wake::listened:
        return progress_listen(branch);
      case Wake::forked:
        note(branch);
        return finish(branch, *std::exchange(frame.progress->current, {}));
      case Wake::run:
        break;
    }
    if (++pure_since_effect_ > kMaxPureTasks)
      return fail(Errc::deadline_exceeded,
                  fmt::format("more than {} tasks without an effect: an endless loop", kMaxPureTasks));
    return enter(branch);
  };
  const auto id = branch.id;
  if (auto advanced = advance(); !advanced) {
    auto* failed = find_branch(id);  // it may have moved
    if (failed) raise(*failed, advanced.error());
  }
}

Result<> Machine::enter(Branch& branch) {
  if (branch.frames.size() > kMaxDepth)
    return fail(Errc::deadline_exceeded, fmt::format("tasks are nested deeper than {}", kMaxDepth));
  Frame& frame = branch.frames.back();
  if (!frame.entered) {
    SB_TRY(const bool wanted, prepare(branch));
    if (!wanted) return {};
  }
  return perform(branch);
}

// False where the task is left out, or an extension goes first.
Result<bool> Machine::prepare(Branch& branch) {
  Frame& frame = branch.frames.back();
  const TaskNode& task = frame.task();
  const bool is_first = frame.started_us == 0;
  if (is_first) frame.started_us = std::max<Micros>(now_, 1);
  Result<bool> chosen = true;
  if (frame.stage == 0 && task.condition) chosen = task.condition->test(scope(frame, frame.raw));
  if (is_first && (!chosen || *chosen)) mark(Lifecycle::created, frame);
  if (frame.stage == 0 && task.condition) {
    SB_TRY(const bool wanted, std::move(chosen));
    if (!wanted) {
      const Data same = frame.raw;
      frame.begin(frame.index + 1, same);
      branch.state = State::ready;
      return false;
    }
  }
  while (frame.stage < task.extensions.size()) {
    const Extension& extension = *task.extensions[frame.stage++];
    if (!extension.before) continue;
    bool wanted = true;
    if (extension.when) {
      SB_TRY(wanted, extension.when->test(scope(frame, frame.raw)));
    }
    if (!wanted) continue;
    push(branch, {&*extension.before, Role::before, nullptr, frame.raw});
    return false;
  }
  SB_CHECK(validate(task.input_schema, frame.raw, "the task's input"));
  if (task.input_from) {
    SB_TRY(frame.input, task.input_from->render(scope(frame, frame.raw)));
  } else {
    frame.input = frame.raw;
  }
  frame.entered = true;
  mark(Lifecycle::started, frame);
  if (task.timeout) {
    SB_TRY(const auto limit, task.timeout->resolve(scope(frame)));
    frame.deadline_us = now_ + limit;
    timed_ = true;
  }
  return true;
}

Result<> Machine::proceed(Branch& branch) {
  Frame& frame = branch.frames.back();
  mark_end(Lifecycle::completed, frame);
  Data output = *std::exchange(frame.output, {});
  const Transition then = frame.then;
  branch.state = State::ready;
  branch.wake = Wake::run;
  switch (then.kind) {
    case Transition::Kind::next:
      frame.begin(frame.index + 1, std::move(output));
      break;
    case Transition::Kind::to:
      frame.begin(then.target, std::move(output));
      break;
    case Transition::Kind::exit:
      return leave(branch, std::move(output), true);
    case Transition::Kind::end:
      return end_flow(branch, std::move(output));
  }
  if (frame.index < frame.list->tasks.size()) return {};
  const Data last = frame.raw;
  return leave(branch, last, false);
}

Result<> Machine::finish(Branch& branch, Data raw_output, std::optional<Transition> chosen) {
  Frame& frame = branch.frames.back();
  const TaskNode& task = frame.task();
  frame.output = std::move(raw_output);
  if (task.output_as) {
    SB_TRY(auto shaped, task.output_as->render(scope(frame, *frame.output)));
    frame.output = std::move(shaped);
  }
  SB_CHECK(validate(task.output_schema, *frame.output, "the task's output"));
  if (task.export_as) {
    Scope exporting = scope(frame, *frame.output);
    exporting.output = &*frame.output;
    SB_TRY(context_, task.export_as->render(exporting));
  }
  SB_CHECK(validate(task.export_schema, context_, "the context"));
  frame.then = chosen ? *chosen : task.then;
  frame.stage = static_cast<std::uint16_t>(task.extensions.size());
  return after(branch);
}

Result<> Machine::after(Branch& branch) {
  Frame& frame = branch.frames.back();
  const auto& extensions = frame.task().extensions;
  while (frame.stage < 2 * extensions.size()) {
    const Extension& extension = *extensions[frame.stage++ - extensions.size()];
    if (!extension.after) continue;
    bool wanted = true;
    if (extension.when) {
      SB_TRY(wanted, extension.when->test(scope(frame, frame.raw)));
    }
    if (!wanted) continue;
    push(branch, {&*extension.after, Role::after, nullptr, *frame.output});
    return {};
  }
  return proceed(branch);
}

// The list on top has come to its end, or `exit` left it.
Result<> Machine::leave(Branch& branch, Data output, bool exited) {
  const Role role = branch.frames.back().role;
  if (role == Role::root) return end_flow(branch, std::move(output));
  if (role == Role::branch) return branch_ended(branch, std::move(output));
  if (role == Role::each) return each_done(branch, std::move(output));
  branch.frames.pop_back();
  branch.state = State::ready;
  branch.wake = Wake::run;
  Frame& owner = branch.frames.back();
  switch (role) {
    case Role::iteration:
      owner.progress->current = std::move(output);
      ++owner.progress->at;
      if (exited) owner.progress->items = Data(json::value(json::array()));
      return iterate(branch);
    case Role::handler: {
      note(branch);
      const auto& then = std::get<TryTask>(owner.task().body).then;
      return finish(branch, std::move(output), then);
    }
    case Role::before:
      if (!exited) return {};  // the task itself, or the next extension
      if (!owner.input) owner.input = owner.raw;
      return finish(branch, std::move(output));
    case Role::after:
      if (exited) owner.output = std::move(output);
      return after(branch);
    default:
      note(branch);
      return finish(branch, std::move(output));
  }
}

Result<> Machine::end_flow(Branch& branch, Data output) {
  Scope bare;
  bare.self = &output;
  bare.input = &run_input_;
  bare.source = this;
  Data shaped = output;
  if (flow_->output_as) {
    SB_TRY(shaped, flow_->output_as->render(bare));
  }
  SB_CHECK(validate(flow_->output_schema, shaped, "the run's output"));
  if (observed_) mark_end_of_flow(branch);
  branches_.clear();
  output_ = std::move(shaped);
  return {};
}

void Machine::request(Branch& branch, json::value with) {
  Frame& frame = branch.frames.back();
  if (frame.effect == 0) frame.effect = next_effect_++;
  branch.pending = Call{&frame.task(), std::move(with), *frame.input, frame.effect, attempt_of(branch)};
  branch.started = false;
  branch.state = State::effect;
}

std::uint32_t Machine::attempt_of(const Branch& branch) const {
  for (std::size_t i = branch.frames.size(); i-- > 1;) {
    if (branch.frames[i].role == Role::attempt) return branch.frames[i - 1].progress->attempt + 1;
  }
  return 1;
}

std::uint32_t Machine::first_pending() const {
  const auto found = std::ranges::find(branches_, State::effect, &Branch::state);
  SB_ASSERT(found != branches_.end());
  return found->pending->id;
}

std::optional<std::uint32_t> Machine::pending_at(std::string_view ref) const {
  const auto found = std::ranges::find_if(branches_, [&](const Branch& branch) {
    return branch.state == State::effect && branch.pending->task->ref == ref;
  });
  return found == branches_.end() ? std::nullopt : std::optional(found->pending->id);
}

Machine::Branch* Machine::find_branch(std::uint32_t id) {
  const auto found = std::ranges::find(branches_, id, &Branch::id);
  return found == branches_.end() ? nullptr : &*found;
}

bool Machine::wants(std::uint32_t id) const {
  return !problem_ && std::ranges::any_of(branches_, [&](const Branch& branch) {
    return branch.state == State::effect && branch.pending->id == id;
  });
}

void Machine::started(std::uint32_t id) {
  for (auto& branch : branches_) {
    if (branch.state == State::effect && branch.pending->id == id) branch.started = true;
  }
}

// REQUIRES wants(id).
Machine::Branch& Machine::end_effect(std::uint32_t id) {
  auto& branch = *std::ranges::find_if(
      branches_, [&](const Branch& b) { return b.state == State::effect && b.pending->id == id; });
  branch.pending.reset();
  branch.state = State::ready;
  branch.frames.back().effect = 0;  // what came of it is known: done again, it is another one
  pure_since_effect_ = 0;
  return branch;
}

void Machine::complete(std::uint32_t id, Data output) {
  if (!wants(id)) return;
  auto& branch = end_effect(id);
  const auto branch_id = branch.id;
  if (auto finished = finish(branch, std::move(output)); !finished) {
    if (auto* failed = find_branch(branch_id)) raise(*failed, finished.error());
  }
}

void Machine::fault(std::uint32_t id, Problem problem, bool is_answer) {
  if (!wants(id)) return;
  auto& branch = end_effect(id);
  if (!is_answer) branch.frames.back().effect = id;
  raise(branch, std::move(problem));
}

Micros Machine::due() const {
  Micros due = deadline_us_;
  const auto sooner = [&](Micros at) {
    if (at != 0 && (due == 0 || at < due)) due = at;
  };
  for (const auto& branch : branches_) {
    if (branch.state == State::waiting) sooner(std::max<Micros>(branch.until_us, 1));
    for (const auto& frame : branch.frames) {
      sooner(frame.deadline_us);
      sooner(frame.list_deadline_us);
    }
  }
  return due;
}

}  // namespace sb::flow
