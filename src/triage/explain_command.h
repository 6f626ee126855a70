/// `signalbox triage explain`: why a text takes its route.
#pragma once

#include <functional>
#include <iosfwd>

#include "base/json.h"
#include "triage/command_support.h"

namespace sb::triage {

extern const std::string_view kExplainHelp;

/// A run's recorded choice of a route, as the record has it, from a data directory.
/// Errors: not_found (no directory, no such run, or the run chose no route).
using ReadDecision = std::function<Result<json::value>(const std::string& data, const std::string& run)>;

/// `args` with "--text" before a text that stands alone, at the front or at the end.
Strings with_text_named(std::span<const std::string> args);

Result<> run_explain(const Options& options, const ReadDecision& read_decision, std::istream& in, std::ostream& out);

}  // namespace sb::triage
