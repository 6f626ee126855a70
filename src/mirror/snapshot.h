/// The whole database in a mirror, so that a restore need not apply every group since the beginning.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/errors.h"
#include "mirror/target.h"

namespace sb::mirror {

/// Group of the newest whole snapshot; 0 where there is none, or it is of an empty database.
Result<std::uint64_t> newest_snapshot(Target& target);

/// Copies the database as it is now, beside its server. The copy has no data keys: they lie apart. Returns its group.
Result<std::uint64_t> send_snapshot(Target& target, std::string_view key, const std::string& database);

/// Writes the newest snapshot to `path`. Errors: not_found (none), corrupt.
Result<std::uint64_t> fetch_snapshot(Target& target, std::string_view key, const std::string& path);

}  // namespace sb::mirror
