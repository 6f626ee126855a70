/// One vendor's wire protocol, spoken from and to the OpenAI format.
///
/// A Provider belongs to one shard: not thread-safe, runs on that shard's io_context. It makes exactly one call
/// upstream per request; retry, fallback and accounting are the gateway's. Implementations: make_openai_provider,
/// make_anthropic_provider, and testing::FakeProvider, which injects faults.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/task.h"
#include "http/client.h"
#include "http/message.h"
#include "model/catalog.h"
#include "model/price.h"

namespace sb::model {

/// A chat completion to be made. All views are borrowed until the call resumes with its reply or, for a stream, until
/// the stream is destroyed.
struct ChatCall {
  std::string_view body;    ///< an OpenAI chat request that the policy has passed
  bool stream = false;      ///< decides; the body's own `stream` is brought in line
  bool want_usage = false;  ///< the caller of the stream asked for the usage chunk
  std::string_view idempotency_key;
  std::string_view request_id;      ///< sent as x-request-id
  std::string_view traceparent;     ///< W3C trace context, if tracing is on
  std::string_view caller_key;      ///< the caller's own provider key, used instead of ours; never logged
  std::string_view reported_model;  ///< what `model` in replies is set to; empty: the provider's own word
  CancelSource* cancel = nullptr;
};

/// What the deployment adds to a call.
struct UpstreamModel {
  std::string_view name;                         ///< upstream name
  std::chrono::milliseconds time_left{600'000};  ///< of the call's deadline; bounds the provider's own time-outs
};

/// A whole answer, also one that says no: every status is a reply, an Error means there was none.
struct ChatReply {
  int status = 200;
  http::Headers
      headers;       ///< those worth passing on: retry-after, x-ratelimit-*, x-should-retry, the upstream's request id
  std::string body;  ///< OpenAI format; from a provider that speaks it, byte for byte. For status >= 400 an OpenAI
                     ///< error object, or empty where the provider sent something else
  Usage usage;       ///< zero and `estimated` where the provider did not tell
};

/// The answer's pieces as they arrive. Destroying it early closes the upstream connection, which stops the generation.
class ChatStream {
 public:
  virtual ~ChatStream() = default;

  /// The next `chat.completion.chunk`, JSON on one line; nullopt after a proper end. Called again after the end or an
  /// error, it says the same again.
  /// Errors: upstream_invalid (cut before its end, or not the protocol), upstream_error (the provider reported an error
  /// in the stream: see `error_body`), upstream_timeout, cancelled, unavailable.
  virtual Task<Result<std::optional<std::string>>> next() = 0;

  /// Whether `next` has its answer already: who writes the pieces on may wait with the write.
  virtual bool is_ready() const { return false; }
  /// What is known so far: the provider's count once it has told it, else our estimate of the output up to here.
  virtual Usage usage() const = 0;
  /// The OpenAI error object behind an upstream_error, verbatim where it was one.
  virtual std::string_view error_body() const { return {}; }
};

/// A stream that began (`stream` set, status 200), or the refusal, as a ChatReply would tell it.
struct StreamStart {
  ChatReply head;
  std::unique_ptr<ChatStream> stream;
};

class Provider {
 public:
  virtual ~Provider() = default;

  /// Errors (all calls): invalid_argument and unsupported (the request cannot be said in the provider's protocol;
  /// `param` is the field; nothing was sent), unavailable (no connection, nothing was sent), upstream_timeout,
  /// upstream_invalid, too_large, cancelled.
  virtual Task<Result<ChatReply>> chat(ChatCall call, UpstreamModel model) = 0;
  virtual Task<Result<StreamStart>> chat_stream(ChatCall call, UpstreamModel model) = 0;
  /// `call.body` is an OpenAI embeddings request.
  virtual Task<Result<ChatReply>> embeddings(ChatCall call, UpstreamModel model) = 0;
  /// Upstream names of the models on offer.
  virtual Task<Result<std::vector<std::string>>> list_models(CancelSource* cancel) = 0;
};

/// `config` and `client` outlive the provider.
std::unique_ptr<Provider> make_openai_provider(const ProviderConfig& config, http::Client& client);
std::unique_ptr<Provider> make_anthropic_provider(const ProviderConfig& config, http::Client& client,
                                                  const Clock& clock);
/// By `config.type`.
std::unique_ptr<Provider> make_provider(const ProviderConfig& config, http::Client& client, const Clock& clock);

}  // namespace sb::model
