/// What both providers share on the way to their endpoint: targets, credentials, time limits, headers that come back.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "model/provider.h"

namespace sb::model {

/// How a provider takes its key.
enum class KeyStyle {
  bearer,    ///< `authorization: Bearer KEY`
  x_api_key  ///< `x-api-key: KEY`
};

/// Sends requests to one provider's base_url. Belongs to its shard; `config` and `client` outlive it.
class ProviderEndpoint {
 public:
  ProviderEndpoint(const ProviderConfig& config, http::Client& client, KeyStyle key_style, http::Headers extra);

  /// POSTs `body` to base_url + `path`. `body` is borrowed until the response's head is there.
  Task<Result<std::unique_ptr<http::ClientResponse>>> post(std::string_view path, std::string_view body, ChatCall call,
                                                           std::chrono::milliseconds time_left, bool stream) const;
  Task<Result<std::unique_ptr<http::ClientResponse>>> get(std::string_view path, CancelSource* cancel) const;

  /// True if base_url has a path of its own ("/v1").
  bool has_path() const { return !url_.path.empty(); }
  const ProviderConfig& config() const { return config_; }

 private:
  http::ClientRequest request(std::string_view method, std::string_view path, std::string_view caller_key) const;

  const ProviderConfig& config_;
  http::Client& client_;
  KeyStyle key_style_;
  http::Headers extra_;
  http::Url url_;
};

/// The upstream's headers that a client or the gateway has a use for.
http::Headers headers_worth_passing(const http::Headers& upstream);

/// True for "text/event-stream", whatever its parameters.
bool is_event_stream(const http::Headers& headers);

}  // namespace sb::model
