#include "flow/machine.h"

#include <fmt/format.h>

#include "base/log.h"

namespace sb::flow {
namespace {

/// A flow that turns in circles without an effect is stopped: `then` may go backwards.
constexpr std::size_t kMaxPureTasks = 10'000;

}  // namespace

std::string error_type(std::string_view name) {
  return fmt::format("https://open-workflow-specification.org/spec/1.0.0/errors/{}", name);
}

json::value Problem::to_json() const {
  json::object object{{"type", type}, {"status", status}, {"title", title}};
  if (!detail.empty()) object["detail"] = detail;
  if (!instance.empty()) object["instance"] = instance;
  return object;
}

Problem Problem::from_json(const json::value& value) {
  Problem problem;
  problem.type = string_member(value, "type", error_type("runtime"));
  problem.status = static_cast<int>(int_member(value, "status", 500));
  problem.title = string_member(value, "title");
  problem.detail = string_member(value, "detail");
  problem.instance = string_member(value, "instance");
  return problem;
}

Machine::Machine(std::shared_ptr<const Flow> flow, RunDescriptor run, Data input)
    : flow_(std::move(flow)),
      run_(std::move(run)),
      run_input_(std::move(input)),
      context_(json::value(json::object())) {
  workflow_var_ = json::object{
      {"id", run_.id},
      {"startedAt",
       {{"iso8601", rfc3339(run_.started_us)},
        {"epoch", {{"seconds", run_.started_us / 1'000'000}, {"milliseconds", run_.started_us / 1'000}}}}}};
  static const json::value kRuntime = json::object{{"name", "signalbox"}, {"version", SB_VERSION}};
  runtime_var_ = kRuntime;
  Data first = run_input_;
  if (flow_->input_from) {
    auto transformed = flow_->input_from->render(scope(run_input_, run_input_));
    if (!transformed) {
      stop(transformed.error(), nullptr);
      return;
    }
    first = *transformed;
  }
  frames_.push_back({&flow_->root, 0, nullptr, first, first});
}

Scope Machine::scope(const Data& self, const Data& input) const {
  Scope scope;
  scope.self = &self;
  scope.input = &input;
  scope[Variable::context] = &context_.value();
  scope[Variable::workflow] = &workflow_var_;
  scope[Variable::runtime] = &runtime_var_;
  return scope;
}

Machine::Action Machine::next() {
  while (true) {
    if (problem_) return Faulted{*problem_};
    if (pending_) return *pending_;
    if (frames_.empty()) return Done{*output_};
    Frame& frame = frames_.back();
    const TaskNode& task = frame.list->tasks[frame.index];
    if (++pure_since_effect_ > kMaxPureTasks) {
      stop(Error(Errc::deadline_exceeded,
                 fmt::format("more than {} tasks without an effect: an endless loop", kMaxPureTasks)),
           &task);
    } else if (auto entered = enter(task); !entered) {
      stop(entered.error(), &task);
    }
  }
}

Result<> Machine::enter(const TaskNode& task) {
  Frame& frame = frames_.back();
  const Data raw = frame.raw_input;
  if (task.condition) {
    SB_TRY(const bool wanted, task.condition->test(scope(raw, raw)));
    if (!wanted) return finish(TaskNode{task.name, task.ref, {}, {}, {}, {}, {}, RaiseTask{}}, raw, raw);
  }
  Data input = raw;
  if (task.input_from) {
    SB_TRY(input, task.input_from->render(scope(raw, raw)));
  }
  if (const auto* call = std::get_if<CallTask>(&task.body)) {
    Call pending{&task, nullptr, input};
    if (call->with) {
      SB_TRY(const auto with, call->with->render(scope(input, input)));
      pending.with = with.value();
    }
    pending_ = std::move(pending);
    return {};
  }
  if (const auto* nested = std::get_if<DoTask>(&task.body)) {
    frames_.push_back({&nested->list, 0, &task, input, input});
    return {};
  }
  if (const auto* set = std::get_if<SetTask>(&task.body)) {
    SB_TRY(auto value, set->value.render(scope(input, input)));
    pure_.push_back({&task, {}});
    return finish(task, input, std::move(value));
  }
  if (const auto* choice = std::get_if<SwitchTask>(&task.body)) {
    for (const auto& one : choice->cases) {
      bool taken = !one.when;
      if (one.when) {
        SB_TRY(taken, one.when->test(scope(input, input)));
      }
      if (!taken) continue;
      pure_.push_back({&task, one.name});
      return finish(task, input, input, one.then);
    }
    pure_.push_back({&task, {}});
    return finish(task, input, input);
  }
  SB_TRY(const auto error, std::get<RaiseTask>(task.body).error.render(scope(input, input)));
  problem_ = Problem::from_json(error.value());
  if (problem_->instance.empty()) problem_->instance = task.ref;
  pure_.push_back({&task, {}});
  return {};
}

void Machine::complete(Data output) {
  SB_ASSERT(pending_);
  const Call call = *std::move(pending_);
  pending_.reset();
  pure_since_effect_ = 0;
  if (auto finished = finish(*call.task, call.input, std::move(output)); !finished) stop(finished.error(), call.task);
}

void Machine::fault(Problem problem) {
  SB_ASSERT(pending_);
  if (problem.instance.empty()) problem.instance = pending_->task->ref;
  pending_.reset();
  problem_ = std::move(problem);
}

Result<> Machine::finish(const TaskNode& task, const Data& input, Data raw_output, std::optional<Transition> chosen) {
  Data output = std::move(raw_output);
  if (task.output_as) {
    SB_TRY(output, task.output_as->render(scope(output, input)));
  }
  if (task.export_as) {
    Scope exporting = scope(output, input);
    if (task.export_as) exporting[Variable::output] = &output.value();
    SB_TRY(context_, task.export_as->render(exporting));
  }
  Frame& frame = frames_.back();
  const Transition then = chosen ? *chosen : task.then;
  switch (then.kind) {
    case Transition::Kind::next:
      ++frame.index;
      break;
    case Transition::Kind::to:
      frame.index = then.target;
      break;
    case Transition::Kind::exit:
      return leave_list(std::move(output), false);
    case Transition::Kind::end:
      return leave_list(std::move(output), true);
  }
  frame.raw_input = output;
  if (frame.index >= frame.list->tasks.size()) return leave_list(std::move(output), false);
  return {};
}

Result<> Machine::leave_list(Data output, bool end_flow) {
  const Frame done = std::move(frames_.back());
  frames_.pop_back();
  if (done.owner && !end_flow) return finish(*done.owner, done.owner_input, std::move(output));
  frames_.clear();
  if (flow_->output_as) {
    SB_TRY(output, flow_->output_as->render(scope(output, run_input_)));
  }
  output_ = std::move(output);
  return {};
}

void Machine::stop(Error error, const TaskNode* at) {
  Problem problem;
  problem.type = error_type(error.code == Errc::deadline_exceeded ? "timeout" : "expression");
  problem.status = error.code == Errc::deadline_exceeded ? 408 : 400;
  problem.title = "The flow could not be evaluated";
  problem.detail = std::move(error.detail);
  problem.instance = at ? at->ref : "/input";
  problem_ = std::move(problem);
}

// {"context": ..., "frames": [{"at": 2, "input": DATA, "owner_input": DATA}]}, where DATA is {"run": true} for the
// run's own input.
std::string Machine::checkpoint() const {
  const auto pack = [&](const Data& data) -> json::value {
    if (data.same_as(run_input_)) return json::object{{"run", true}};
    return json::object{{"is", data.value()}};
  };
  json::array frames;
  for (const auto& frame : frames_) {
    frames.push_back(
        json::object{{"at", frame.index}, {"input", pack(frame.raw_input)}, {"owner_input", pack(frame.owner_input)}});
  }
  return to_text(json::object{{"context", context_.value()}, {"frames", std::move(frames)}});
}

Result<Machine> Machine::restore(std::shared_ptr<const Flow> flow, RunDescriptor run, Data input,
                                 std::string_view checkpoint) {
  SB_TRY(const auto state, parse_json(checkpoint));
  const auto* frames = find_member(state, "frames");
  const auto* context = find_member(state, "context");
  const auto bad = [&] {
    return fail(Errc::corrupt, fmt::format("checkpoint of run {} does not fit flow {}", run.id, flow->id()));
  };
  if (!frames || !frames->is_array() || frames->get_array().empty() || !context) return bad();
  const auto unpack = [&](const json::value* packed) {
    const auto* is = packed ? find_member(*packed, "is") : nullptr;
    return is ? Data(*is) : input;
  };
  Machine machine(flow, run, input);
  machine.problem_.reset();
  machine.frames_.clear();
  machine.context_ = Data(*context);
  const TaskList* list = &flow->root;
  const TaskNode* owner = nullptr;
  for (const auto& packed : frames->get_array()) {
    const auto index = static_cast<std::size_t>(int_member(packed, "at", -1));
    if (!list || index >= list->tasks.size()) return bad();
    machine.frames_.push_back(
        {list, index, owner, unpack(find_member(packed, "input")), unpack(find_member(packed, "owner_input"))});
    owner = &list->tasks[index];
    const auto* nested = std::get_if<DoTask>(&owner->body);
    list = nested ? &nested->list : nullptr;
  }
  return machine;
}

}  // namespace sb::flow
