/// Messages and their content parts, from the OpenAI form to Anthropic's. Pure; private to anthropic_request.cc.
#pragma once

#include <string>

#include "base/errors.h"
#include "base/json.h"

namespace sb::model {

/// The turns of a conversation as Anthropic wants them: system texts apart, turns of one side joined.
struct AnthropicTurns {
  json::array system;    ///< text blocks
  json::array messages;  ///< {role, content: blocks}
};

/// Errors: invalid_argument, unsupported (`param` names the message and its member).
Result<AnthropicTurns> to_anthropic_turns(const json::value& messages);

}  // namespace sb::model
