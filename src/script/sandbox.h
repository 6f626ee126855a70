/// The walls around a worker process: after enter_sandbox() it can compute, read and write what it has open, and end.
#pragma once

#include "base/errors.h"

namespace sb::script {

/// Closes every descriptor but 0-2, sets resource limits (no files, no processes, no core, bounded address space), then
/// allows only the system calls that computing needs: a seccomp filter (seccomp(2), mode filter) kills the process at
/// any other. Cannot be undone. Errors: unsupported (the kernel refuses seccomp filters).
Result<void> enter_sandbox();

}  // namespace sb::script
