/// The detectors we ship. Each is immutable; a Policy owns its set.
#pragma once

#include <memory>
#include <vector>

#include "policy/detector.h"

namespace sb::policy {

// Types that more than one file speaks of. Findings and Detector::types hold these very bytes.
inline constexpr std::string_view kEmailType = "EMAIL";
inline constexpr std::string_view kCardType = "CREDIT_CARD";
inline constexpr std::string_view kIbanType = "IBAN";
inline constexpr std::string_view kPhoneType = "PHONE";
inline constexpr std::string_view kDateType = "DATE_TIME";
inline constexpr std::string_view kBirthType = "DATE_OF_BIRTH";
inline constexpr std::string_view kAgeType = "AGE";
inline constexpr std::string_view kWalletType = "CRYPTO";
inline constexpr std::string_view kIpType = "IP_ADDRESS";
inline constexpr std::string_view kMacType = "MAC_ADDRESS";
inline constexpr std::string_view kUrlType = "URL";
inline constexpr std::string_view kSecretType = "SECRET";

std::unique_ptr<Detector> make_email_detector();      ///< EMAIL
std::unique_ptr<Detector> make_number_detector();     ///< cards, accounts, telephones, dates, ages, identifiers
std::unique_ptr<Detector> make_network_detector();    ///< IP_ADDRESS, MAC_ADDRESS
std::unique_ptr<Detector> make_url_detector();        ///< URL
std::unique_ptr<Detector> make_date_word_detector();  ///< DATE_TIME, DATE_OF_BIRTH that begin with a word; spoken PHONE
std::unique_ptr<Detector> make_secret_detector();     ///< SECRET

/// All of the above.
std::vector<std::shared_ptr<const Detector>> make_builtin_detectors();

}  // namespace sb::policy
