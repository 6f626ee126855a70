/// A mirror is held against the database it is of.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "mirror/target.h"

namespace sb::mirror {

/// In the data directory, while it is compared.
inline constexpr const char* kCheckFolder = ".mirror-check";

struct CheckReport {
  std::uint64_t store_groups = 0;
  std::uint64_t mirror_groups = 0;
  std::uint64_t log_leaves = 0;       ///< under the tree head of the mirror's published log, which verifies
  std::vector<std::string> problems;  ///< what a restore would lack, or would have otherwise
  bool ok() const { return problems.empty() && store_groups == mirror_groups; }
};

/// Rebuilds the database from the mirror beside `folder`'s own and compares them row by row; compares the keys of the
/// data directory; verifies the mirror's published log, and that its tree head is over our leaves. A server may be at
/// work on both. Errors: not_found (no database, no mirror), conflict (another check is at work), as rebuild().
Result<CheckReport> check(Target& target, std::string_view key, const std::string& folder);

}  // namespace sb::mirror
