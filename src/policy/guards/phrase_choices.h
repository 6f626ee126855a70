/// Phrases with choices, as documents write them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"

namespace sb::policy {

/// "(rank|reject) the applicant(s|)" is four phrases, in the order in which a reader sees them; choices do not nest.
/// Without parentheses: the phrase itself. Errors: invalid_argument (parentheses that do not match, more than `most`
/// phrases).
Result<std::vector<std::string>> phrase_choices(std::string_view phrase, std::size_t most);

}  // namespace sb::policy
