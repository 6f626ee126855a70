/// Earlier versions stored idempotency keys as clients wrote them, and a plain hash of the request beside each.
#pragma once

#include "server/services.h"

namespace sb::server {

/// Puts keyed hashes in their place, in whatever database is opened, a restored one too, and leaves no copy of what was
/// there. Where there is nothing to do it looks at a few index entries a tenant. Errors: as Store::commit and scrub.
Result<> hide_request_names(Services& services);

}  // namespace sb::server
