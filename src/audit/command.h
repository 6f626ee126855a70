/// `signalbox audit ...`: the record from the command line, beside a running server or without one.
#pragma once

#include <ostream>
#include <span>
#include <string>

namespace sb::audit {

/// `args` are what follows "audit":
///
///     verify --data DIR [--head FILE] [--key VKEY] [--save FILE] [--json]
///     show   --data DIR [--run ID] [--from N] [--limit N]
///     key    --data DIR
///     prove  --data DIR --run ID
///
/// Returns the exit code: 0 all is well, 1 verification failed or data cannot be read, 2 wrong usage.
int audit_command(std::span<const std::string> args, std::ostream& out, std::ostream& err);

}  // namespace sb::audit
