/// What the requests of one client share: pools, waiting requests, the sweep of deadlines. Private to src/http.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/client.h"
#include "http/parser.h"
#include "http/stream.h"
#include "http/write_turn.h"

namespace sb::http {

class ClientExchange;

/// One connection to an origin; owned by an exchange or by a pool.
struct ClientConnection {
  ClientConnection(Socket socket, std::size_t head_bytes_max)
      : stream(std::move(socket)),
        parser(MessageParser::Kind::response, ParserLimits{.head_bytes_max = head_bytes_max}) {}

  Stream stream;
  ReadBuffer in;
  MessageParser parser;
  SteadyTime idle_since{};
  bool reused = false;
};

/// Connections to one scheme, host and port.
struct Origin {
  std::vector<std::unique_ptr<ClientConnection>> idle;  ///< used from the back: the warmest first
  std::size_t open = 0;                                 ///< idle ones, used ones, and ones being made
  std::deque<ClientExchange*> waiting;
  std::size_t users = 0;  ///< exchanges that refer to this
};

struct ClientShared : std::enable_shared_from_this<ClientShared> {
  ClientShared(asio::io_context& io_context, ClientOptions o);

  using Key = std::tuple<bool, bool, std::string, std::uint16_t>;
  Origin& origin(const Url& url, bool http2) { return origins[Key(http2, url.tls, url.host, url.port)]; }

  void add(ClientExchange& exchange);
  void remove(ClientExchange& exchange);
  /// A connection that may carry another request.
  void give_back(Origin& origin, std::unique_ptr<ClientConnection> connection);
  /// A connection is gone, or could not be made: whoever waits longest may make one.
  void slot_free(Origin& origin);
  /// Starts the sweep if it rests, and makes it fast enough for `shortest`.
  void need_sweep(std::chrono::milliseconds shortest);
  void shutdown();

  /// Made when first needed: reading the system's certificates takes a tenth of a second.
  Result<asio::ssl::context>& tls();
  std::unique_ptr<ClientConnection> take_idle(Origin& origin);

  asio::io_context& io;
  const ClientOptions options;
  Resolver resolver;
  WriteTurn write_turn;
  std::map<Key, Origin> origins;  ///< an entry goes once nothing is open there and nobody refers to it
  ClientExchange* first = nullptr;
  bool closed = false;

 private:
  void arm();
  void sweep();

  std::optional<Result<asio::ssl::context>> tls_;
  Timer timer_;
  std::chrono::milliseconds period_{250};
  std::size_t idle_count_ = 0;
  bool armed_ = false;
};

}  // namespace sb::http
