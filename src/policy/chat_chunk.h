/// What a streamed chat chunk holds that the guard must see, with its places in the bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"

namespace sb::policy {

/// A piece of one of the answer's texts.
struct ChatPiece {
  static constexpr std::int64_t kNoTool = -1;
  static constexpr std::int64_t kLegacyFunction = -2;  ///< "function_call", before there were tool calls

  std::int64_t choice = 0;
  std::int64_t tool = kNoTool;  ///< index of the tool call whose arguments this is
  std::string field;            ///< "content", "refusal", "arguments", ...
  std::string text;             ///< unescaped
  std::size_t offset = 0;       ///< of the literal's bytes, behind the opening quote
  std::size_t size = 0;         ///< up to the closing quote
};

/// A choice's log probabilities repeat its text token by token: they go where the text changes.
struct ChatLogprobs {
  std::int64_t choice = 0;
  std::size_t offset = 0;
  std::size_t size = 0;
};

struct ChatChunk {
  std::vector<ChatPiece> pieces;
  std::vector<ChatLogprobs> logprobs;
  std::vector<ChatPiece> others;       ///< all other strings but identifiers: looked at whole, where they stand
  std::vector<std::int64_t> finished;  ///< choices with a finish_reason
  std::size_t choices_at = 0;          ///< offset behind the '[' of "choices"; 0: there is none
  bool only_text = true;               ///< pieces and nothing else: emptied, it need not be sent
};

/// Overwrites `chunk`, whose memory is reused. Errors: upstream_invalid (not a JSON object, or wrong types in it).
Result<> read_chat_chunk(std::string_view payload, ChatChunk& chunk);

}  // namespace sb::policy
