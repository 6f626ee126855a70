/// Old objects of a mirror are taken away when a newer snapshot stands in for them.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/errors.h"
#include "mirror/segment.h"
#include "mirror/target.h"

namespace sb::mirror {

/// Of `current`, the snapshot that counts, and those before it keeps the newest one that is older than `since_us`, and
/// everything after it: so that, besides the newest state, the way there since that time stays. What is older goes,
/// segments first (but for the newest: it says whose the mirror is); without such a snapshot nothing does. How many
/// objects went. Errors: as the target's; what could not go is tried again the next time.
Result<std::size_t> prune(Target& target, std::string_view key, const SnapshotId& current, Micros since_us);

}  // namespace sb::mirror
