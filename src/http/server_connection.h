/// One accepted connection: reads requests, runs the handler, writes answers. Private to src/http.
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>

#include "http/parser.h"
#include "http/server.h"
#include "http/stream.h"
#include "http/wakeup.h"
#include "http/write_turn.h"

namespace sb::http {

class ServerConnection;

/// What the connections of one server share. Outlives the Server until the last of them is gone.
struct ServerShared {
  ServerShared(asio::io_context& io_context, ServerOptions o, Handler h)
      : io(io_context), options(std::move(o)), handler(std::move(h)), write_turn(io_context) {}

  /// "Mon, 23 Nov 2026 18:07:56 GMT" (RFC 9110 section 5.6.7), made once a second.
  std::string_view date();

  asio::io_context& io;
  const ServerOptions options;
  const Handler handler;
  WriteTurn write_turn;
  std::optional<asio::ssl::context> tls;
  bool draining = false;
  std::size_t connections = 0;
  std::size_t in_flight = 0;
  std::size_t refusing = 0;           ///< connections over the cap that are being told so
  ServerConnection* first = nullptr;  ///< all connections, linked through their own members
  Wakeup all_gone;

 private:
  std::time_t date_second_ = 0;
  std::string date_;
};

class ServerConnection final : public std::enable_shared_from_this<ServerConnection> {
 public:
  ServerConnection(std::shared_ptr<ServerShared> shared, Socket socket);
  ~ServerConnection();
  ServerConnection(const ServerConnection&) = delete;
  ServerConnection& operator=(const ServerConnection&) = delete;

  /// The connection's whole life; holds it alive.
  Task<void> run();

  /// Acts on what has expired at `now`. May close the connection, never frees it.
  void sweep(SteadyTime now);
  /// Closes it if it waits for a request; else its current answer is its last.
  void drain();
  /// Cuts it, whatever it does.
  void kill();

  ServerConnection* next = nullptr;

 private:
  friend class ServerExchange;
  enum class Phase : std::uint8_t { handshake, idle, receiving, handling, closing };

  Task<bool> handshake();
  /// True: request_ holds the next one. False: the connection is to be closed (an answer may have been written).
  Task<bool> receive();
  Task<bool> reject(int status, std::string_view message);
  Task<bool> handle();
  Task<void> close_gently();
  Task<void> close_tls();
  void choose_id(const Headers& headers);
  bool take_bytes(ParseError& error);
  std::optional<ParseError> finish_request();
  std::optional<ParseError> take_target(std::string_view target);
  std::optional<ParseError> take_body();

  /// Keeps one read in flight, while the handler runs too: that is how a client that goes away is noticed.
  void start_read();
  void on_readable(error_code error);
  void on_read(error_code error, std::size_t size);
  struct ReadDone;
  struct Readable;

  Task<bool> write_rest(Parts parts);
  void enter(Phase phase, std::chrono::milliseconds limit);

  std::shared_ptr<ServerShared> shared_;
  ServerConnection** link_;  ///< who points at us
  Stream stream_;
  ReadBuffer in_;
  Wakeup wakeup_;
  MessageParser parser_;
  Request request_;
  std::string head_;  ///< the answer's head is built here; its memory is used again
  std::string peer_;
  CancelSource* disconnect_ = nullptr;  ///< of the exchange in progress
  SteadyTime deadline_ = kNever;
  SteadyTime write_deadline_ = kNever;
  Phase phase_ = Phase::idle;
  bool read_pending_ = false;
  bool eof_ = false;     ///< the client will send no more
  bool broken_ = false;  ///< nothing can be written any more
  bool timed_out_ = false;
  bool keep_alive_ = true;
  bool continue_sent_ = false;
};

}  // namespace sb::http
