/// A data directory is made again from a mirror.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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
  std::uint64_t keys = 0;           ///< of runs
  std::uint64_t erased_runs = 0;    ///< whose keys went with an erasure
  std::uint64_t signed_leaves = 0;  ///< under the newest tree head, which they lead to; 0: none was shown
  std::vector<std::string> losses;  ///< what the mirror had and lacks now
  std::int64_t elapsed_us = 0;
};

struct RestoreOptions {
  /// Of a damaged mirror: what is left, and `losses` says what is not.
  bool accept_loss = false;
};

/// Makes `folder` a data directory as the mirror last saw it; the next start goes on with its runs and its log. It is
/// made whole beside, its leaves held against every tree head that the mirror, the database and the folder know, its
/// tiles written; then it is put in place, the keys last, without which no server starts on a database. What fails
/// leaves nothing behind. Keys and tree heads that are in the folder stay if they are this record's.
/// Errors: already_exists (it has a database, or keys of another), not_found (no mirror there), conflict (somebody
/// works there; the mirror does not lead to a tree head in the folder), corrupt (another key; a changed, missing or
/// exchanged object), disk_full, permission_denied.
Result<RestoreReport> restore(Target& target, std::string_view key, const std::string& folder,
                              const RestoreOptions& options = {});

}  // namespace sb::mirror
