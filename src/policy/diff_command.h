/// `signalbox policy diff`: two versions of a policy beside each other, over texts of a file or recorded runs.
#pragma once

#include <iosfwd>
#include <span>
#include <string>

#include "policy/command.h"

namespace sb::policy {

/// `args`: what follows "policy diff". Returns the exit status: 0 nothing would change, 1 something would, 2 a usage or
/// input error, explained on `err`, where progress is told, too.
int diff_command(std::span<const std::string> args, std::istream& in, std::ostream& out, std::ostream& err,
                 const PolicyTools& tools);

/// "2026-11-23", "2026-11-23T18:07:56Z" (UTC), or how long ago: "90m", "24h", "7d". Microseconds since the epoch.
/// Errors: invalid_argument.
Result<Micros> parse_moment(std::string_view text, Micros now_us);

}  // namespace sb::policy
