/// `signalbox replay`: what another configuration would have made of recorded traffic.
#pragma once

#include "cli/args.h"

namespace sb::cli {

/// The `replay` command; add it to the root.
Command replay_command();

}  // namespace sb::cli
