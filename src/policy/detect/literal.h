/// Detectors for words that a policy names itself, and for our own placeholders.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "policy/detector.h"

namespace sb::policy {

/// Finds `words` (each 2 to 48 bytes) as whole words in any ASCII letter case, as type DENIED; `rule` becomes the
/// finding's rule.
std::unique_ptr<Detector> make_deny_detector(std::string rule, std::vector<std::string> words);

/// Finds what looks like a placeholder of TokenVault.
std::unique_ptr<Detector> make_placeholder_detector();

}  // namespace sb::policy
