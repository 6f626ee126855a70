/// An OpenAI chat request said in Anthropic's Messages API. Pure; any thread.
///
/// Carried over: system and developer messages (joined into `system`), turns, images (data URLs and links), PDF files,
/// tools, tool choice, tool results, limits, sampling, stop sequences, json_schema and json_object answers, `user`, and
/// Anthropic's own `thinking`, `top_k` and `cache_control`. Hints that change no promise are dropped: seed, store,
/// metadata, service_tier, prediction, verbosity, reasoning_effort (its thinking blocks would have to come back signed
/// in the next turn, for which the OpenAI format has no place). Temperatures above 1 become 1, as in Anthropic's own
/// compatibility layer. Everything else that would be lost is refused.
#pragma once

#include <string>
#include <string_view>

#include "base/errors.h"

namespace sb::model {

struct AnthropicRequest {
  std::string body;
  /// Set where a json_schema answer is asked for through a forced tool of that name: its input is the answer's text.
  std::string answer_tool;
};

/// Errors: invalid_argument (malformed), unsupported (n > 1, logprobs, audio ...); `param` names the member.
Result<AnthropicRequest> to_anthropic(std::string_view openai_request, std::string_view upstream_model, bool stream,
                                      std::int64_t default_max_tokens);

}  // namespace sb::model
