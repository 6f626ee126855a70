/// What callers write beside their input: whose data it is, and what makes a repeated request one request.
#pragma once

#include <string>
#include <string_view>

#include "base/errors.h"

namespace sb::flow {

/// Whose data it is, as `x-signalbox-subject` says, without blanks around it; empty: nobody was named.
/// Errors: invalid_argument (control characters, or not UTF-8: an erasure would look for another one).
Result<std::string> subject_name(std::string_view said);

/// Errors: invalid_argument (over 255 characters).
Result<> check_idempotency_key(std::string_view key);

}  // namespace sb::flow
