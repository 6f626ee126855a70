/// `signalbox runs`: finds runs of a running server, and notes on them what people make of them.
#pragma once

#include "cli/args.h"

namespace sb::cli {

Command runs_command();

}  // namespace sb::cli
