/// The state machine of one run: pure, without I/O or clock. It says what to do next and is told what came of it.
///
///     while (true) {
///       auto action = machine.next();              // runs set, switch, loops ... until an effect is due
///       if (action is Call) machine.complete(output) or machine.fault(problem)
///       if (action is Done) ...
///     }
///
/// A checkpoint holds where the machine stands; restoring it and calling next() gives the same action again.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/errors.h"
#include "flow/data.h"
#include "flow/definition.h"

namespace sb::flow {

/// RFC 9457 problem details, as the DSL's errors are.
struct Problem {
  std::string type;  ///< URI, e.g. "https://open-workflow-specification.org/spec/1.0.0/errors/runtime"
  int status = 500;
  std::string title;
  std::string detail;
  std::string instance;  ///< JSON pointer of the task at fault

  json::value to_json() const;
  static Problem from_json(const json::value& value);
};

/// The standard error types of the DSL ("validation", "expression", "communication", "timeout", "runtime" ...).
std::string error_type(std::string_view name);

/// What identifies the run inside expressions (`$workflow`, `$runtime`).
struct RunDescriptor {
  std::string id;
  Micros started_us = 0;
};

/// A pure task that was evaluated on the way; it is recorded with the next effect.
struct PureStep {
  const TaskNode* task;
  std::string chosen;  ///< the case a switch took; empty otherwise
};

class Machine {
 public:
  struct Call {
    const TaskNode* task;
    json::value with;  ///< rendered arguments; null where the task has none
    Data input;        ///< the task's transformed input
  };
  struct Done {
    Data output;
  };
  struct Faulted {
    Problem problem;
  };
  using Action = std::variant<Call, Done, Faulted>;

  Machine(std::shared_ptr<const Flow> flow, RunDescriptor run, Data input);
  /// Errors: corrupt (not a checkpoint of this flow).
  static Result<Machine> restore(std::shared_ptr<const Flow> flow, RunDescriptor run, Data input,
                                 std::string_view checkpoint);

  /// Evaluates pure tasks until an effect is due or the run is over. Asked again without an answer: the same action.
  Action next();
  /// The pending call gave this output.
  void complete(Data output);
  /// The pending call failed.
  void fault(Problem problem);

  /// Compact JSON; the run's input is referred to, not repeated.
  std::string checkpoint() const;
  /// Pure tasks since the last call of this, for the record.
  std::vector<PureStep> take_pure_steps() { return std::exchange(pure_, {}); }
  const Flow& flow() const { return *flow_; }

 private:
  struct Frame {
    const TaskList* list;
    std::size_t index;
    const TaskNode* owner;  ///< the `do` task; null for the flow's own list
    Data raw_input;         ///< of the task at `index`
    Data owner_input;       ///< transformed input of `owner`, for its output.as
  };

  Scope scope(const Data& self, const Data& input) const;
  Result<Data> task_input(const TaskNode& task, const Data& raw);
  Result<> enter(const TaskNode& task);
  Result<> finish(const TaskNode& task, const Data& input, Data raw_output, std::optional<Transition> chosen = {});
  Result<> leave_list(Data output, bool end_flow);
  void stop(Error error, const TaskNode* at);

  std::shared_ptr<const Flow> flow_;
  RunDescriptor run_;
  Data run_input_;
  Data context_;
  std::vector<Frame> frames_;
  std::optional<Call> pending_;
  std::optional<Data> output_;
  std::optional<Problem> problem_;
  std::vector<PureStep> pure_;
  std::size_t pure_since_effect_ = 0;
  json::value workflow_var_;
  json::value runtime_var_;
};

}  // namespace sb::flow
