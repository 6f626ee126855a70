/// The end of the chain of segments: whose the mirror is, and what of it counts.
#pragma once

#include <optional>
#include <string_view>

#include "base/crypto.h"
#include "base/errors.h"
#include "mirror/segment.h"
#include "mirror/target.h"

namespace sb::mirror {

/// The newest segment, and its hash.
struct ChainEnd {
  Segment segment;
  Digest hash{};
};
/// Nothing: there is no mirror there. Errors: as the target's; corrupt (also: another key).
Result<std::optional<ChainEnd>> read_chain_end(Target& target, std::string_view key);

}  // namespace sb::mirror
