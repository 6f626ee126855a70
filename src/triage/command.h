/// `signalbox triage ...`: train, eval, predict, explain and so on, as functions over streams.
#pragma once

#include <iosfwd>
#include <span>
#include <string>

#include "triage/explain_command.h"

namespace sb::triage {

/// `args`: what follows "triage" on the command line. Results go to `out`, progress and errors to `err`.
/// `read_decision`: how recorded decisions are read; this module knows no store.
/// Returns the exit status: 0 done, 1 failed, 2 wrong usage.
int triage_command(std::span<const std::string> args, std::istream& in, std::ostream& out, std::ostream& err,
                   const ReadDecision& read_decision);

}  // namespace sb::triage
