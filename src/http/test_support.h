/// What the tests of this module share: an event loop, a raw socket peer, waiting with a limit. Not in the product.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <functional>
#include <string>

#include "http/client.h"
#include "http/server.h"
#include "http/stream.h"

namespace sb::http::testing {

using std::chrono::milliseconds;

inline std::string gzip(std::string_view text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// Runs `body` on `io` until it has finished; a test that hangs fails after a while instead.
inline void run(asio::io_context& io, std::function<Task<void>()> body) {
  bool done = false;
  asio::co_spawn(io.get_executor(), std::move(body), [&](std::exception_ptr error) {
    done = true;
    if (error) std::rethrow_exception(error);
  });
  const auto limit = SteadyClock::now() + std::chrono::seconds(60);
  while (!done && SteadyClock::now() < limit) io.run_one_until(limit);
  ASSERT_TRUE(done) << "the test did not finish";
}

/// A client that sends exactly the bytes it is told to.
class RawPeer {
 public:
  RawPeer(asio::io_context& io, std::uint16_t port) : socket_(io.get_executor()) {
    socket_.connect(Tcp::endpoint(asio::ip::make_address("127.0.0.1"), port));
    socket_.set_option(Tcp::no_delay(true));
  }
  explicit RawPeer(Socket socket) : socket_(std::move(socket)) {}

  Task<void> send(std::string bytes) { co_await asio::async_write(socket_, asio::buffer(bytes), use_tuple); }
  /// Everything until the other side closes.
  Task<std::string> read_to_end() {
    std::string out = std::move(held_);
    held_.clear();
    for (;;) {
      char piece[4096];
      const auto [error, size] = co_await socket_.async_read_some(asio::buffer(piece), use_tuple);
      out.append(piece, size);
      if (error) co_return out;
    }
  }
  /// Up to and with `mark`; what came behind it is held for the next call.
  Task<std::string> read_until(std::string mark) {
    for (;;) {
      if (const auto at = held_.find(mark); at != std::string::npos) {
        std::string out = held_.substr(0, at + mark.size());
        held_.erase(0, at + mark.size());
        co_return out;
      }
      char piece[4096];
      const auto [error, size] = co_await socket_.async_read_some(asio::buffer(piece), use_tuple);
      held_.append(piece, size);
      if (error) co_return "closed after: " + held_;
    }
  }
  Socket& socket() { return socket_; }

 private:
  Socket socket_;
  std::string held_;
};

inline Url local_url(std::uint16_t port, bool tls = false) {
  Url url;
  url.tls = tls;
  url.host = "127.0.0.1";
  url.port = port;
  return url;
}

inline Response text(std::string body, int status = 200) {
  Response response;
  response.status = status;
  response.headers.add("content-type", "text/plain");
  response.body = std::move(body);
  return response;
}

/// Describes what the server understood, so that framing tests can compare.
inline Task<void> echo(Exchange& exchange) {
  const auto& request = exchange.request();
  auto response = text(request.method + " " + request.path + "?" + request.query + " [" + request.body + "]");
  co_await exchange.respond(std::move(response));
}

inline std::unique_ptr<Server> serve(asio::io_context& io, Handler handler, ServerOptions options = {}) {
  auto server = Server::create(io, std::move(options), std::move(handler));
  EXPECT_TRUE(server.has_value()) << server.error().detail;
  (*server)->start();
  return std::move(*server);
}

}  // namespace sb::http::testing
