/// The OpenAI wire format, edited in place: what we do not change passes byte for byte (prompt caches depend on it).
///
/// Pure functions; any thread (each thread keeps a parser of its own).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/errors.h"
#include "model/price.h"

namespace sb::model {

struct RequestEdit {
  std::string_view upstream_model;
  bool stream = false;
};

/// The request with `model` replaced, `stream` as asked, and for a stream `stream_options.include_usage` set, since
/// cost accounting needs it. Every other byte is the caller's; a repeated key is replaced each time. Errors:
/// invalid_argument (not JSON, not an object, no `model`, not UTF-8).
Result<std::string> edit_chat_request(std::string_view body, const RequestEdit& edit);

/// The same for requests that know no streams (embeddings): only `model` changes.
Result<std::string> replace_model(std::string_view body, std::string_view model);

struct ReplyFacts {
  std::optional<Usage> usage;  ///< as the provider told it
  std::string body;            ///< the reply, its `model` replaced if that was asked
};

/// Checks that `body` is a JSON object with the array `list` ("choices", "data") and reads its usage.
/// Errors: upstream_invalid.
Result<ReplyFacts> read_reply(std::string body, std::string_view list, std::string_view reported_model);

struct ChunkFacts {
  std::optional<Usage> usage;
  bool has_choices = false;  ///< false: a chunk that only tells the usage
  bool finished = false;     ///< a choice carries its finish_reason
  bool is_error = false;     ///< an `error` object instead of a chunk
  std::string payload;       ///< the chunk, its `model` replaced if that was asked
};

/// One chunk of a stream. The texts and tool-call arguments in it are added to `output`, for streams without usage.
/// Errors: upstream_invalid (not a JSON object; it may have been cut).
Result<ChunkFacts> read_chunk(std::string payload, std::string_view reported_model, TokenEstimate& output);

/// All output text of a whole reply, counted by us.
std::int64_t estimate_output_tokens(std::string_view reply_body);

}  // namespace sb::model
