/// `signalbox flow validate`.
#pragma once

#include "cli/args.h"

namespace sb::cli {

Command flow_command();

}  // namespace sb::cli
