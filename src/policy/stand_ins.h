/// What stands for an identifier or a number that a request refers by, where a policy found a value in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sb::policy {

/// As long as the identifier and of the same marks, its letters and digits other letters: who takes the one takes the
/// other. The same for the same identifier under the same key.
std::string stand_in_for(std::string_view tenant_key, std::string_view identifier);

/// A seed: the same for the same digits under the same key.
std::uint32_t stand_in_number(std::string_view tenant_key, std::string_view digits);

}  // namespace sb::policy
