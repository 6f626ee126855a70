/// The state machine of one run: pure, without I/O or clock. It says what to do next and is told what came of it.
///
///     while (true) {
///       auto action = machine.next(now);           // runs set, switch, loops ... until an effect is due
///       if (action is Call) machine.complete(output) or machine.fault(problem)
///       if (action is Parked) come back at its time, or with an event
///       if (action is Done) ...
///     }
///
/// A run stands at one place, or, in the branches of a `fork`, at several: then next() hands out one effect after the
/// other, as long as each is marked `started`. A checkpoint holds where the machine stands; restoring it and calling
/// next() gives the same actions again, with the same effect numbers.
#pragma once

#include <list>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/errors.h"
#include "flow/data.h"
#include "flow/definition.h"
#include "flow/lifecycle.h"
#include "flow/problem.h"

namespace sb::flow {

/// Where a run fails whose input does not fit the flow.
inline constexpr std::string_view kRunInput = "/input";

/// What identifies the run inside expressions (`$workflow`, `$runtime`).
struct RunDescriptor {
  std::string id;
  Micros started_us = 0;
  std::shared_ptr<const json::object> secrets{};  ///< all the server has; a flow sees those it declares
};

/// A task without an effect of its own that has come to its end; it is recorded with the next effect.
struct PureStep {
  const TaskNode* task;
  std::string chosen;  ///< the case a switch took; empty otherwise
  Micros started_us = 0;
  std::uint32_t attempt = 1;
  Micros ended_us = 0;  ///< of a wait; 0: when it is recorded
};

class Machine final : private VariableSource {
 public:
  /// An effect that is due: a call, a process, an event to emit. Its task's body says which.
  struct Call {
    const TaskNode* task;
    json::value with;      ///< rendered arguments; null where the task has none
    Data input;            ///< the task's transformed input
    std::uint32_t id = 0;  ///< within the run; the same after a restart: the idempotency key is made of it
    std::uint32_t attempt = 1;
  };
  struct Done {
    Data output;
  };
  struct Faulted {
    Problem problem;
  };
  /// Nothing to do until an effect that is under way is answered, or `due()` passes.
  struct Busy {};
  /// Nothing to do until `due()` passes or an event comes that it listens for: the run needs no memory until then.
  struct Parked {};
  using Action = std::variant<Call, Done, Faulted, Busy, Parked>;

  Machine(std::shared_ptr<const Flow> flow, RunDescriptor run, Data input);
  /// Errors: corrupt (not a checkpoint of this flow).
  static Result<Machine> restore(std::shared_ptr<const Flow> flow, RunDescriptor run, Data input,
                                 std::string_view checkpoint);

  /// Evaluates pure tasks until an effect is due or the run is over. Asked again without an answer: the same action.
  /// Time only goes forward.
  Action next(Micros now = 0);
  /// Lets time pass without going on: what was pending may not be wanted any more.
  void tick(Micros now);
  /// The next time at which something happens by itself (waits, delays, timeouts); 0: never.
  Micros due() const;

  /// `id` is being worked on: next() goes on to other branches' effects. Forgotten by checkpoints.
  void started(std::uint32_t id);
  /// False for an effect that nobody waits for any more (its branch lost, its time was up).
  bool wants(std::uint32_t id) const;
  /// The effect that is pending at the task `ref` (a JSON pointer into the flow); nothing: there is none.
  std::optional<std::uint32_t> pending_at(std::string_view ref) const;
  /// The pending effect `id` gave this output, or failed. What nobody waits for is ignored. Without an id: the only
  /// one.
  void complete(Data output) { complete(first_pending(), std::move(output)); }
  void complete(std::uint32_t id, Data output);
  void fault(Problem problem) { fault(first_pending(), std::move(problem)); }
  /// `is_answer`: what came of it is known; else it keeps its number where the run goes on from here once more.
  void fault(std::uint32_t id, Problem problem, bool is_answer = true);
  /// `$authorization` from here on: {scheme, parameter}.
  void authorized(json::value authorization) { authorization_ = std::move(authorization); }
  /// The run ends here (time limit of the server, a person's wish).
  void stop(Problem problem) { problem_ = std::move(problem); }

