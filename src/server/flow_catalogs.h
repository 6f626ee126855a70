/// Flows at the start, with the functions that they call of catalogs: those that were had when a flow was new.
#pragma once

#include <memory>
#include <string_view>

#include "server/services.h"

namespace sb::server {

/// REQUIRES that the hosts and secrets of flows are known. A text that was not there before, in `flows.dir`, has its
/// functions fetched, and kept. `containers`: as flow::load_flow. Errors: as flow::load_flow, the store's.
Result<std::shared_ptr<const flow::Flow>> load_with_catalogs(Services& services, std::string_view text,
                                                             std::string_view origin,
                                                             const flow::ContainerOptions* containers);

}  // namespace sb::server
