/// `signalbox serve` and `signalbox init`.
#pragma once

#include "cli/args.h"

namespace sb::cli {

Command serve_command();
Command init_command();

}  // namespace sb::cli
