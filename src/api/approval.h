/// A second person's word on what somebody wants in force.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/errors.h"
#include "keys/key.h"

namespace sb::api {

struct Approvable {
  std::string_view author;  ///< id of a key
  Micros created_us = 0;
  std::string_view what;  ///< for the refusal: "policy"
};

/// Keys are all we know of people. Who has none, or the file's, is known by that. `keys`: all there are.
/// Errors: permission_denied (its author, a key of the same person as far as the keys' makers tell, or one that is
/// younger than what it approves: its author may have made it for this).
Result<> check_approver(const Approvable& wanted, const std::string& approver, std::span<const KeyRecord> keys);

}  // namespace sb::api
