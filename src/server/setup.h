/// What a server is started with, on the record.
#pragma once

#include "server/services.h"

namespace sb::server {

/// Appends the leaf `config.change` where Services::setup is not what it was at the last start: versions before and
/// after of each part that differs. Changes of the policy have leaves of their own. On a full disk the server starts
/// all the same, and the next start records it. Errors: as the store's.
Result<> record_setup(Services& services);

}  // namespace sb::server
