/// StreamGuard for OpenAI's streamed chat answers.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "policy/chat_chunk.h"
#include "policy/json_stream_guard.h"

namespace sb::policy {

/// Takes the `data:` payloads of one answer (chat.completion.chunk objects, without "data: " and without "[DONE]") and
/// gives back those to send on. Each text of the answer - content, refusal, reasoning of each choice, arguments of each
/// tool call - is one stream of its own. A chunk with nothing to change passes byte for byte; in others only the text's
/// literal changes (and log probabilities, which repeat it, become null). What is held back comes with a later chunk of
/// the same text, at the latest in one of its own before the chunk with the choice's finish_reason.
///
/// At most kMaxStreams texts; below 1 KB each. Borrows policy and context. Not thread-safe. After a `block` or `human`
/// verdict or an error nothing more comes out: the caller ends the stream with an error event.
class ChatStreamGuard {
 public:
  static constexpr std::size_t kMaxStreams = 256;

  ChatStreamGuard(const Policy& policy, GuardContext& context);
  ~ChatStreamGuard();

  /// Errors: upstream_invalid (no JSON object), too_large (kMaxStreams), internal (a detector failed).
  Result<std::vector<std::string>> feed(std::string_view payload);
  /// The answer is complete, or broke off: what was held back, one payload a text. Errors: as feed.
  Result<std::vector<std::string>> finish();

  Verdict verdict() const { return verdict_; }
  /// Of all texts, in the order of the texts' first appearance, then of what stood beside them.
  std::vector<GuardedFinding> findings() const;

 private:
  struct Stream;

  Result<> guard_chunk(std::string_view payload, std::vector<std::string>& out);
  /// What stands beside the texts: whole strings, where they stand. Errors: internal (a detector failed).
  Result<> guard_others(TextEdits& edits);
  Result<Stream*> stream_for(const ChatPiece& piece);
  Result<> flush(std::int64_t choice, bool every_choice, std::vector<std::string>& out);
  std::string own_chunk(const Stream& stream, std::string_view text) const;
  bool stopped() const { return failed_ || verdict_ >= Verdict::human; }

  const Policy& policy_;
  GuardContext& context_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::string envelope_;  // the last chunk's beginning, up to and with "choices":[
  ChatChunk chunk_;
  GuardScratch scratch_;
  std::vector<GuardedFinding> beside_;  // findings beside the texts
  std::vector<ChatPiece> clean_;        // the last chunk's strings beside the texts, found clean: chunks repeat them
  bool failed_ = false;
  Verdict verdict_ = Verdict::allow;
};

}  // namespace sb::policy
