/// Choices of a route as the record has them: decisions only, no text, so that no key is needed and nothing is opened.
#pragma once

#include <string>

#include "base/json.h"

namespace sb::cli {

/// triage::ReadDecision over a data directory, beside a running server or without one.
/// Errors: invalid_argument (no run's id), not_found (no directory, no such run, or it chose no route).
Result<json::value> read_decision(const std::string& data, const std::string& run);

}  // namespace sb::cli
