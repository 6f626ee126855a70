/// Log probabilities of an answer's tokens: they spell it out, cut where no detector sees a value whole.
#pragma once

#include <string>
#include <string_view>

#include "base/errors.h"

namespace sb::policy {

struct SpeltLogprobs {
  std::string tokens;  ///< the answer as they spell it
  std::string beside;  ///< what might have stood there, and whatever else: a string a line
};

/// Reads the "logprobs" of a choice, in the shape of chat answers or of completions before them.
/// Errors: invalid_argument (no JSON object).
Result<SpeltLogprobs> spell_logprobs(std::string_view json);

}  // namespace sb::policy
