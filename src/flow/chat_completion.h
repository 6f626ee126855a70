/// OpenAI chat completions that we write ourselves: answers of scripts and people, and streams put together again.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "model/price.h"
#include "policy/chat_chunk.h"

namespace sb::flow {

struct CompletionFacts {
  std::string_view run;    ///< its id names the completion: "chatcmpl-<run>"
  std::string_view model;  ///< what `model` says
  Micros created_us = 0;
  model::Usage usage;
};

/// A whole `chat.completion` with one assistant message.
std::string completion_json(const CompletionFacts& facts, std::string_view text);

/// The same answer as a client that asked for a stream reads it: `chat.completion.chunk` payloads of a whole
/// completion. With `include_usage` the last one holds the usage and no choices, as `stream_options` promises.
std::vector<std::string> completion_chunks(std::string_view completion, bool include_usage);

/// Puts the chunks of one stream together into the completion that would have been sent whole.
class CompletionAssembler {
 public:
  void add(std::string_view chunk_payload);
  /// `usage` replaces what the chunks said, if they said nothing.
  std::string finish(const model::Usage& usage) const;

 private:
  struct Choice {
    json::object message;              ///< role, content, refusal, tool_calls
    std::optional<json::string> text;  ///< of a legacy completion, which has no message
    json::value finish_reason;
    json::value logprobs;
  };
  bool add_text(std::string_view chunk_payload);
  static void merge_delta(json::object& message, const json::object& delta);
  json::object head_;
  std::map<std::int64_t, Choice> choices_;
  json::value usage_;
  policy::ChatChunk chunk_;  // its memory is reused
};

/// Content of the first choice's message, or the text of a legacy one; empty where there is none.
std::string answer_text(const json::value& completion);

}  // namespace sb::flow
