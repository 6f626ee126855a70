/// A flow, compiled once per version: the Open Workflow DSL 1.0.3 document as a tree of tasks.
///
/// Supported now: `do`, `call`, `set`, `switch`, `raise`, with `if`, `input.from`, `output.as`, `export.as`, `then`.
/// Everything else of the DSL is refused by name and line, never ignored.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/errors.h"
#include "flow/expression.h"

namespace sb::flow {

/// Where to go after a task: on, out of this list, to the end of the flow, or to a task of the same list.
struct Transition {
  enum class Kind { next, exit, end, to } kind = Kind::next;
  std::size_t target = 0;  ///< index in the list, for `to`
};

struct TaskNode;

struct TaskList {
  std::vector<TaskNode> tasks;
};

struct CallTask {
  std::string function;
  std::optional<Template> with;
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

struct TaskNode {
  std::string name;
  std::string ref;  ///< JSON pointer in the document, as errors and steps name it
  std::optional<Expression> condition;
  std::optional<Template> input_from;
  std::optional<Template> output_as;
  std::optional<Template> export_as;
  Transition then;
  std::variant<CallTask, SetTask, SwitchTask, RaiseTask, DoTask> body;

  std::string_view kind() const;  ///< the call's function, else "set", "switch" ...
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
  TaskList root;

  std::string id() const { return ns + "/" + name + "@" + version; }
};

/// Parses YAML or JSON and compiles. `functions` are the names `call` may use.
/// Errors: invalid_argument or unsupported, `detail` begins with "ORIGIN:LINE:COLUMN: ", `param` = JSON pointer.
Result<std::shared_ptr<const Flow>> load_flow(std::string_view text, std::string_view origin,
                                              std::span<const std::string> functions);

}  // namespace sb::flow
