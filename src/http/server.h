/// HTTP/1.1 server: one Server per shard, each with its own SO_REUSEPORT listener on its own io_context.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/cancel.h"
#include "base/errors.h"
#include "base/task.h"
#include "http/message.h"

namespace sb::http {

struct ServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: the system picks; see Server::port()
  bool reuse_port = false;
  int backlog = 4'096;               ///< connections the system holds for us before they are accepted
  std::string tls_certificate_file;  ///< PEM chain; empty: plain text
  std::string tls_key_file;
  std::size_t header_bytes_max = 32 * 1024;
  std::size_t body_bytes_max = 10 * 1024 * 1024;
  std::size_t connections_max = 20'000;              ///< further ones get 503 and are closed
  std::chrono::milliseconds header_timeout{10'000};  ///< from first byte (or accept) to the end of the head
  std::chrono::milliseconds body_timeout{30'000};
  std::chrono::milliseconds idle_timeout{75'000};   ///< between requests
  std::chrono::milliseconds write_timeout{30'000};  ///< a client that does not read
};

/// One request and its answer, on one connection. Borrowed by the handler for as long as the handler runs.
///
/// Exactly one of `respond` or `begin_stream ... end_stream` per exchange; a handler that returns without either gets a
/// 500 written for it. HEAD, Connection, Date, Content-Length, chunking and Expect: 100-continue are the server's work.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const Request& request() const = 0;
  /// The handler may take the body away instead of copying it.
  virtual std::string take_body() = 0;

  /// Writes a whole response. Errors: cancelled (the client is gone).
  virtual Task<Result<>> respond(Response response) = 0;

  /// Status and headers of a streamed (chunked) response; nothing is sent before the first write or flush.
  virtual Task<Result<>> begin_stream(int status, Headers headers) = 0;
  /// One chunk, sent at once (TCP_NODELAY); waits while the client reads slowly. Nothing but the head for empty bytes.
  /// Errors: cancelled (the client is gone, reads too slowly, or has closed its sending side).
  virtual Task<Result<>> write(std::string_view bytes) = 0;
  /// The terminating chunk. Without it the client sees a broken body: that is what `abort` is for.
  virtual Task<Result<>> end_stream() = 0;
  /// Closes the connection so that the body cannot look complete.
  virtual void abort() = 0;

  virtual bool responded() const = 0;
  /// Fires when the client goes away while the handler runs. Owned by the exchange. A client that has sent more than
  /// 4 KiB of further requests meanwhile is only noticed when it is written to.
  virtual CancelSource& disconnect() = 0;

  // For the access log.
  virtual int status_sent() const = 0;
  virtual std::size_t bytes_sent() const = 0;
};

/// Runs on the shard's thread. Must not throw; a coroutine that does is answered with 500 and the connection closed.
using Handler = std::function<Task<void>(Exchange&)>;

class Server {
 public:
  /// Binds and listens; nothing is accepted before `start`.
  /// Errors: unavailable ("address 127.0.0.1:8080 is in use: ..."), invalid_argument (certificate, host).
  static Result<std::unique_ptr<Server>> create(asio::io_context& io, ServerOptions options, Handler handler);
  virtual ~Server() = default;

  virtual std::uint16_t port() const = 0;
  virtual void start() = 0;
  /// Stops accepting, closes idle connections, lets requests in flight finish until the deadline, then cuts them.
  /// Answers carry `Connection: close` meanwhile. Completes when no connection is left.
  virtual Task<void> drain(std::chrono::milliseconds deadline) = 0;
  virtual std::size_t connections() const = 0;
  virtual std::size_t in_flight() const = 0;
};

}  // namespace sb::http
