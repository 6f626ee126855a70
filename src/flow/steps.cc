#include "flow/steps.h"

#include <fmt/format.h>

#include "flow/guard.h"

namespace sb::flow {

std::string effect_key(const RunId& run, std::uint32_t effect) {
  return fmt::format("{}-{}", run.to_string(), effect);
}

store::StepRow task_step(const TaskNode& task, std::uint32_t attempt, Micros started_us) {
  store::StepRow step;
  step.name = task.name;
  step.ref = task.ref;
  step.kind = task.kind();
  step.attempt = attempt;
  step.started_us = started_us;
  return step;
}

store::StepRow guard_step(std::string_view name, policy::Direction direction, Micros started_us) {
  store::StepRow step;
  step.name = name;
  step.ref = direction == policy::Direction::inbound ? kInboundGuard : "/use/extensions/guard/after";
  step.kind = "guard";
  step.started_us = started_us;
  return step;
}

}  // namespace sb::flow
