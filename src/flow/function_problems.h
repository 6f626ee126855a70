/// Why one of our functions did not do what it was called for, as the DSL's errors.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "flow/dsl/functions.h"
#include "flow/live_run.h"
#include "flow/problem.h"

namespace sb::flow {

Problem problem_of(const Error& error, std::string_view title);
/// Also notes at the run that its policy said no.
std::unexpected<Problem> blocked(LiveRun& run, std::string detail);
/// Arguments that expressions gave and that do not fit; nothing where all do.
std::optional<Problem> misfit_of(const Function& function, const Machine::Call& call);

}  // namespace sb::flow
