/// What a streamed chat chunk holds that the guard must see, with its places in the bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"

namespace sb::policy {

/// One of the texts of an answer that come in pieces.
struct ChatText {
  enum class In : std::uint8_t {
    delta,
    audio,
    function_call,
    tool_call,
    custom_call,
    reasoning_detail,
    part,            ///< of a content that is a list: one text, however many parts it comes in
    thought,         ///< of a part that says what the model thinks: the same
    thinking_block,  ///< of a list beside the content
    completion,      ///< the text of a choice without a delta, as legacy completions have it
  };
  /// The member that it is; those of a delta first.
  enum class Field : std::uint8_t {
    content,
    refusal,
    reasoning_content,
    reasoning,
    thinking,
    reasoning_text,
    transcript,
    arguments,
    name,
    input,
    text,
    summary,
  };

  std::int64_t choice = 0;
  std::int64_t index = 0;  ///< of the tool call or reasoning detail
  In in = In::delta;
  Field field = Field::content;

  /// The member's name; lives for ever.
  std::string_view key() const;

  /// Whether it is what the answer says: log probabilities repeat it.
  bool is_said() const {
    return in == In::part || in == In::completion ||
           (in == In::delta && (field == Field::content || field == Field::refusal));
  }

  friend bool operator==(const ChatText&, const ChatText&) = default;
};

/// A piece of one of them.
struct ChatPiece {
  ChatText of;
  std::string text;        ///< unescaped
  std::size_t offset = 0;  ///< of the literal's bytes, behind the opening quote
  std::size_t size = 0;    ///< up to the closing quote
};

/// What stands beside the texts: looked at whole, where it stands.
struct ChatAside {
  enum class Kind : std::uint8_t { text, name, number };

  Kind kind = Kind::text;
  std::string key;         ///< of the member; of a name: empty
  std::string text;        ///< unescaped; of a number: as it is written
  std::size_t offset = 0;  ///< of the bytes inside the quotes; of a number: of its first
  std::size_t size = 0;

  friend bool operator==(const ChatAside&, const ChatAside&) = default;
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
  std::vector<ChatAside> asides;       ///< all but what the protocol owns
  std::vector<std::int64_t> finished;  ///< choices with a finish_reason
  std::size_t choices_at = 0;          ///< offset behind the '[' of "choices"; 0: there is none
  bool only_text = true;               ///< pieces and nothing else: emptied, it need not be sent
};

/// Overwrites `chunk`, whose memory is reused. Errors: upstream_invalid (not a JSON object, or wrong types in it).
Result<> read_chat_chunk(std::string_view payload, ChatChunk& chunk);

}  // namespace sb::policy
