/// The record's log as the configuration has it: origin, witnesses, time stamps.
#pragma once

#include <memory>

#include "audit/log.h"
#include "server/services.h"

namespace sb::server {

/// REQUIRES services.data. `sign`: as AuditLogOptions. Errors: invalid_argument (with the key of the configuration).
Result<std::unique_ptr<audit::AuditLog>> make_audit_log(const Services& services, bool sign);

}  // namespace sb::server
