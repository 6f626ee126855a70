// A proxy that does nothing but pass on, on one thread: what our server and client cost. `http_relay PORT
// UPSTREAM_URL`.
#include <cstdlib>
#include <iostream>

#include "base/bytes.h"
#include "http/client.h"
#include "http/server.h"
#include "http/stream.h"

namespace {

using namespace sb;

constexpr std::size_t kBufferedBytesMax = 256 * 1024;

bool is_hop_by_hop(std::string_view name) {
  return iequals(name, "connection") || iequals(name, "transfer-encoding") || iequals(name, "keep-alive") ||
         iequals(name, "content-length") || iequals(name, "date");
}

http::Headers end_to_end(const http::Headers& headers) {
  http::Headers out;
  for (const auto& [name, value] : headers) {
    if (!is_hop_by_hop(name)) out.add(name, value);
  }
  return out;
}

struct Relay {
  http::Client& client;
  http::Url upstream;

  Task<void> bad_gateway(http::Exchange& exchange, const Error& error) const {
    http::Response response;
    response.status = 502;
    response.body = error.detail;
    co_await exchange.respond(std::move(response));
  }

  Task<void> pass_on(http::Exchange& exchange, http::ClientResponse& upstream_response) const {
    if (!upstream_response.headers().get("content-length").empty()) {
      auto body = co_await upstream_response.read_all(kBufferedBytesMax);
      if (!body) {
        co_await bad_gateway(exchange, body.error());
        co_return;
      }
      http::Response response{upstream_response.status(), end_to_end(upstream_response.headers()), *std::move(body)};
      co_await exchange.respond(std::move(response));
      co_return;
    }
    co_await exchange.begin_stream(upstream_response.status(), end_to_end(upstream_response.headers()));
    for (;;) {
      const auto piece = co_await upstream_response.read_some();
      if (!piece) {
        exchange.abort();
        co_return;
      }
      if (piece->empty()) break;
      if (!co_await exchange.write(*piece)) co_return;
    }
    co_await exchange.end_stream();
  }

  Task<void> operator()(http::Exchange& exchange) const {
    const auto& in = exchange.request();
    http::ClientRequest request;
    request.method = in.method;
    request.origin = upstream;
    request.target = in.query.empty() ? in.path : in.path + "?" + in.query;
    request.headers = end_to_end(in.headers);
    request.body = in.body;
    request.cancel = &exchange.disconnect();
    request.timeouts.idle = std::chrono::minutes(10);
    auto response = co_await client.send(std::move(request));
    if (!response) {
      co_await bad_gateway(exchange, response.error());
      co_return;
    }
    co_await pass_on(exchange, **response);
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: http_relay PORT UPSTREAM_URL\n";
    return 2;
  }
  asio::io_context io(1);
  const auto upstream = http::Url::parse(argv[2]);
  if (!upstream) {
    std::cerr << "http_relay: " << upstream.error().detail << "\n";
    return 2;
  }
  http::ClientOptions client_options;
  client_options.connections_per_origin_max = 20'000;
  auto client = http::Client::create(io, client_options);
  http::ServerOptions options;
  options.port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  const Relay relay{*client, *upstream};
  auto server = http::Server::create(io, options, [&](http::Exchange& exchange) { return relay(exchange); });
  if (!server) {
    std::cerr << "http_relay: " << server.error().detail << "\n";
    return 1;
  }
  (*server)->start();
  std::cout << (*server)->port() << std::endl;
  io.run();
}
