#include <gmock/gmock.h>

#include "base/json.h"
#include "http/server.h"
#include "http/test_support.h"

namespace sb::http {
namespace {

using namespace testing;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class ServerLimits : public ::testing::Test {
 protected:
  void start(Handler handler = echo) { server_ = serve(io_, std::move(handler), options_); }
  std::string answer_to(std::string bytes) {
    std::string answer;
    run(io_, [&]() -> Task<void> {
      RawPeer peer(io_, server_->port());
      co_await peer.send(bytes);
      answer = co_await peer.read_to_end();
    });
    return answer;
  }
  /// Every refusal is one JSON error that OpenAI's client libraries understand, and the end of the connection.
  static void expect_error(const std::string& answer, int status, std::string_view code) {
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + std::to_string(status) + " "));
    EXPECT_THAT(answer, HasSubstr("\r\nconnection: close\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nx-request-id: "));
    const auto body = parse_json(answer.substr(std::min(answer.size(), answer.find("\r\n\r\n") + 4)));
    ASSERT_TRUE(body) << answer;
    const auto* error = find_member(*body, "error");
    ASSERT_NE(error, nullptr);
    EXPECT_NE(string_member(*error, "message"), "");
    EXPECT_NE(string_member(*error, "type"), "");
    EXPECT_EQ(string_member(*error, "code"), code);
    EXPECT_TRUE(find_member(*error, "param") && find_member(*error, "param")->is_null());
  }

  asio::io_context io_{1};
  ServerOptions options_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerLimits, SmuggledRequestIsNeverSeen) {
  int handled = 0;
  start([&](Exchange& exchange) -> Task<void> {
    ++handled;
    co_await echo(exchange);
  });
  const auto answer = answer_to(
      "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
      "GET /admin HTTP/1.1\r\nHost: t\r\n\r\n");
  expect_error(answer, 400, "malformed_request");
  EXPECT_EQ(handled, 0);
}

TEST_F(ServerLimits, PathsThatClimbOrHideAreRefused) {
  start();
  for (const auto* target : {"/a/../b", "/..", "/%2e%2e/b", "/a/%2E/b", "/a%00b", "/%zz", "/a%0ab", "x", "/a#b"}) {
    expect_error(answer_to(std::string("GET ") + target + " HTTP/1.1\r\nHost: t\r\n\r\n"), 400, "malformed_request");
  }
  EXPECT_THAT(answer_to("GET http://t/a/..b?q HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"),
              HasSubstr("GET /a/..b?q []"));
}

