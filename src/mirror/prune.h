/// Old objects of a mirror are taken away when a newer snapshot stands in for them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/errors.h"
#include "mirror/segment.h"
#include "mirror/target.h"

namespace sb::mirror {

/// What can go, in the order in which it must: of `current`, the snapshot that counts, and those before it the newest
/// one stays that is older than `since_us`, and everything after it: so that, besides the newest state, the way there
/// since that time stays. What is older goes, segments first (but for the newest: it says whose the mirror is); without
/// such a snapshot nothing does. Errors: as the target's.
Result<std::vector<std::string>> prunable(Target& target, std::string_view key, const SnapshotId& current,
                                          Micros since_us);

}  // namespace sb::mirror
