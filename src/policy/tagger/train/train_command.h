/// `signalbox policy train`.
#pragma once

#include <iosfwd>
#include <span>
#include <string>

namespace sb::policy {

/// `args`: what follows "train". Returns the exit status.
int train_command(std::span<const std::string> args, std::ostream& out, std::ostream& err);

}  // namespace sb::policy
