/// `signalbox config check|schema|docs`, and the flags by which every other command finds its configuration.
#pragma once

#include "cli/args.h"
#include "config/config.h"

namespace sb::cli {

/// Adds `--config FILE` and `--set KEY=VALUE`.
Command& add_config_flags(Command& command);

/// What those flags say, read and checked. `more` overrides come last: a command's own `--listen` is
/// `{"server.listen=" + ...}`. Errors: as `load_config`.
Result<Config> config_from(const Invocation& invocation, std::span<const std::string> more = {});

/// The `config` command; add it to the root.
Command config_command();

}  // namespace sb::cli
