/// Triage that learns from labels by itself (triage.learn).
#pragma once

#include "base/task.h"
#include "server/services.h"

namespace sb::server {

/// Looks for new labels again and again, as long as the server runs; on one shard. Where nothing is configured it
/// returns at once.
Task<void> keep_learning(Services& services);

}  // namespace sb::server
