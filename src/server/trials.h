/// Candidates of triage that are tried beside the one in force.
#pragma once

#include <string>

#include "base/workers.h"
#include "server/services.h"

namespace sb::server {

/// Sets Services::trials where something is tried, as the last server left it; what is new begins, on record.
/// REQUIRES router, promise, scripts and store. Errors: of a document, with the key of the configuration; a split whose
/// candidate cannot keep the promise.
Result<> load_trials(Services& services);

/// How the trials stand, counted from the record, as JSON. `tenant`: whose runs; empty: all. `workers` read it.
/// Errors: unavailable (somebody else is counting), corrupt.
Task<Result<std::string>> report_trials(Services& services, Workers& workers, std::string tenant);

}  // namespace sb::server
