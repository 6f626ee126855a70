/// `signalbox attest`: puts on the record what people did outside of the server.
#pragma once

#include "cli/args.h"

namespace sb::cli {

Command attest_command();

}  // namespace sb::cli
