/// `signalbox audit ...`: the record from the command line, beside a running server or without one.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <span>
#include <string>

#include "audit/log_source.h"

namespace sb::audit {

/// A published log at an s3:// address, which this module knows nothing of. Errors: as open_log_source().
using OpenBucket = std::function<Result<std::unique_ptr<LogSource>>(const std::string& where)>;

/// `args` are what follows "audit": verify, prove, show or key and their flags (`signalbox audit --help`). Without
/// `open_bucket`, no bucket can be verified.
///
/// Returns the exit code: 0 all is well, 1 not verified, 2 wrong usage, 3 could not be read.
int audit_command(std::span<const std::string> args, std::ostream& out, std::ostream& err,
                  const OpenBucket& open_bucket = {});

}  // namespace sb::audit
