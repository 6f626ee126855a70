/// With what a router looks at texts: two that have the same see the same in every text, whatever they make of it.
#pragma once

#include <string>

#include "triage/router_config.h"

namespace sb::triage {

/// First 16 hex digits of a SHA-256 over the classifier without its thresholds, whether its encoder is there, and the
/// words that rules wait for. Costs a pass over the weights.
std::string sight_of(const Router::Config& config);

}  // namespace sb::triage
