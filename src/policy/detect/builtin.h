/// The detectors we ship. Each is immutable; a Policy owns its set.
#pragma once

#include <memory>
#include <vector>

#include "policy/detector.h"

namespace sb::policy {

std::unique_ptr<Detector> make_email_detector();   ///< EMAIL
std::unique_ptr<Detector> make_number_detector();  ///< CREDIT_CARD, US_SSN, PHONE
std::unique_ptr<Detector> make_iban_detector();    ///< IBAN
std::unique_ptr<Detector> make_ipv4_detector();    ///< IP_ADDRESS
std::unique_ptr<Detector> make_secret_detector();  ///< SECRET

/// All of the above.
std::vector<std::shared_ptr<const Detector>> make_builtin_detectors();

}  // namespace sb::policy