  // again.cc: a run that failed or was stopped goes on, or begins again at a task
  /// There is a task to go on from: it has come to its first one, and is not at its end.
  bool is_over() const { return problem_ || output_; }
  bool stands() const { return !branches_.empty() && !branches_.front().frames.empty(); }
  /// The task that failed begins anew, with its number where nobody knows what came of its effect, else with another.
  /// Time limits of those around it, and the flow's, do not count what passed since. REQUIRES stands().
  void again(Micros now);
  /// The task that `again` begins with; null: none failed.
  const TaskNode* failed() const;
  struct Place {
    std::string_view ref;              ///< JSON pointer of a task
    std::optional<std::size_t> after;  ///< so many tasks without an effect have ended; nothing: the first time
  };
  /// Goes on, as if it had not yet, until that task is about to begin; none of the effects on the way is made again,
  /// so there must be none. How many other tasks it did on the way; nothing: it does not come there so, or other
  /// branches run side by side then.
  std::optional<std::size_t> go_before(const Place& place);
  /// Effects that begin from here on have numbers of their own beside those of `other`, the same run at another time.
  void number_on_from(const Machine& other);
  /// The task that it stands before has this input, the flow this context.
  void change(std::optional<Data> input, std::optional<Data> context);

  /// Offers a CloudEvent (structured JSON) to every task that listens: `event` says whose it is, `told` is what they
  /// get of it. True: somebody took it.
  bool deliver(const json::value& event, const json::value& told);
  /// Types of the events that it listens for; an empty one: any.
  std::set<std::string, std::less<>> event_types() const;
  bool listens() const { return !event_types().empty(); }

  /// Compact JSON; the run's input is referred to, not repeated.
  std::string checkpoint() const;
  /// Pure tasks since the last call of this, for the record.
  std::vector<PureStep> take_pure_steps() { return std::exchange(pure_, {}); }

  /// From here on it keeps what becomes of tasks; else nothing is kept.
  void observe() { observed_ = true; }
  bool observed() const { return observed_; }
  /// What became of them since the last call, in order. A checkpoint that is taken now goes with it.
  std::vector<LifecycleMark> take_marks() { return std::exchange(marks_, {}); }
  /// Something that becomes of every task that is under way, innermost first: the run is suspended, say.
  void mark_tasks(Lifecycle what);
  const Flow& flow() const { return *flow_; }
  /// No branches run side by side now.
  bool alone() const { return branches_.size() == 1; }

 private:
  /// What a frame's list is to the task that opened it.
  enum class Role : std::uint8_t { root, body, iteration, attempt, handler, before, after, function, each, branch };
  using Bindings = std::shared_ptr<const Binding>;

  /// State of a task that goes through something: items of a loop, attempts, events, branches.
  struct Progress {
    std::optional<Data> items;        ///< for: what to go through
    std::size_t at = 0;               ///< for, listen: index of the item in work; fork: branches that ended
    std::optional<Data> current;      ///< for: output of the last iteration; fork, try: what the task ends with
    std::uint32_t attempt = 0;        ///< try: failed ones so far
    Micros first_us = 0;              ///< try: when the first one began
    json::array outputs;              ///< listen, fork
    json::array queue;                ///< listen: taken events that wait for foreach
    std::uint64_t matched = 0;        ///< listen: filters of `all` that have their event
    std::uint64_t until_matched = 0;  ///< the same of `until`
    json::object correlated;          ///< listen: values that later events must have
    bool satisfied = false;           ///< listen: no more events are taken
  };

  struct Frame {
    const TaskList* list;
    Role role;
    Bindings locals;  ///< in scope for the list
    Data raw;         ///< input of the task at `index`, as the one before left it
    std::size_t index = 0;
    std::uint32_t slot = 0;       ///< branch: which one
    Micros list_deadline_us = 0;  ///< of an attempt; 0: none
    // The task at `index`:
    bool entered = false;     ///< `if` and `input` are done
    std::uint16_t stage = 0;  ///< extensions done
    std::uint32_t effect = 0;
    Micros started_us = 0;
    Micros deadline_us = 0;
    std::optional<Data> input{};
    std::optional<Data> output{};  ///< held while `after` runs
    Transition then{};
    std::unique_ptr<Progress> progress{};

    const TaskNode& task() const { return list->tasks[index]; }
    void begin(std::size_t next_index, Data input_of_it);
  };

  enum class Wake : std::uint8_t { run, waited, retry, listened, forked };
  enum class State : std::uint8_t { ready, effect, waiting, listening, forked };
  struct Branch {
    std::uint32_t id = 0;
    std::uint32_t parent = 0;
    std::size_t depth = 0;  ///< frame of the fork in its parent
    State state = State::ready;
    Wake wake = Wake::run;
    Micros until_us = 0;
    std::optional<Call> pending{};
    bool started = false;
    std::vector<Frame> frames{};
  };

  // machine.cc: steps
  Branch& end_effect(std::uint32_t id);
  void step(Branch& branch);
  Result<> enter(Branch& branch);
  Result<bool> prepare(Branch& branch);
  Result<> perform(Branch& branch);
  Result<> finish(Branch& branch, Data raw_output, std::optional<Transition> chosen = {});
  Result<> after(Branch& branch);
  Result<> proceed(Branch& branch);
  Result<> leave(Branch& branch, Data output, bool exited);
  Result<> end_flow(Branch& branch, Data output);
  void push(Branch& branch, Frame frame);
  void request(Branch& branch, json::value with);

