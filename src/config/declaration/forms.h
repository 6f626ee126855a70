/// Shapes of texts and bounds of numbers that several sections of the configuration share.
#pragma once

#include <cstdint>

#include "config/schema.h"

namespace sb::config {

inline constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;
// A thousand million units a day or for a million tokens: far above any price, far below overflow when summed.
inline constexpr std::int64_t kMaxMicro = 1'000'000'000LL * 1'000'000;

extern const TextForm kName;
extern const TextForm kModelName;
extern const TextForm kHeaderValue;
extern const TextForm kUrl;       ///< HTTP, without credentials
extern const TextForm kFlowName;  ///< namespace/name

}  // namespace sb::config
