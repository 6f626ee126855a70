/// An empty data directory is made again from a mirror; and a mirror is held against the database it is of.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "mirror/target.h"

namespace sb::mirror {

struct RestoreReport {
  std::uint64_t snapshot_group = 0;
  std::uint64_t groups = 0;    ///< of commits the database has now
  std::uint64_t segments = 0;  ///< applied
  std::uint64_t runs = 0;
  std::uint64_t leaves = 0;
  std::uint64_t keys = 0;
  std::int64_t elapsed_us = 0;
};

/// Makes `folder` a data directory as the mirror last saw it; the next start goes on with its runs and its log.
/// Errors: already_exists (it has a database), not_found (no mirror there), corrupt (another key; a changed, missing or
/// exchanged object).
Result<RestoreReport> restore(Target& target, std::string_view key, const std::string& folder);

struct CheckReport {
  std::uint64_t store_groups = 0;
  std::uint64_t mirror_groups = 0;
  std::vector<std::string> problems;  ///< tables whose content differs
  bool ok() const { return problems.empty() && store_groups == mirror_groups; }
};

/// Rebuilds the database from the mirror beside `folder`'s own and compares them row by row.
Result<CheckReport> check(Target& target, std::string_view key, const std::string& folder);

}  // namespace sb::mirror
