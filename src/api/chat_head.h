/// The few members of an OpenAI request that decide what to do with it, read without parsing the rest.
#pragma once

#include <string>
#include <string_view>

#include "base/errors.h"

namespace sb::api {

struct ChatHead {
  std::string model;
  bool stream = false;
  bool include_usage = false;
};

/// `body` gets room for the parser behind its end; its text stays. `wants` is the member that must be there:
/// "messages" (an array that is not empty) or "input".
/// Errors: invalid_argument (`param` names the member), with what was expected.
Result<ChatHead> read_head(std::string& body, std::string_view wants);

}  // namespace sb::api
