#include "http/client.h"

#include <gmock/gmock.h>

#include "http/test_support.h"

namespace sb::http {
namespace {

using namespace testing;
using ::testing::HasSubstr;
using ::testing::Not;

/// An origin that plays a script: one coroutine a connection, bytes exactly as written.
class FakeOrigin {
 public:
  using Script = std::function<Task<void>(RawPeer&, int connection)>;

  FakeOrigin(asio::io_context& io, Script script)
      : acceptor_(io.get_executor(), Tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)),
        script_(std::move(script)) {
    asio::co_spawn(io.get_executor(), accept(), asio::detached);
  }
  ~FakeOrigin() { acceptor_.close(); }
  std::uint16_t port() { return acceptor_.local_endpoint().port(); }
  int connections() const { return connections_; }

 private:
  Task<void> accept() {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(use_tuple);
      if (error) co_return;
      auto life = play(script_, std::move(socket), connections_++);
      asio::co_spawn(acceptor_.get_executor(), std::move(life), asio::detached);
    }
  }
  static Task<void> play(Script script, Socket socket, int number) {
    RawPeer peer(std::move(socket));
    co_await script(peer, number);
  }

  Acceptor acceptor_;
  Script script_;
  int connections_ = 0;
};

/// Answers every request on every connection with `bytes`.
FakeOrigin::Script always(std::string bytes) {
  return [bytes](RawPeer& peer, int) -> Task<void> {
    while (!(co_await peer.read_until("\r\n\r\n")).starts_with("closed")) co_await peer.send(bytes);
  };
}

class ClientTest : public ::testing::Test {
 protected:
  ClientRequest request_to(std::uint16_t port, std::string method = "GET") {
    ClientRequest request;
    request.method = std::move(method);
    request.origin = local_url(port);
    request.target = "/t";
    request.timeouts = timeouts_;
    request.cancel = cancel_;
    return request;
  }
  Task<Result<std::string>> fetch(std::uint16_t port, std::string method = "GET") {
    SB_CO_TRY(auto response, co_await client_->send(request_to(port, std::move(method))));
    co_return co_await response->read_all(1 << 20);
  }
  /// What a client makes of an origin that answers `bytes` and closes.
  Result<std::string> reading(std::string bytes) {
    FakeOrigin origin(io_, [bytes](RawPeer& peer, int) -> Task<void> {
      co_await peer.read_until("\r\n\r\n");
      co_await peer.send(bytes);
    });
    Result<std::string> result;
    run(io_, [&]() -> Task<void> { result = co_await fetch(origin.port()); });
    return result;
  }
  void expect_error(const Result<std::string>& result, Errc code) {
    ASSERT_FALSE(result) << *result;
    EXPECT_EQ(result.error().code, code) << result.error().detail;
  }

  asio::io_context io_{1};
  Timeouts timeouts_;
  CancelSource* cancel_ = nullptr;
  std::unique_ptr<Client> client_ = Client::create(io_, {});
};

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST_F(ClientTest, SendsWhatItWasGivenAndTheFramingItself) {
  std::string seen;
  FakeOrigin origin(io_, [&](RawPeer& peer, int) -> Task<void> {
    seen = co_await peer.read_until("body");
    co_await peer.send(kOk);
  });
  run(io_, [&]() -> Task<void> {
    auto request = request_to(origin.port(), "POST");
    request.target = "/v1/x?y=z";
    request.headers = {{"content-type", "text/plain"}, {"Content-Length", "999"}, {"Host", "other"}};
    request.body = "the body";
    const auto response = co_await client_->send(std::move(request));
    EXPECT_TRUE(response.has_value());
  });
  EXPECT_EQ(seen, "POST /v1/x?y=z HTTP/1.1\r\nhost: 127.0.0.1:" + std::to_string(origin.port()) +
                      "\r\ncontent-type: text/plain\r\ncontent-length: 8\r\n\r\nthe body");
}

TEST_F(ClientTest, ReusesItsConnection) {
  auto server = serve(io_, echo);
  run(io_, [&]() -> Task<void> {
    for (int i = 0; i < 5; ++i) {
      const auto answer = co_await fetch(server->port(), "POST");
      EXPECT_EQ(answer.value(), "POST /t? []");
    }
    EXPECT_EQ(server->connections(), 1u);
  });
}

