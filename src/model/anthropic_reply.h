/// Anthropic's answers said in the OpenAI format, whole and streamed. Pure; any thread.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/errors.h"
#include "base/json.h"
#include "model/price.h"

namespace sb::model {

/// Input is what Anthropic splits into fresh, cache-written and cache-read tokens; the last are our cached ones.
Usage anthropic_usage(const json::value& usage);

struct AnthropicReplyOptions {
  std::string model;         ///< reported as `model`; empty: the provider's own
  std::string answer_tool;   ///< see AnthropicRequest
  std::int64_t created = 0;  ///< Unix seconds
};

struct TranslatedReply {
  std::string body;  ///< chat.completion
  Usage usage;
};

/// Errors: upstream_invalid (not a message).
Result<TranslatedReply> from_anthropic(std::string_view reply, const AnthropicReplyOptions& options);

/// `{"type":"error","error":{...}}` as an OpenAI error object; empty where `body` is none.
std::string error_from_anthropic(std::string_view body);

/// Turns the events of one stream into chunks, one by one.
class AnthropicStreamTranslator {
 public:
  AnthropicStreamTranslator(AnthropicReplyOptions options, bool want_usage)
      : options_(std::move(options)), want_usage_(want_usage) {}

  /// Takes the data of one event; chunks to hand out are appended.
  /// Errors: upstream_invalid (not the protocol), upstream_error (an error event: see `error_body`).
  Result<> feed(std::string_view data, std::deque<std::string>& chunks);

  bool finished() const { return finished_; }  ///< message_stop was seen
  /// The provider's count where it has told all of it, else with our estimate of the output so far.
  Usage usage() const;
  const std::string& error_body() const { return error_body_; }

 private:
  struct Block {
    int tool_index = -1;     ///< position in `tool_calls`; -1: not a tool
    bool is_answer = false;  ///< the forced tool whose input is the text
    bool got_input = false;
  };

  Result<> start(const json::value& event, std::deque<std::string>& chunks);
  Result<> begin_block(const json::value& event, std::deque<std::string>& chunks);
  Result<> block_delta(const json::value& event, std::deque<std::string>& chunks);
  void end_block(const json::value& event, std::deque<std::string>& chunks);
  void message_delta(const json::value& event, std::deque<std::string>& chunks);
  void stop(std::deque<std::string>& chunks);
  std::string chunk(std::string_view delta, std::string_view finish_reason = {}) const;

  AnthropicReplyOptions options_;
  bool want_usage_;
  bool started_ = false;
  bool finished_ = false;
  bool usage_is_final_ = false;
  std::string id_;
  std::map<std::int64_t, Block> blocks_;
  int tool_count_ = 0;
  json::object usage_;
  TokenEstimate output_;
  std::string error_body_;
};

}  // namespace sb::model
