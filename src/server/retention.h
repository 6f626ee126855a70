/// Erases the content of runs whose time has come.
#pragma once

#include "base/task.h"
#include "server/services.h"

namespace sb::server {

/// Never ends; looks at the start and then every hour. What could not be erased is tried again the next time.
Task<void> keep_retention(Services& services);

}  // namespace sb::server