TEST_F(ClientTest, UnderstandsEveryFraming) {
  EXPECT_EQ(reading(kOk), "ok");
  EXPECT_EQ(reading("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"), "abc");
  EXPECT_EQ(reading("HTTP/1.1 200 OK\r\n\r\nuntil the end"), "until the end");
  EXPECT_EQ(reading("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"), "ok");
  EXPECT_EQ(reading("HTTP/1.1 204 No Content\r\n\r\n"), "");
  EXPECT_EQ(reading("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + kOk), "ok");
}

TEST_F(ClientTest, BrokenResponsesAreNamedSo) {
  for (const char* bytes :
       {"", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "<html>not http</html>",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08"}) {
    expect_error(reading(bytes), Errc::upstream_invalid);
  }
  std::string interim;
  for (int i = 0; i < 20; ++i) interim += "HTTP/1.1 102 Processing\r\n\r\n";
  expect_error(reading(interim), Errc::upstream_invalid);
  expect_error(reading("HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n"), Errc::upstream_invalid);
}

TEST_F(ClientTest, BrokenBodyStaysBroken) {
  FakeOrigin origin(io_, [](RawPeer& peer, int) -> Task<void> {
    co_await peer.read_until("\r\n\r\n");
    co_await peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut");
  });
  run(io_, [&]() -> Task<void> {
    auto response = co_await client_->send(request_to(origin.port()));
    EXPECT_EQ((*response)->status(), 200);
    EXPECT_EQ((co_await (*response)->read_some()).value(), "cut");
    for (int i = 0; i < 2; ++i) {
      const auto rest = co_await (*response)->read_some();
      EXPECT_FALSE(rest.has_value());
    }
  });
}

TEST_F(ClientTest, UnpacksGzip) {
  const auto packed = gzip("hello hello");
  EXPECT_EQ(reading("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: " + std::to_string(packed.size()) +
                    "\r\n\r\n" + packed),
            "hello hello");
  const std::string large(1'000'000, 'x');
  EXPECT_EQ(reading("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip(large)), large);
}

TEST_F(ClientTest, HeadHasNoBodyWhateverItsLengthSays) {
  FakeOrigin origin(io_, always("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"));
  run(io_, [&]() -> Task<void> {
    EXPECT_EQ(co_await fetch(origin.port(), "HEAD"), "");
    EXPECT_EQ(co_await fetch(origin.port(), "HEAD"), "");
    EXPECT_EQ(origin.connections(), 1);
  });
}

TEST_F(ClientTest, StaleConnectionIsReplacedInSilence) {
  FakeOrigin origin(io_, [](RawPeer& peer, int) -> Task<void> {
    co_await peer.read_until("\r\n\r\n");
    co_await peer.send(kOk);  // and closes, without having said so
  });
  run(io_, [&]() -> Task<void> {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(co_await fetch(origin.port()), "ok");
    EXPECT_EQ(origin.connections(), 3);
  });
}

TEST_F(ClientTest, RequestOnAConnectionThatDiesUnderItIsSentOnceMore) {
  // The first connection answers once, then swallows the second request and closes: only sending shows it.
  FakeOrigin origin(io_, [](RawPeer& peer, int number) -> Task<void> {
    co_await peer.read_until("\r\n\r\n");
    co_await peer.send(kOk);
    co_await peer.read_until("\r\n\r\n");
    if (number > 0) co_await peer.send(kOk);
  });
  run(io_, [&]() -> Task<void> {
    EXPECT_EQ(co_await fetch(origin.port()), "ok");
    EXPECT_EQ(co_await fetch(origin.port()), "ok");
    EXPECT_EQ(origin.connections(), 2);
  });
}

TEST_F(ClientTest, FreshConnectionThatDiesIsNotTriedAgain) {
  FakeOrigin origin(io_, [](RawPeer& peer, int) -> Task<void> { co_await peer.read_until("\r\n\r\n"); });
  run(io_, [&]() -> Task<void> {
    expect_error(co_await fetch(origin.port()), Errc::upstream_invalid);
    EXPECT_EQ(origin.connections(), 1);
  });
}

TEST_F(ClientTest, ConnectionThatSpeaksUnaskedIsNotReused) {
  FakeOrigin origin(io_, always(kOk + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"));
  run(io_, [&]() -> Task<void> {
    EXPECT_EQ(co_await fetch(origin.port()), "ok");
    EXPECT_EQ(co_await fetch(origin.port()), "ok");
    EXPECT_EQ(origin.connections(), 2);
  });
}

TEST_F(ClientTest, EarlyRefusalIsReadThoughTheBodyWasNotTaken) {
  FakeOrigin origin(io_, [](RawPeer& peer, int) -> Task<void> {
    co_await peer.read_until("\r\n\r\n");
    co_await peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    co_await peer.read_to_end();
  });
  run(io_, [&]() -> Task<void> {
    const std::string body(100'000, 'x');
    auto request = request_to(origin.port(), "POST");
    request.body = body;
    auto response = co_await client_->send(std::move(request));
    EXPECT_EQ((*response)->status(), 413);
    EXPECT_EQ(co_await (*response)->read_all(100), "no");
  });
}

TEST_F(ClientTest, DroppedResponseClosesItsConnection) {
  auto server = serve(io_, [](Exchange& exchange) -> Task<void> {
    co_await exchange.begin_stream(200, {});
    const std::string piece(1'000, 'x');
    while (co_await exchange.write(piece)) co_await asio::post(co_await asio::this_coro::executor, use_task);
  });
  run(io_, [&]() -> Task<void> {
    {
      auto response = co_await client_->send(request_to(server->port()));
      EXPECT_FALSE((co_await (*response)->read_some())->empty());
    }
    while (server->connections() > 0) co_await asio::post(io_.get_executor(), use_task);
  });
}

TEST_F(ClientTest, TooLongAnswerIsRefused) {
  FakeOrigin origin(io_, always(kOk));
  run(io_, [&]() -> Task<void> {
    auto response = co_await client_->send(request_to(origin.port()));
    expect_error(co_await (*response)->read_all(1), Errc::too_large);
  });
}

TEST_F(ClientTest, EachTimeoutIsKept) {
  FakeOrigin silent(io_, [](RawPeer& peer, int) -> Task<void> { co_await peer.read_to_end(); });
  FakeOrigin stalling(io_, [](RawPeer& peer, int) -> Task<void> {
    co_await peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    co_await peer.read_to_end();
  });
  FakeOrigin dripping(io_, [](RawPeer& peer, int) -> Task<void> {
    co_await peer.send("HTTP/1.1 200 OK\r\n\r\n");
    Timer pace(peer.socket().get_executor());
    while (peer.socket().is_open()) {
      pace.expires_after(milliseconds(5));
      co_await pace.async_wait(use_tuple);
      const auto [error, size] = co_await asio::async_write(peer.socket(), asio::buffer("x", 1), use_tuple);
      if (error) co_return;
    }
  });
  run(io_, [&]() -> Task<void> {
    timeouts_.first_byte = milliseconds(40);
    expect_error(co_await fetch(silent.port()), Errc::upstream_timeout);
    timeouts_ = {};
    timeouts_.idle = milliseconds(40);
    expect_error(co_await fetch(stalling.port()), Errc::upstream_timeout);
    timeouts_ = {};
    timeouts_.total = milliseconds(60);
    expect_error(co_await fetch(dripping.port()), Errc::upstream_timeout);
  });
}

TEST_F(ClientTest, RefusedConnectionIsUnavailable) {
  std::uint16_t port = 0;
  {
    Acceptor gone(io_.get_executor(), Tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0));
    port = gone.local_endpoint().port();
  }
  run(io_, [&]() -> Task<void> {
    const auto result = co_await fetch(port);
    expect_error(result, Errc::unavailable);
    EXPECT_THAT(result.error().detail, HasSubstr("127.0.0.1:" + std::to_string(port)));
  });
}

TEST_F(ClientTest, NamesAreResolved) {
  auto server = serve(io_, echo);
  run(io_, [&]() -> Task<void> {
    auto request = request_to(server->port());
    request.origin.host = "localhost";
    request.timeouts.connect = std::chrono::seconds(60);  // a lookup may be slow where the machine is busy
    auto response = co_await client_->send(std::move(request));
    EXPECT_TRUE(response.has_value()) << response.error().detail;
    auto unknown = request_to(server->port());
    unknown.timeouts.connect = std::chrono::seconds(60);
    unknown.origin.host = "name.invalid";  // RFC 6761: never exists
    const auto failed = co_await client_->send(std::move(unknown));
    EXPECT_EQ(failed.error().code, Errc::unavailable);
  });
}

TEST_F(ClientTest, CancelEndsWhateverItWaitsFor) {
  FakeOrigin silent(io_, [](RawPeer& peer, int) -> Task<void> { co_await peer.read_to_end(); });
  FakeOrigin stalling(io_, [](RawPeer& peer, int) -> Task<void> {
    co_await peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    co_await peer.read_to_end();
  });
  run(io_, [&]() -> Task<void> {
    CancelSource before;
    before.cancel();
    cancel_ = &before;
    expect_error(co_await fetch(silent.port()), Errc::cancelled);
    CancelSource head;
    cancel_ = &head;
    asio::post(io_, [&] { asio::post(io_, [&] { head.cancel(); }); });
    expect_error(co_await fetch(silent.port()), Errc::cancelled);
    CancelSource body;
    cancel_ = &body;
    auto response = co_await client_->send(request_to(stalling.port()));
    asio::post(io_, [&] { body.cancel(); });
    expect_error(co_await (*response)->read_all(100), Errc::cancelled);
  });
}

TEST_F(ClientTest, FullPoolMakesRequestsWaitTheirTurn) {
  ClientOptions options;
  options.connections_per_origin_max = 2;
  client_ = Client::create(io_, options);
  auto server = serve(io_, [](Exchange& exchange) -> Task<void> {
    co_await asio::post(co_await asio::this_coro::executor, use_task);
    co_await echo(exchange);
  });
  int done = 0;
  run(io_, [&]() -> Task<void> {
    for (int i = 0; i < 20; ++i) {
      asio::co_spawn(io_.get_executor(), fetch(server->port()), [&](std::exception_ptr, const Result<std::string>& r) {
        EXPECT_TRUE(r.has_value()) << r.error().detail;
        ++done;
      });
    }
    while (done < 20) co_await asio::post(io_.get_executor(), use_task);
    EXPECT_EQ(server->connections(), 2u);
  });
}

TEST_F(ClientTest, WaitingForAConnectionIsBoundedInTimeAndNumber) {
  ClientOptions options;
  options.connections_per_origin_max = 1;
  options.waiting_per_origin_max = 1;
  client_ = Client::create(io_, options);
  FakeOrigin stalling(io_, [](RawPeer& peer, int) -> Task<void> {
    co_await peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    co_await peer.read_to_end();
  });
  run(io_, [&]() -> Task<void> {
    const auto holder = co_await client_->send(request_to(stalling.port()));
    timeouts_.connect = milliseconds(40);
    std::optional<Result<std::string>> queued;
    asio::co_spawn(io_.get_executor(), fetch(stalling.port()),
                   [&](std::exception_ptr, Result<std::string> r) { queued = std::move(r); });
    co_await asio::post(io_.get_executor(), use_task);
    expect_error(co_await fetch(stalling.port()), Errc::unavailable);
    EXPECT_FALSE(queued.has_value());
    while (!queued) co_await asio::post(io_.get_executor(), use_task);
    expect_error(*queued, Errc::unavailable);
  });
}

TEST_F(ClientTest, PooledConnectionIsClosedAfterItsTime) {
  ClientOptions options;
  options.pool_idle = milliseconds(30);
  client_ = Client::create(io_, options);
  auto server = serve(io_, echo);
  run(io_, [&]() -> Task<void> {
    EXPECT_TRUE((co_await fetch(server->port())).has_value());
    EXPECT_EQ(server->connections(), 1u);
    while (server->connections() > 0) co_await asio::post(io_.get_executor(), use_task);
  });
}

TEST_F(ClientTest, DestroyingTheClientEndsWhatIsInFlight) {
  FakeOrigin silent(io_, [](RawPeer& peer, int) -> Task<void> { co_await peer.read_to_end(); });
  run(io_, [&]() -> Task<void> {
    std::optional<Result<std::string>> result;
    asio::co_spawn(io_.get_executor(), fetch(silent.port()),
                   [&](std::exception_ptr, Result<std::string> r) { result = std::move(r); });
    while (silent.connections() == 0) co_await asio::post(io_.get_executor(), use_task);
    client_.reset();
    while (!result) co_await asio::post(io_.get_executor(), use_task);
    expect_error(*result, Errc::cancelled);
  });
}

TEST_F(ClientTest, ResponseMayOutliveTheClient) {
  FakeOrigin origin(io_, always(kOk));
  run(io_, [&]() -> Task<void> {
    auto response = co_await client_->send(request_to(origin.port()));
    client_.reset();
    expect_error(co_await (*response)->read_all(10), Errc::cancelled);
  });
}

TEST_F(ClientTest, AMethodIsOneToken) {
  int asked = 0;
  FakeOrigin origin(io_, [&](RawPeer& peer, int) -> Task<void> {
    while (!(co_await peer.read_until("\r\n\r\n")).starts_with("closed")) {
      ++asked;
      co_await peer.send(kOk);
    }
  });
  run(io_, [&]() -> Task<void> {
    for (const char* method :
         {"GET /other HTTP/1.1\r\nhost: a\r\n\r\nGET", "GET /other", "GET\r\nx: y", "", "G\xc3\xa4"})
      expect_error(co_await fetch(origin.port(), method), Errc::invalid_argument);
    EXPECT_TRUE(co_await fetch(origin.port(), "M-SEARCH"));
  });
  EXPECT_EQ(asked, 1);
}

TEST_F(ClientTest, LineBreaksInARequestAreRefused) {
  run(io_, [&]() -> Task<void> {
    auto target = request_to(1);
    target.target = "/ HTTP/1.1\r\nX: y";
    EXPECT_EQ((co_await client_->send(std::move(target))).error().code, Errc::invalid_argument);
    auto header = request_to(1);
    header.headers.add("x", "a\r\nb: c");
    EXPECT_EQ((co_await client_->send(std::move(header))).error().code, Errc::invalid_argument);
  });
}

}  // namespace
}  // namespace sb::http
