/// Goes on with erasures that a crash or a full disk cut off.
#pragma once

#include "base/task.h"
#include "server/services.h"

namespace sb::server {

/// Never ends; looks at the start and then every few seconds.
Task<void> keep_erasures(Services& services);

}  // namespace sb::server
