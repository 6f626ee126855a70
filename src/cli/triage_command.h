/// `signalbox triage trials`, `versions`, `use`, `approve`: the triage of a running server. The module's own commands
/// are in triage/command.h.
#pragma once

#include <iosfwd>
#include <span>
#include <string>

namespace sb::cli {

/// Whether the command asks a running server. `arguments` behind "triage".
bool is_live_triage(std::span<const std::string> arguments);
/// Answers the exit status.
int live_triage_command(std::span<const std::string> arguments, std::ostream& out, std::ostream& err);

}  // namespace sb::cli
