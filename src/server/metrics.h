/// What the parts count, as Prometheus sees it.
#pragma once

#include <memory>
#include <vector>

#include "server/services.h"
#include "server/shard.h"

namespace sb::server {

/// Probes live as long as the process; `services` and `shards` must too.
void register_metrics(Services& services, const std::vector<std::unique_ptr<Shard>>& shards);

}  // namespace sb::server
