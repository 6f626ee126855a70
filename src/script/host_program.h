/// One program of the operator's, such as a container runtime, run as the server is: no walls, unlike child_process.h.
/// It is chosen by the configuration, never by a flow. A session of its own: what ends the server does not end it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/errors.h"
#include "base/task.h"
#include "script/child_process.h"

namespace sb::script {

struct HostProgram {
  std::vector<std::string> arguments;    ///< the program's path first
  std::vector<std::string> environment;  ///< "NAME=value", all of it: nothing is inherited
  /// Handed over whole before the program begins, in memory of its own: it has it all even where the server ends.
  std::optional<std::string> input{};
  std::chrono::milliseconds time_max{30'000};
  std::size_t output_bytes_max = std::size_t{1} << 20;  ///< of each stream
  bool keeps_output = true;                             ///< false: what it writes is counted alone
  CancelSource* cancel = nullptr;                       ///< outlives the call
};

/// Runs it to its end; where it is not wanted any more, or goes too far, it is killed with all in its session.
/// Errors: unavailable (it cannot be started), deadline_exceeded, too_large (the output), cancelled.
Task<Result<ProcessResult>> run_host_program(HostProgram program);

/// The environment that such a program has: of the server's own what says where the runtime is and who asks it, and no
/// secrets of providers.
std::vector<std::string> host_environment();

/// Where a program is: a path as it is, a name by the server's PATH. Errors: not_found.
Result<std::string> find_program(const std::string& name);

}  // namespace sb::script
