/// The mirror as the configuration names it.
#pragma once

#include "server/services.h"

namespace sb::server {

/// Null where none is configured. REQUIRES data. Errors: invalid_argument, not_found (references), as the place's.
Result<std::unique_ptr<mirror::Mirror>> open_mirror(const Services& services);

}  // namespace sb::server
