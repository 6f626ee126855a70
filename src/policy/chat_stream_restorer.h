/// Values back where their placeholders stand, in the payloads of one streamed answer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policy/chat_chunk.h"
#include "policy/json_stream_guard.h"

namespace sb::policy {

/// Takes what ChatStreamGuard let out, in order: a placeholder is whole within a payload, but whether it stands in
/// JSON, where a value is escaped, the payloads before say. So an answer that is read again from its journal is
/// restored from its beginning on, and is the same.
///
/// Borrows the vault. Not thread-safe.
class ChatStreamRestorer {
 public:
  /// `pieces`: which texts are JSON whatever they look like.
  explicit ChatStreamRestorer(const TokenVault& vault, JsonPieces pieces = JsonPieces::arguments);

  /// A payload that cannot be read comes back as it is.
  std::string restore(std::string_view payload);

 private:
  struct Text {
    ChatText of;
    JsonStream reader{};  // follows the text; what it lets out is not used
  };

  Text& text_for(const ChatText& of);
  std::string restored(const ChatPiece& piece);

  const TokenVault& vault_;
  JsonPieces pieces_;
  TokenVault none_;
  GuardContext context_{Direction::outbound, {}, {}, none_, false};
  std::vector<Text> texts_;
  ChatChunk chunk_;
  ScanResult scan_;
};

}  // namespace sb::policy
