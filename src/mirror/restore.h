/// A data directory is made again from a mirror.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/errors.h"
#include "mirror/target.h"

namespace sb::mirror {

/// In the data directory, while it is made.
inline constexpr const char* kRestoreFolder = ".restoring";

struct RestoreReport {
  std::uint64_t snapshot_group = 0;
  std::uint64_t groups = 0;    ///< of commits the database has now
  std::uint64_t segments = 0;  ///< applied
  std::uint64_t runs = 0;
  std::uint64_t leaves = 0;
  std::uint64_t keys = 0;
  std::int64_t elapsed_us = 0;
};

/// Makes `folder` a data directory as the mirror last saw it; the next start goes on with its runs and its log. It is
/// made whole beside and put in place at the end: the keys last, without which no server starts on a database. What
/// fails leaves nothing behind.
/// Errors: already_exists (it has a database, or keys of another), not_found (no mirror there), conflict (somebody
/// works there), corrupt (another key; a changed, missing or exchanged object), disk_full, permission_denied.
Result<RestoreReport> restore(Target& target, std::string_view key, const std::string& folder);

}  // namespace sb::mirror
