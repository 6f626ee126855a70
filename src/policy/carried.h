/// Placeholders in a text that goes from one run to another.
///
/// `[EMAIL_1]` means what its own run's vault says; another run has another value behind it. So the values of those
/// that stand in a text go with it, and the run it comes to writes its own placeholders for them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "policy/vault.h"

namespace sb::policy {

struct CarriedValue {
  std::string token;  ///< "[EMAIL_1]", as the text has it
  std::string value;
};

/// Of the placeholders in a JSON text those that `vault` knows. Errors: as guard_json.
Result<std::vector<CarriedValue>> carried_values(TokenVault& vault, std::string_view json);

/// The text with the placeholders that `vault` has for the same values. One that came without a value is somebody's
/// words: where `vault` knows it, it gets another that stands for these words, so that nobody's value is put there.
/// Errors: as guard_json; too_large (the vault is full).
Result<std::string> carry_into(TokenVault& vault, std::string_view json, std::span<const CarriedValue> values);

}  // namespace sb::policy
