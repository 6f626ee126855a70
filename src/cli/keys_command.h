/// `signalbox keys`: the keys that data is sealed with.
#pragma once

#include "cli/args.h"

namespace sb::cli {

Command keys_command();

}  // namespace sb::cli
