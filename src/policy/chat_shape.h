/// The shape of OpenAI's chat documents, as far as a guard must know it: which members the protocol owns.
#pragma once

#include <cstdint>
#include <string_view>

namespace sb::policy {

/// Where in a document an object stands. The elements of an array stand where the array stands.
enum class ChatPlace : std::uint8_t {
  other,  ///< anywhere else: schemas, metadata, what a vendor adds
  request,
  response,   ///< or a chunk of one; of an embeddings answer, too
  message,    ///< or a chunk's delta
  part,       ///< of a message's content
  media,      ///< an image, sound or file in it
  audio,      ///< a message's
  reasoning,  ///< one of a message's reasoning_details
  tool,       ///< a definition or a choice of one
  tool_call,
  function,  ///< of a tool or a call; or a schema that an answer is to have
  schema,    ///< and everything in it
  response_format,
  choice,
  logprobs,
  vector,  ///< one of an embeddings answer
  usage,   ///< and everything in it
};

enum class MemberKind : std::uint8_t {
  text,        ///< strings and numbers are looked at
  identifier,  ///< a string names something and is left alone where it has no other characters than names have
  reference,   ///< the same, and the name is the caller's own: another does as well, if it is the same wherever it
               ///< stands
  payload,     ///< a string is a picture or sound and is left alone where it truly is base64
  number,      ///< numbers are left alone
};

/// A member that the protocol defines: its name is no text.
struct ChatMember {
  std::string_view key;
  MemberKind kind = MemberKind::text;
  ChatPlace inside = ChatPlace::other;  ///< of an object in it
};

/// Null: the protocol does not define it there.
const ChatMember* chat_member(ChatPlace place, std::string_view key);
/// Where an object stands that is the value of such a member (null: of another one).
ChatPlace place_inside(ChatPlace place, const ChatMember* member);

/// Whether a number there is the protocol's: a limit, an index, a count of tokens.
bool is_protocol_number(ChatPlace place, const ChatMember* member);
/// Whether the string is to be left alone: an identifier or base64 where the protocol has one. `member`: as above.
bool is_passed_over(const ChatMember* member, std::string_view text);
/// Whether it is a name as programs have them: of a function, a parameter, a value of an enumeration.
bool is_program_name(std::string_view text);
/// Whether a schema's member says how things are called, not what they are.
bool holds_program_names(std::string_view key);
/// A word of the protocol itself: no value is one.
bool is_protocol_word(std::string_view text);
/// Pictures, sound and documents in base64, told by their first bytes: left alone wherever they stand.
bool is_media(std::string_view text);

}  // namespace sb::policy
