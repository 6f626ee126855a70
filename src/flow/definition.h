/// A flow, compiled once per version: the Open Workflow DSL 1.0.3 document as a tree of tasks.
///
/// What of the DSL is not supported is refused by name and line when a flow is loaded, never ignored:
/// docs/reference/flows.md lists it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/errors.h"
#include "flow/expression.h"

namespace sb::policy {
class JsonSchema;
}

namespace sb::flow::grpc {
class Method;
}

namespace sb::flow {

/// Where to go after a task: on, out of this list, to the end of the flow, or to a task of the same list.
struct Transition {
  enum class Kind { next, exit, end, to } kind = Kind::next;
  std::size_t target = 0;  ///< index in the list, for `to`
};

/// When what a run does is written to the store.
enum class Durability : std::uint8_t {
  sync,   ///< before each effect, which waits until it is on disk
  async,  ///< what an effect brought, before the next one; nobody waits for the disk
  exit,   ///< when the run ends or comes to rest; nobody waits for the disk
};
constexpr std::string_view to_string(Durability durability) {
  switch (durability) {
    case Durability::sync:
      return "sync";
    case Durability::async:
      return "async";
    case Durability::exit:
      break;
  }
  return "exit";
}

/// A length of time: known, or an expression that gives {days ... milliseconds} or ISO 8601 text.
struct Duration {
  Micros fixed_us = 0;
  std::optional<Template> computed;

  /// Errors: invalid_argument.
  Result<Micros> resolve(const Scope& scope) const;
};
/// "PT1M30S", "P1DT12H"; years and months are refused: their length is not known. Errors: invalid_argument.
Result<Micros> parse_iso_duration(std::string_view text);
/// Either form of the DSL. Errors: invalid_argument.
Result<Micros> duration_of(const json::value& value);

struct TaskNode;

struct TaskList {
  std::vector<TaskNode> tasks;
};

/// What `call` reaches. The engine does all of them but `function`, which is a task of the flow or a catalog.
enum class CallKind { builtin, http, openapi, grpc, asyncapi, mcp, a2a, function };

struct CallTask {
  std::string function;
  CallKind kind = CallKind::builtin;
  std::optional<Template> with;
  std::shared_ptr<const TaskList> body;        ///< of a function: one task
  std::shared_ptr<const grpc::Method> method;  ///< of `grpc`; null where the text alone was checked
};
struct SetTask {
  Template value;
};
struct SwitchTask {
  struct Case {
    std::string name;
    std::optional<Expression> when;  ///< absent: the default case
    Transition then;
  };
  std::vector<Case> cases;
};
struct RaiseTask {
  Template error;
};
struct DoTask {
  TaskList list;
};
/// Its list has two more locals in scope: the item and its index.
struct ForTask {
  std::variant<Expression, Template> in;
  std::optional<Expression> condition;
  TaskList list;
};
struct ForkTask {
  bool compete = false;
  std::vector<TaskList> branches;  ///< one task each
};
struct RetryPolicy {
  std::optional<Expression> when, except_when;
  Duration delay;
  enum class Backoff { constant, linear, exponential } backoff = Backoff::constant;
  double factor = 2;        ///< of exponential
  Duration increment;       ///< of linear; zero: the delay itself
  Micros delay_max_us = 0;  ///< 0: none
  std::optional<Duration> jitter_from, jitter_to;
  std::int64_t attempts_max = 0;  ///< 0: no limit
  std::optional<Duration> attempt_limit, total_limit;
};
/// `handler` and the conditions have one more local in scope: the error.
struct TryTask {
  TaskList list;
  json::object filter;  ///< of errors.with; empty: every error
  std::optional<Template> filter_computed;
  std::optional<Expression> when, except_when;
  std::optional<RetryPolicy> retry;
  std::optional<TaskList> handler;
  std::optional<Transition> then;
};
struct WaitTask {
  Duration time;
};
struct EmitTask {
  Template event;
};
struct EventFilter {
  struct Property {
    std::string name;
    std::variant<json::value, Expression> want;
  };
  struct Correlation {
    std::string name;
    Expression from;
    std::optional<std::variant<json::value, Expression>> expect;
  };
  std::vector<Property> with;
  std::vector<Correlation> correlate;
};
struct EventStrategy {
  enum class Kind { one, any, all } kind = Kind::one;
  std::vector<EventFilter> filters;
  std::optional<Expression> until;                   ///< over the events consumed so far
  std::shared_ptr<const EventStrategy> until_event;  ///< or events that end it
  bool forever = false;                              ///< any, with `until: false`
};
enum class ReadAs { data, envelope, raw };
/// Its `each` list has two more locals in scope: the item and its index.
struct ListenTask {
  EventStrategy to;
  ReadAs read = ReadAs::data;
  std::optional<TaskList> each;
  std::optional<Template> each_output;
  std::optional<Template> each_export;
};
struct RunTask {
  enum class Kind { script, shell, workflow, container } kind = Kind::script;
  Template with;
  bool await = true;
  enum class Return { output, error, code, all, none } what = Return::output;
};

struct Extension;

struct TaskNode {
  std::string name;
  std::string ref;  ///< JSON pointer in the document, as errors and steps name it
  std::optional<Expression> condition;
  std::optional<Template> input_from;
  std::optional<Template> output_as;
  std::optional<Template> export_as;
  std::shared_ptr<const policy::JsonSchema> input_schema, output_schema, export_schema;
  std::optional<Duration> timeout;
  Transition then;
  std::vector<std::shared_ptr<const Extension>> extensions;
  std::variant<CallTask, SetTask, SwitchTask, RaiseTask, DoTask, ForTask, ForkTask, TryTask, WaitTask, EmitTask,
               ListenTask, RunTask>
      body;

