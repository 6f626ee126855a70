/// Detectors that a policy document describes itself: employee numbers, project names, contract ids.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "policy/detector.h"

namespace sb::policy {

/// One entry of a policy's `detectors` list. `pattern`, `words` or both; each match is one finding.
struct CustomDetector {
  std::string name = {};     ///< unique in the policy; becomes the finding's detector and rule
  std::string type = {};     ///< "EMPLOYEE_ID": what rules speak of
  std::string pattern = {};  ///< see detect/pattern.h; matched at word boundaries, decided within kWindowBytes
  std::vector<std::string> words = {};  ///< 2 to 48 bytes each; see WordSet
  std::string check = {};               ///< one of custom_checks(), over the match's letters and digits; empty: none
  std::vector<std::string> context =
      {};  ///< one of these words must stand in the kWindowBytes before (or be the JSON key)
  float score = 0.85F;
};

/// Errors: invalid_argument, naming the member that is wrong and what would be right.
Result<std::shared_ptr<const Detector>> make_custom_detector(CustomDetector description);

/// "luhn", "mod97", ...: the check digit schemes a custom detector may ask for.
std::vector<std::string> custom_checks();

}  // namespace sb::policy
