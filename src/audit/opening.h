/// Content that a command opens beside the server is on the record first, as content that the API shows is.
#pragma once

#include <optional>
#include <string>

#include "audit/command_flags.h"
#include "base/ids.h"
#include "base/json.h"
#include "store/data_dir.h"

namespace sb::audit {

struct CommandOpening {
  std::string tenant;        ///< empty: of all tenants
  std::optional<RunId> run;  ///< nothing: several
  json::object summary;      ///< in the order of its members' bytes; with `run` `{"what":"proof"}`
};

/// Appends the leaf `record.opened`: asks the server at `--url` to, as the holder of the key in `--key-file` or
/// SIGNALBOX_API_KEY; else, where no server works on the data directory, itself, as "local".
/// Errors: conflict (a server does, or the directory is mirrored, and --url is missing), unavailable, permission_denied
/// (the server refuses).
Result<> record_opening(const Flags& flags, const store::DataDir& data, const CommandOpening& opening);

}  // namespace sb::audit
