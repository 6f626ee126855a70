/// The composition root: turns a configuration into objects, runs them, and takes them down again in order.
#pragma once

#include <string>

#include "config/config.h"

namespace sb::server {

struct ServeOptions {
  Config config;
  std::string config_dir;  ///< what relative paths of the configuration start from, for messages
};

/// Runs until SIGTERM or SIGINT, then drains. Returns the process's exit status: 0, or 1 if it could not start (one
/// line on standard error says why).
int serve(ServeOptions options);

struct InitReport {
  std::string key;  ///< the first admin key; empty where there was one already
  std::string data_dir;
};

/// Makes the data directory, its secrets and, if there are no keys yet, the first admin key. Idempotent.
/// Errors: as opening the store; conflict (a server is running there).
Result<InitReport> init(const Config& config);

}  // namespace sb::server
