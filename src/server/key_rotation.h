/// Finishes rotations of tenants' keys beside the requests.
#pragma once

#include "base/task.h"
#include "server/services.h"

namespace sb::server {

/// Never ends; goes on with what the last server left. What failed is tried again.
Task<void> keep_key_rotation(Services& services);

}  // namespace sb::server
