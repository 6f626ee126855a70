/// Content that leaves by `audit prove --disclose` is on the record first, as content that the API shows is.
#pragma once

#include "audit/command_flags.h"
#include "base/ids.h"
#include "store/data_dir.h"
#include "store/store.h"

namespace sb::audit {

/// Appends the leaf `record.opened`: asks the server at `--url` to, as the holder of the key in `--key-file` or
/// SIGNALBOX_API_KEY; else, where no server works on the data directory, itself, as "local".
/// Errors: conflict (a server does, and --url is missing), unavailable, permission_denied (the server refuses).
Result<> record_disclosure(const Flags& flags, const store::DataDir& data, const store::RunRow& run);

}  // namespace sb::audit
