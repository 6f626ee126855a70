/// `signalbox triage ...`: train, eval, predict, as functions over streams.
#pragma once

#include <iosfwd>
#include <span>
#include <string>

namespace sb::triage {

/// `args`: what follows "triage" on the command line. Results go to `out`, progress and errors to `err`.
/// Returns the exit status: 0 done, 1 failed, 2 wrong usage.
int triage_command(std::span<const std::string> args, std::istream& in, std::ostream& out, std::ostream& err);

}  // namespace sb::triage
