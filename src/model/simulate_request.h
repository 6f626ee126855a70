/// What the simulator reads out of a chat request. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/errors.h"

namespace sb::model {

struct SimulatedRequest {
  std::string model;
  bool stream = false;
  bool include_usage = false;
  bool logprobs = false;
  int n = 1;
  std::string last_user_text;
  bool last_is_user = false;  ///< the last message is the user's (not a tool's result)
  std::int64_t input_tokens = 0;
  std::string tools;            ///< raw JSON; empty: none
  std::string tool_choice;      ///< raw JSON; empty: none
  std::string response_format;  ///< raw JSON; empty: none
};

/// Errors: invalid_argument (`param` names the member).
Result<SimulatedRequest> read_simulated_request(std::string_view body);

}  // namespace sb::model
