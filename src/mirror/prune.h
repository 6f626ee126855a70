/// Old objects of a mirror are taken away when a newer snapshot stands in for them.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/errors.h"
#include "mirror/target.h"

namespace sb::mirror {

/// Keeps the newest snapshot that is older than `since_us` and everything after it: so that, besides the newest state,
/// the way there since that time stays. What is older goes, segments first; without such a snapshot nothing does. How
/// many objects went. Errors: as the target's; what could not go is tried again the next time.
Result<std::size_t> prune(Target& target, std::string_view key, Micros since_us);

}  // namespace sb::mirror