  std::string_view kind() const;  ///< the call's function, else "set", "switch" ...
};

/// Tasks put around each task of a kind. Their outputs change nothing, but a `before` that leaves by `then: exit` gives
/// its output in place of the task's.
struct Extension {
  std::string name;
  std::optional<Expression> when;
  std::optional<TaskList> before, after;
};

struct Schedule {
  std::optional<Duration> every, after;
  std::string cron;
  std::optional<EventStrategy> on;
  ReadAs read = ReadAs::envelope;
  bool any() const { return every || after || !cron.empty() || on; }
};

/// Immutable after load; shared by all runs of this version.
struct Flow {
  std::string ns;
  std::string name;
  std::string version;
  std::string hash;  ///< hex SHA-256 of the source text
  std::string source;
  json::value document;
  std::optional<Template> input_from;
  std::optional<Template> output_as;
  std::shared_ptr<const policy::JsonSchema> input_schema, output_schema;
  std::optional<Duration> timeout;
  std::optional<Durability> durability;  ///< of its runs, whatever who starts them wants
  std::vector<std::string> secrets;
  Schedule schedule;
  TaskList root;

  std::string id() const { return ns + "/" + name + "@" + version; }
};

/// One thing that is wrong with a flow document.
struct FlowFinding {
  Errc code = Errc::invalid_argument;  ///< or unsupported, too_large
  bool warning = false;                ///< may be registered all the same
  int line = 0;
  int column = 0;
  std::string pointer;
  std::string message;

  std::string to_string(std::string_view origin) const;  ///< "ORIGIN:LINE:COLUMN: message"
};

/// What a document means, and what is wrong with it, in the order of the document; at most 50.
struct FlowReport {
  std::shared_ptr<const Flow> flow;  ///< null if a finding is no warning
  std::vector<FlowFinding> findings;
};

/// Parses YAML or JSON and compiles. `functions` are the names `call` may use beside the DSL's own.
FlowReport check_flow(std::string_view text, std::span<const std::string> functions);

/// `check_flow`, with the first finding as the error.
/// Errors: invalid_argument or unsupported, `detail` begins with "ORIGIN:LINE:COLUMN: ", `param` = JSON pointer.
Result<std::shared_ptr<const Flow>> load_flow(std::string_view text, std::string_view origin,
                                              std::span<const std::string> functions);

}  // namespace sb::flow
