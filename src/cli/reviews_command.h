/// `signalbox reviews list|show|claim|approve|edit|reject`: a person's work from a terminal.
#pragma once

#include "cli/args.h"

namespace sb::cli {

Command reviews_command();

}  // namespace sb::cli
