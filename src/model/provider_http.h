/// What both providers share on the way to their endpoint: targets, credentials, time limits, headers that come back.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/sse.h"
#include "model/provider.h"

namespace sb::model {

/// How a provider takes its key.
enum class KeyStyle {
  bearer,    ///< `authorization: Bearer KEY`
  x_api_key  ///< `x-api-key: KEY`
};

/// The body of a refusal as an OpenAI error object; empty where it is none (a page of a proxy).
using RefusalReader = std::string (*)(std::string_view body);

class UpstreamBody;

/// A stream the provider has answered to.
struct OpenedStream {
  ChatReply head;
  std::unique_ptr<UpstreamBody> body;  ///< null: refused, and `head` says why
};

/// Sends requests to one provider's base_url. Belongs to its shard; `config` and `client` outlive it.
class ProviderEndpoint {
 public:
  ProviderEndpoint(const ProviderConfig& config, http::Client& client, KeyStyle key_style, http::Headers extra,
                   RefusalReader read_refusal);

  /// POSTs `body` to base_url + `path` and reads the answer whole: as the provider wrote it, or its refusal (status 300
  /// and up) as an OpenAI error object.
  Task<Result<ChatReply>> call(std::string_view path, std::string_view body, ChatCall call,
                               std::chrono::milliseconds time_left) const;
  /// The same for a stream; `body` is borrowed until the answer's head is there.
  /// Errors: upstream_invalid too, where the answer is no event stream.
  Task<Result<OpenedStream>> open_stream(std::string_view path, std::string_view body, ChatCall call,
                                         std::chrono::milliseconds time_left) const;
  /// The ids that GET base_url + `path` lists.
  Task<Result<std::vector<std::string>>> list_models(std::string_view path, CancelSource* cancel) const;

  /// True if base_url has a path of its own ("/v1").
  bool has_path() const { return !url_.path.empty(); }
  const ProviderConfig& config() const { return config_; }

 private:
  http::ClientRequest request(std::string_view method, std::string_view path, std::string_view caller_key) const;
  Task<Result<std::unique_ptr<http::ClientResponse>>> post(std::string_view path, std::string_view body, ChatCall call,
                                                           std::chrono::milliseconds time_left, bool stream) const;
  Task<ChatReply> refusal(http::ClientResponse& response) const;

  const ProviderConfig& config_;
  http::Client& client_;
  KeyStyle key_style_;
  http::Headers extra_;
  RefusalReader read_refusal_;
  http::Url url_;
};

/// The response of a stream, with a cancel source of its own, so that reading it to its end may outlive the caller.
class UpstreamBody {
 public:
  explicit UpstreamBody(CancelSource* callers) : link_(std::in_place, callers, [this] { cancel_.cancel(); }) {}

  CancelSource* cancel() { return &cancel_; }
  void set(std::unique_ptr<http::ClientResponse> response) { response_ = std::move(response); }
  http::ClientResponse& response() { return *response_; }

  /// After the protocol's own end only the framing's is left: read in the background, so that the connection goes back
  /// to its pool and nobody waits for it. Bounded by the idle time limit and a few KiB.
  static void drain(std::unique_ptr<UpstreamBody> body, Executor executor);

 private:
  CancelSource cancel_;
  std::optional<CancelRegistration> link_;
  std::unique_ptr<http::ClientResponse> response_;
};

/// Reads a stream's bytes as events. A stream that ends here ended too early: the protocol's own end comes before.
class EventReader {
 public:
  explicit EventReader(std::unique_ptr<UpstreamBody> body) : body_(std::move(body)) {}

  /// The next event's data. Errors: those of ClientResponse::read_some; upstream_invalid at the end of the body.
  Task<Result<std::string>> next();
  bool is_ready() const { return !events_.empty(); }  ///< `next` need not wait
  /// Nothing more is wanted. `ended_well`: keeps the connection.
  void close(bool ended_well, Executor executor);

 private:
  std::unique_ptr<UpstreamBody> body_;
  http::SseParser parser_;
  std::deque<std::string> events_;
  std::optional<Error> broken_;  ///< the parser's, to be told after the events before it
};

}  // namespace sb::model
