/// `signalbox erase`: a person's data, or one run's, goes for ever.
#pragma once

#include "cli/args.h"

namespace sb::cli {

Command erase_command();

}  // namespace sb::cli
