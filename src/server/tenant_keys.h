/// The tenants' keys as a server opens them: wrapped by the configured master key, one for every tenant there is.
#pragma once

#include <string>

#include "keys/envelope.h"
#include "server/services.h"

namespace sb::server {

/// As the configuration names it; where it names none, made of the data directory's own key. REQUIRES config and data.
/// Errors: not_found and invalid_argument (the reference), unavailable (the command).
Result<std::string> master_key(const Services& services);

/// For a database whose documents earlier versions kept in clear. `services` outlives it.
store::SealDocument document_sealing(const Services& services, std::string master);

/// The keys there are, wrapped anew after a change of the master key, with one of the server's own. What changes is on
/// the record. REQUIRES data and store. Errors: permission_denied (another master key), corrupt.
Result<> open_tenant_keys(Services& services, const std::string& master);

/// Makes what tenants lack: each has a key. REQUIRES keys and tenant_keys.
Result<> complete_tenant_keys(Services& services);

}  // namespace sb::server
