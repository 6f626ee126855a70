/// One program of the machine (a shell, Python) run for a flow, behind walls: no network (a network namespace of its
/// own), no files but the system's programs and libraries to read and an empty working folder to write (Landlock), and
/// limits of time, memory, processes and output. A machine that cannot build one of the walls runs nothing.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/task.h"

namespace sb::script {

struct ProcessSpec {
  std::vector<std::string> arguments;                            ///< the program's path first
  std::vector<std::pair<std::string, std::string>> environment;  ///< all of it: nothing is inherited
  std::string input;
  std::chrono::milliseconds time_max{10'000};
  std::size_t memory_bytes_max = std::size_t{256} << 20;
  std::size_t output_bytes_max = std::size_t{1} << 20;  ///< of each stream
};

struct ProcessResult {
  int code = 0;  ///< exit status; 128 + signal where it was killed
  std::string output, error;
};

/// Runs it to its end. Errors: unsupported (no walls on this machine), unavailable (no process to be had),
/// deadline_exceeded, too_large (the output).
Task<Result<ProcessResult>> run_process(ProcessSpec spec);

}  // namespace sb::script
