/// `signalbox restore` and `signalbox mirror check`.
#pragma once

#include <ostream>
#include <span>
#include <string>

namespace sb::mirror {

/// Exit codes: 0 done (the mirror is the store), 1 not (they differ, or the restore failed), 2 wrong usage.
int restore_command(std::span<const std::string> args, std::ostream& out, std::ostream& err);
int mirror_command(std::span<const std::string> args, std::ostream& out, std::ostream& err);

}  // namespace sb::mirror