TEST_F(ServerLimits, EachLimitHasItsStatus) {
  options_.header_bytes_max = 9'000;
  options_.body_bytes_max = 50;
  start();
  expect_error(answer_to("GET / HTTP/1.1\r\nHost: t\r\nX: " + std::string(10'000, 'x') + "\r\n\r\n"), 431,
               "headers_too_large");
  expect_error(answer_to("GET /" + std::string(8'500, 'x') + " HTTP/1.1\r\nHost: t\r\n\r\n"), 414, "uri_too_long");
  expect_error(answer_to("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 51\r\n\r\n"), 413, "request_too_large");
  expect_error(
      answer_to("POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n33\r\n" + std::string(51, 'x')), 413,
      "request_too_large");
  expect_error(answer_to("GET / HTTP/3.0\r\nHost: t\r\n\r\n"), 505, "http_version_not_supported");
}

TEST_F(ServerLimits, AnswerToARefusedUploadArrives) {
  options_.body_bytes_max = 50;
  start();
  // The refusal is written while the client still sends: closing at once would reset the connection under it.
  expect_error(answer_to("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 500000\r\n\r\n" + std::string(500'000, 'x')),
               413, "request_too_large");
}

TEST_F(ServerLimits, SlowHeadIsTimedOut) {
  options_.header_timeout = milliseconds(40);
  start();
  expect_error(answer_to("GET / HTTP/1.1\r\nHost"), 408, "request_timeout");
  EXPECT_EQ(answer_to(""), "") << "a connection without a byte is closed in silence";
}

TEST_F(ServerLimits, SlowLorisCannotKeepItselfAlive) {
  options_.header_timeout = milliseconds(40);
  start();
  run(io_, [&]() -> Task<void> {
    RawPeer peer(io_, server_->port());
    co_await peer.send("GET / HTTP/1.1\r\nHost: t\r\n");
    bool closed = false;
    asio::co_spawn(
        io_.get_executor(),
        [](RawPeer& p, bool& done) -> Task<void> {
          // A field every few milliseconds, for ever.
          Timer pace(p.socket().get_executor());
          for (int i = 0; i < 2'000 && !done; ++i) {
            pace.expires_after(milliseconds(5));
            co_await pace.async_wait(use_tuple);
            if (!done) co_await p.send("X: y\r\n");
          }
          done = true;
        }(peer, closed),
        asio::detached);
    expect_error(co_await peer.read_to_end(), 408, "request_timeout");
    closed = true;
    Timer settle(io_.get_executor(), milliseconds(10));  // lets the sender see it, so that `peer` may go
    co_await settle.async_wait(use_tuple);
  });
}

TEST_F(ServerLimits, SlowBodyIsTimedOut) {
  options_.body_timeout = milliseconds(40);
  start();
  expect_error(answer_to("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nab"), 408, "request_timeout");
}

TEST_F(ServerLimits, IdleConnectionIsClosedInSilence) {
  options_.idle_timeout = milliseconds(40);
  start();
  EXPECT_TRUE(answer_to("GET /x HTTP/1.1\r\nHost: t\r\n\r\n").ends_with("GET /x? []"));
}

TEST_F(ServerLimits, ClientThatDoesNotReadIsCutOff) {
  options_.write_timeout = milliseconds(60);
  Result<> outcome;
  bool disconnected = false;
  start([&](Exchange& exchange) -> Task<void> {
    CancelRegistration registration(&exchange.disconnect(), [&] { disconnected = true; });
    co_await exchange.begin_stream(200, {});
    const std::string piece(1 << 20, 'x');
    do outcome = co_await exchange.write(piece);
    while (outcome);
  });
  run(io_, [&]() -> Task<void> {
    RawPeer peer(io_, server_->port());
    co_await peer.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    while (outcome) co_await asio::post(io_.get_executor(), use_task);
  });
  EXPECT_EQ(outcome.error().code, Errc::cancelled);
  EXPECT_TRUE(disconnected);
}

TEST_F(ServerLimits, ConnectionsOverTheCapAreToldToRetry) {
  options_.connections_max = 1;
  start();
  run(io_, [&]() -> Task<void> {
    RawPeer first(io_, server_->port());
    co_await first.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    co_await first.read_until("[]");
    RawPeer second(io_, server_->port());
    const auto answer = co_await second.read_to_end();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(answer, HasSubstr("\r\nretry-after: 1\r\n"));
    EXPECT_THAT(answer, HasSubstr(R"("code":"overloaded")"));
    co_await first.send("GET /again HTTP/1.1\r\nHost: t\r\n\r\n");
    EXPECT_THAT(co_await first.read_until("[]"), HasSubstr("/again"));
  });
}

TEST_F(ServerLimits, AsksForTheBodyThatWaitsToBeAskedFor) {
  start();
  run(io_, [&]() -> Task<void> {
    RawPeer peer(io_, server_->port());
    co_await peer.send("POST / HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    EXPECT_EQ(co_await peer.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    co_await peer.send("hi");
    EXPECT_THAT(co_await peer.read_until("[hi]"), StartsWith("HTTP/1.1 200 OK\r\n"));
  });
  // Refused from its head alone: the body is never asked for.
  options_.body_bytes_max = 10;
  start();
  expect_error(answer_to("POST / HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 20\r\n\r\n"), 413,
               "request_too_large");
}

TEST_F(ServerLimits, GzipBodiesArriveUnpackedAndBounded) {
  options_.body_bytes_max = 100'000;
  start([](Exchange& exchange) -> Task<void> {
    const auto& request = exchange.request();
    auto response =
        text(std::to_string(request.body.size()) + "/" + std::string(request.headers.get("content-length")) + "/" +
             std::string(request.headers.get("content-encoding")));
    co_await exchange.respond(std::move(response));
  });
  const auto post = [&](const std::string& body, const std::string& coding) {
    return answer_to("POST / HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Encoding: " + coding +
                     "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  };
  EXPECT_TRUE(post(gzip(std::string(90'000, 'x')), "gzip").ends_with("\r\n90000/90000/"));
  EXPECT_TRUE(post(gzip("ab") + gzip("cd"), "gzip").ends_with("\r\n4/4/"));
  EXPECT_TRUE(post(gzip(""), "gzip").ends_with("\r\n0/0/"));
  expect_error(post(gzip(std::string(5'000'000, 'x')), "gzip"), 413, "request_too_large");
  auto cut = gzip("some text");
  cut.pop_back();
  expect_error(post(cut, "gzip"), 400, "malformed_request");
  expect_error(post("not gzip", "gzip"), 400, "malformed_request");
  expect_error(post("x", "br"), 415, "unsupported_content_encoding");
}

TEST_F(ServerLimits, RequestIdIsTheClientsIfItIsSane) {
  start([](Exchange& exchange) -> Task<void> { co_await exchange.respond(text(exchange.request().id)); });
  const auto with = [&](const std::string& id) {
    return answer_to("GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\nX-Request-Id: " + id + "\r\n\r\n");
  };
  const auto kept = with("abc-123");
  EXPECT_THAT(kept, HasSubstr("\r\nx-request-id: abc-123\r\n"));
  EXPECT_TRUE(kept.ends_with("\r\n\r\nabc-123"));
  EXPECT_THAT(with("a\"b<c>"), Not(HasSubstr("a\"b")));
  EXPECT_THAT(with(std::string(129, 'x')), Not(HasSubstr("xxxx")));
  EXPECT_THAT(with(std::string(128, 'x')), HasSubstr(std::string(128, 'x')));
}

}  // namespace
}  // namespace sb::http
