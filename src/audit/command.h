/// `signalbox audit ...`: the record from the command line, beside a running server or without one.
#pragma once

#include <ostream>
#include <span>
#include <string>

namespace sb::audit {

/// `args` are what follows "audit": verify, prove, show or key and their flags (`signalbox audit --help`).
///
/// Returns the exit code: 0 all is well, 1 not verified, 2 wrong usage, 3 could not be read.
int audit_command(std::span<const std::string> args, std::ostream& out, std::ostream& err);

}  // namespace sb::audit