  // tasks.cc: what each kind does
  Result<> call(Branch& branch, const CallTask& task);
  Result<> choose(Branch& branch, const SwitchTask& task);
  Result<> start_loop(Branch& branch, const ForTask& task);
  Result<> iterate(Branch& branch);
  Result<> fork(Branch& branch, const ForkTask& task);
  Result<> branch_ended(Branch& branch, Data output);
  Result<> raise_task(Branch& branch, const RaiseTask& task);

  // faults.cc: errors, retries, timeouts
  void raise(Branch& branch, Problem problem);
  void raise(Branch& branch, const Error& error);
  bool may_be_caught_above(const Branch& branch) const;
  Result<bool> catches(Branch& branch, std::size_t owner, const Problem& problem);
  Result<> handle(Branch& branch, const Problem& problem);
  Result<std::optional<Micros>> retry_delay(const Frame& frame, const RetryPolicy& policy, const Scope& scope);
  Result<> attempt(Branch& branch);
  void truncate(Branch& branch, std::size_t depth);
  void drop_children(std::uint32_t parent, std::size_t depth);
  /// Those that are marked as cancelled with it: all branches below that frame.
  std::vector<std::uint32_t> cancel_children(std::uint32_t parent, std::size_t depth);
  void expire();

  // marks.cc: what becomes of tasks, for whoever observes the run
  void mark(Lifecycle what, const Frame& frame);
  /// The task is over.
  void mark_end(Lifecycle what, Frame& frame, const Problem* problem = nullptr);
  void mark_ends(Lifecycle what, Branch& branch, std::size_t from, const Problem* problem = nullptr);
  /// `branch` ends the flow: what it stands in is completed, all else is cancelled.
  void mark_end_of_flow(Branch& branch);
  void mark_correlation(Lifecycle what, const Progress& progress);

  // events.cc: listen
  Result<> start_listening(Branch& branch);
  Result<bool> offer(Branch& branch, std::size_t depth, const json::value& event, const json::value& told);
  Result<> progress_listen(Branch& branch);
  Result<> each_done(Branch& branch, Data output);

  // checkpoint.cc
  struct Writing;
  Result<> restore_state(const json::value& state);
  Result<Frame> restore_frame(const json::value& packed, const Branch& branch, const std::vector<Data>& table);
  const TaskList* list_of(Role role, const Frame* owner, std::uint32_t slot) const;

  Scope scope(const Frame& frame, const Data& self) const;
  Scope scope(const Frame& frame) const;
  const json::value* variable(Variable which, const Scope& scope) const override;
  Result<> check_secret(std::string_view name) const override;
  Result<> validate(const std::shared_ptr<const policy::JsonSchema>& schema, const Data& data, std::string_view what);
  std::uint32_t first_pending() const;
  std::uint32_t attempt_of(const Branch& branch) const;
  Branch* find_branch(std::uint32_t id);
  void note(const Branch& branch, std::string chosen = {});

  std::shared_ptr<const Flow> flow_;
  RunDescriptor run_;
  Data run_input_;
  Data context_;
  std::list<Branch> branches_;  ///< the first one is the flow's own; branches refer to each other by id
  std::uint32_t next_branch_ = 1;
  std::uint32_t next_effect_ = 1;
  Micros now_ = 0;
  Micros deadline_us_ = 0;
  Micros since_us_ = 0;  ///< from which on the flow's time limit counts; 0: from its beginning
  bool timed_ = false;   ///< something may be due
  std::optional<Data> output_;
  std::optional<Problem> problem_;
  std::optional<std::uint32_t> failed_;  ///< the branch at whose last task the run failed
  std::optional<Problem> failing_;       ///< with which a step failed, where an Error could not say it
  std::vector<PureStep> pure_;
  std::size_t pure_since_effect_ = 0;
  bool observed_ = false;
  std::vector<LifecycleMark> marks_;
  json::value authorization_;
  // Made when an expression asks for them.
  mutable const Frame* evaluating_ = nullptr;
  mutable json::value workflow_var_, task_var_, secrets_var_;
};

/// Whether a CloudEvent has the properties that a filter asks for. Errors: as the filter's expressions.
Result<bool> matches_event(const EventFilter& filter, const json::value& event, const Scope& scope,
                           json::object& correlated);
/// An event as `read` wants it.
json::value read_event(const json::value& event, ReadAs as);

}  // namespace sb::flow
