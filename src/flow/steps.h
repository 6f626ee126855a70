/// A run's steps as they begin: what the record calls them and where in the flow they stand.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "flow/definition.h"
#include "policy/policy.h"
#include "store/store.h"

namespace sb::flow {

/// What an effect is known by outside, however often it is done.
std::string effect_key(const RunId& run, std::uint32_t effect);
store::StepRow task_step(const TaskNode& task, std::uint32_t attempt, Micros started_us);
/// A decision of the policy's about something that comes in or goes out.
store::StepRow guard_step(std::string_view name, policy::Direction direction, Micros started_us);

}  // namespace sb::flow
