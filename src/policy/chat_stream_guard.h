/// StreamGuard for OpenAI's streamed chat answers.
#pragma once

#include <cstdint>
#include <forward_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "policy/chat_chunk.h"
#include "policy/json_stream_guard.h"

namespace sb::policy {

/// Takes the `data:` payloads of one answer (chat.completion.chunk objects, without "data: " and without "[DONE]") and
/// gives back those to send on. Each text of the answer - content, refusal, reasoning, the transcript of each choice,
/// name and arguments of each tool call - is one stream of its own. A chunk with nothing to change passes byte for
/// byte; in others only the text's literal changes. What is held back comes with a later chunk of the same text, at the
/// latest in one of its own before the chunk with the choice's finish_reason.
///
/// A function's name is complete where arguments come beside or behind it: clients call by it; every text is where its
/// choice has a finish_reason. Should it go on all the same, what makes it say something that must not pass is left
/// out. Log probabilities, which repeat a text, become null where it changed or is not decided yet, or where they say
/// anything else.
///
/// At most kMaxStreams texts; stream_state_test.cc measures what is kept of each. Borrows policy and context. Not
/// thread-safe. After a `block` or `human` verdict or an error nothing more comes out: the caller ends the stream with
/// an error event.
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
  struct Work;
  struct Clean {
    explicit Clean(const ChatAside& aside);
    Clean() = default;
    bool is(const ChatAside& aside) const;

    ChatAside::Kind kind = ChatAside::Kind::text;
    std::uint32_t key_size = 0;
    std::string key_and_text;
  };

  Result<> guard_chunk(std::string_view payload, std::vector<std::string>& out);
  /// What the piece's text lets out now.
  Result<std::string> guard_piece(const ChatPiece& piece, bool is_last, std::vector<std::string>& out);
  void note_last_pieces();
  /// Whether this chunk has a piece of the text `field` of the same call.
  bool comes_now(const ChatText& beside, ChatText::Field field) const;
  Result<> end_name(const ChatText& arguments, std::vector<std::string>& out);
  Result<std::string> guard_late(Stream& stream, std::string_view text);
  /// What stands beside the texts, where it stands. Errors: internal (a detector failed).
  Result<> guard_asides(TextEdits& edits);
  Result<bool> is_clean(std::string_view text);
  Result<bool> repeats_the_texts(std::string_view logprobs, std::int64_t choice);
  Stream* find(const ChatText& text);
  Result<Stream*> stream_for(const ChatText& text);
  Result<std::string> feed(Stream& stream, std::string_view piece, bool complete);
  Result<std::string> finish(Stream& stream);
  Result<> flush(std::int64_t choice, bool every_choice, std::vector<std::string>& out);
  std::string own_chunk(const ChatText& text, std::string_view bytes) const;
  bool stopped() const { return failed_ || verdict_ >= Verdict::human; }

  const Policy& policy_;
  GuardContext& context_;
  std::forward_list<Stream> streams_;
  std::string envelope_;                       // the last chunk's beginning, up to and with "choices":[
  Work* work_ = nullptr;                       // the thread's, while a chunk is looked at
  std::vector<GuardedFinding> beside_;         // findings beside the texts
  std::unique_ptr<std::vector<Clean>> clean_;  // what stood there in the last chunk, found clean: chunks repeat it
  bool failed_ = false;
  Verdict verdict_ = Verdict::allow;
};

}  // namespace sb::policy
