// An upstream that costs next to nothing: POST anything -> 600 bytes of JSON; GET /sse?events=N&pace_us=M -> events;
// GET /hold -> one event, then silence until the client leaves. `http_echo PORT`.
#include <cstdlib>
#include <iostream>

#include "http/server.h"
#include "http/sse.h"
#include "http/stream.h"

namespace {

using namespace sb;

std::size_t number(const http::Request& request, std::string_view name, std::size_t otherwise) {
  const auto text = request.query_param(name);
  return text ? std::strtoul(text->c_str(), nullptr, 10) : otherwise;
}

Task<void> stream(http::Exchange& exchange) {
  const auto events = number(exchange.request(), "events", 100);
  const std::chrono::microseconds pace(number(exchange.request(), "pace_us", 1'000));
  http::Headers headers{{"content-type", "text/event-stream"}};
  co_await exchange.begin_stream(200, std::move(headers));
  http::Timer timer(co_await asio::this_coro::executor);
  for (std::size_t i = 0; i < events; ++i) {
    const auto frame = http::sse_frame(R"({"choices":[{"delta":{"content":"word "}}]})");
    if (!co_await exchange.write(frame)) co_return;
    timer.expires_after(pace);
    co_await timer.async_wait(http::use_tuple);
  }
  co_await exchange.end_stream();
}

Task<void> hold(http::Exchange& exchange) {
  http::Headers headers{{"content-type", "text/event-stream"}};
  co_await exchange.begin_stream(200, std::move(headers));
  co_await exchange.write(http::sse_frame("{}"));
  http::Timer timer(co_await asio::this_coro::executor, http::SteadyTime::max());
  CancelRegistration gone(&exchange.disconnect(), [&] { timer.cancel(); });
  co_await timer.async_wait(http::use_tuple);
}

Task<void> handle(http::Exchange& exchange) {
  if (exchange.request().path == "/sse") co_return co_await stream(exchange);
  if (exchange.request().path == "/hold") co_return co_await hold(exchange);
  http::Response response;
  response.headers.add("content-type", "application/json");
  response.body = R"({"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,"message":{"content":")";
  response.body.append(597 - response.body.size(), 'x').append("\"}}");
  co_await exchange.respond(std::move(response));
}

}  // namespace

int main(int argc, char** argv) {
  asio::io_context io(1);
  http::ServerOptions options;
  options.port = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0);
  auto server = http::Server::create(io, options, handle);
  if (!server) {
    std::cerr << "http_echo: " << server.error().detail << "\n";
    return 1;
  }
  (*server)->start();
  std::cout << (*server)->port() << std::endl;
  io.run();
}
