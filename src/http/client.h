/// HTTP client, one Client per shard: HTTP/1.1 with keep-alive pools, and HTTP/2 where a request asks for it. Not
/// thread-safe: belongs to its io_context's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/cancel.h"
#include "base/errors.h"
#include "base/task.h"
#include "http/message.h"

namespace sb::http {

/// "https://api.example.com:8443/v1" taken apart. Errors of parse: invalid_argument.
struct Url {
  bool tls = false;
  std::string host;
  std::uint16_t port = 80;
  std::string path;  ///< without trailing slash; may be empty

  static Result<Url> parse(std::string_view text);
  std::string authority() const;  ///< host[:port] as the Host header wants it
};

struct Timeouts {
  std::chrono::milliseconds connect{3'000};
  std::chrono::milliseconds first_byte{60'000};  ///< from the request's last byte to the response's first
  std::chrono::milliseconds idle{60'000};        ///< between two reads of the body
  std::chrono::milliseconds total{600'000};
};

struct ClientRequest {
  std::string method = "POST";  ///< any token; else `send` says invalid_argument
  Url origin;                   ///< pool key: scheme, host, port
  std::string target;           ///< path and query as sent
  Headers headers;              ///< Host, Content-Length and Connection are the client's work
  std::string_view body;        ///< borrowed until `send` resumes; over HTTP/2 until the response is destroyed
  /// HTTP/2 (RFC 9113) or nothing: over TLS by ALPN, else with prior knowledge. Each such request has a connection of
  /// its own.
  bool http2 = false;
  Timeouts timeouts;
  CancelSource* cancel = nullptr;  ///< borrowed until the response is destroyed
};

struct ClientOptions {
  std::size_t connections_per_origin_max = 256;  ///< more requests wait (bounded by timeouts.connect)
  std::size_t waiting_per_origin_max = 1'024;    ///< more than that fail at once with `unavailable`
  std::chrono::milliseconds pool_idle{30'000};
  std::size_t response_header_bytes_max = 64 * 1024;
  std::string ca_file;  ///< PEM bundle; empty: the system's
};

/// The response's head has arrived; the body is read piece by piece. Destroying it before the end closes the
/// connection, reading it to the end returns the connection to its pool. May outlive the Client.
class ClientResponse {
 public:
  virtual ~ClientResponse() = default;
  virtual int status() const = 0;
  virtual const Headers& headers() const = 0;
  /// What came behind the body, over HTTP/2; known once the body was read to its end.
  virtual const Headers& trailers() const = 0;
  /// The next piece of the body (de-chunked, gunzipped), valid until the next call; empty at the end.
  /// Errors: upstream_timeout, upstream_invalid (framing, reset, or cut before its end), cancelled, unavailable.
  virtual Task<Result<std::string_view>> read_some() = 0;
  /// The rest of the body. Errors: as above, too_large.
  virtual Task<Result<std::string>> read_all(std::size_t bytes_max) = 0;
};

///
/// Redirects are not followed: where a request goes is the configuration's decision. While pooled connections idle, a
/// timer keeps the io_context busy; destroying the Client closes them and fails what is in flight with `cancelled`.
class Client {
 public:
  /// A `ca_file` that cannot be used is reported by the first send to an https origin.
  static std::unique_ptr<Client> create(asio::io_context& io, ClientOptions options);
  virtual ~Client() = default;

  /// Sends and waits for the head. A pooled connection that turns out stale before any response byte is replaced once,
  /// silently. Errors: unavailable (refused, DNS, TLS; nothing was sent), upstream_timeout, upstream_invalid,
  /// cancelled.
  virtual Task<Result<std::unique_ptr<ClientResponse>>> send(ClientRequest request) = 0;
};

}  // namespace sb::http
