/// `signalbox policy injection`: how good the classifier of injections is on texts that training did not see.
#pragma once

#include <iosfwd>
#include <span>
#include <string>

#include "policy/command.h"

namespace sb::policy {

/// `args`: what follows "policy injection". Returns the exit status: 0 done, 2 a usage or input error, explained on
/// `err`.
int injection_command(std::span<const std::string> args, std::ostream& out, std::ostream& err,
                      const PolicyTools& tools);

}  // namespace sb::policy
