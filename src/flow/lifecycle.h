/// What becomes of runs and their tasks, told to others as CloudEvents (Open Workflow DSL 1.0.3, "Lifecycle events").
///
/// Pure: marks in, events out. The machine marks what becomes of tasks, the engine what becomes of the run; both only
/// where somebody wants to be told.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "flow/data.h"
#include "flow/definition.h"
#include "flow/problem.h"

namespace sb::flow {

/// All types of lifecycle events begin so.
inline constexpr std::string_view kLifecyclePrefix = "io.serverlessworkflow.";

enum class Lifecycle : std::uint8_t {
  created,
  started,
  suspended,
  resumed,
  retried,
  correlation_started,
  correlation_completed,
  cancelled,
  faulted,
  completed
};

struct LifecycleMark {
  Lifecycle what{};
  const TaskNode* task = nullptr;  ///< null: of the run
  Micros at_us = 0;
  std::optional<Data> output{};    ///< of what is completed
  std::optional<Problem> error{};  ///< of what is faulted
  json::object correlated{};       ///< keys of a correlation that is completed
};

struct LifecycleOptions {
  std::vector<std::string> types{};  ///< of the events that are told; a `*` stands for any text. None: nothing is told
  std::vector<std::string> flows{};  ///< "namespace/name" of whose, likewise. None: of all
  bool output = false;               ///< what runs and tasks give is told too

  bool observes(const Flow& flow) const;
  bool wants(std::string_view type) const;
};

/// Every type that there is.
std::span<const std::string_view> lifecycle_types();
/// Empty where there is none: nobody tells that a run is created, or that a task correlates.
std::string_view lifecycle_type(const LifecycleMark& mark);

/// Whose events they are.
struct LifecycleSource {
  std::string run;
  const Flow& flow;
};
/// The event but for `error`, `output` and `correlationKeys` of its data: what a flow makes passes the policy first.
/// `seq` is the event's number within the run: with the run it is the event's id.
json::object lifecycle_event(const LifecycleMark& mark, const LifecycleSource& source, std::uint64_t seq);
/// Those, as the flow made them; empty: none.
json::object lifecycle_content(const LifecycleMark& mark, bool with_output);
/// Leaves of an event what may be told outside where the policy keeps what the run was given to ourselves.
void keep_content(json::object& event);

}  // namespace sb::flow
