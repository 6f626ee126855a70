/// What a declaration cannot say: one key that must fit another.
#pragma once

#include "config/schema.h"

namespace sb::config {

/// Tiers name declared models, aliases lead somewhere, timeouts are in order, a TLS key has a certificate.
void check_meaning(const Config& config, ReadState& state);

}  // namespace sb::config
