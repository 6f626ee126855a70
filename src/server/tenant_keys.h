/// The tenants' keys as a server opens them: wrapped by the configured master key, one for every tenant there is.
#pragma once

#include <memory>

#include "keys/envelope.h"
#include "server/services.h"

namespace sb::server {

/// Makes what is missing, and wraps anew after a change of the master key; both are on the record. REQUIRES data, store
/// and keys. Errors: permission_denied (another master key), not_found and invalid_argument (the reference).
Result<std::unique_ptr<TenantKeys>> open_tenant_keys(Services& services);

}  // namespace sb::server
