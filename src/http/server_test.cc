#include "http/server.h"

#include <gmock/gmock.h>

#include <thread>

#include "http/test_support.h"

namespace sb::http {
namespace {

using namespace testing;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class ServerTest : public ::testing::Test {
 protected:
  void start(Handler handler, ServerOptions options = {}) { server_ = serve(io_, std::move(handler), options); }
  /// Sends `bytes` as they are and returns all that comes until the server closes.
  std::string answer_to(std::string bytes) {
    std::string answer;
    run(io_, [&]() -> Task<void> {
      RawPeer peer(io_, server_->port());
      co_await peer.send(bytes);
      answer = co_await peer.read_to_end();
    });
    return answer;
  }

  asio::io_context io_{1};
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersAndClosesOnRequest) {
  start(echo);
  const auto answer = answer_to("GET /a%20b?x=1 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\ncontent-length: 15\r\nconnection: close\r\n\r\nGET /a b?x=1 []"));
  EXPECT_THAT(answer, HasSubstr("\r\ndate: "));
}

TEST_F(ServerTest, KeepsTheConnectionForTheNextRequest) {
  start(echo);
  run(io_, [&]() -> Task<void> {
    RawPeer peer(io_, server_->port());
    for (int i = 0; i < 3; ++i) {
      co_await peer.send("POST /p HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi");
      EXPECT_THAT(co_await peer.read_until("[hi]"), HasSubstr("POST /p? [hi]"));
    }
    EXPECT_EQ(server_->connections(), 1u);
  });
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  start(echo);
  const auto answer = answer_to(
      "GET /1 HTTP/1.1\r\nHost: t\r\n\r\nPOST /2 HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nab\r\n1;x=y\r\nc\r\n0\r\nTrailer: t\r\n\r\nGET /3 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
  const auto first = answer.find("GET /1? []");
  const auto second = answer.find("POST /2? [abc]");
  const auto third = answer.find("GET /3? []");
  ASSERT_NE(third, std::string::npos) << answer;
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
}

TEST_F(ServerTest, UnderstandsRequestsThatComeByteByByte) {
  start(echo);
  run(io_, [&]() -> Task<void> {
    RawPeer peer(io_, server_->port());
    const std::string request =
        "POST /x HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for (const char c : request) co_await peer.send(std::string(1, c));
    EXPECT_THAT(co_await peer.read_to_end(), HasSubstr("POST /x? [abc]"));
  });
}

TEST_F(ServerTest, HeadHasTheLengthButNoBody) {
  start(echo);
  const auto answer = answer_to("HEAD /h HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("content-length: 11\r\n"));
  EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
}

TEST_F(ServerTest, StreamsInChunks) {
  start([](Exchange& exchange) -> Task<void> {
    Headers headers{{"content-type", "text/event-stream"}};
    co_await exchange.begin_stream(200, std::move(headers));
    co_await exchange.write("one");
    co_await exchange.write("two!");
    co_await exchange.end_stream();
  });
  const auto answer = answer_to("GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("transfer-encoding: chunked\r\n"));
  EXPECT_TRUE(answer.ends_with("\r\n\r\n3\r\none\r\n4\r\ntwo!\r\n0\r\n\r\n")) << answer;
}

TEST_F(ServerTest, ClientThatLeavesFiresDisconnect) {
  bool fired = false;
  bool write_failed = false;
  start([&](Exchange& exchange) -> Task<void> {
    co_await exchange.begin_stream(200, {});
    co_await exchange.write("first");
    Timer never(io_.get_executor(), SteadyTime::max());
    CancelRegistration registration(&exchange.disconnect(), [&] {
      fired = true;
      never.cancel();
    });
    co_await never.async_wait(use_tuple);
    write_failed = !(co_await exchange.write("second")).has_value();
  });
  run(io_, [&]() -> Task<void> {
    RawPeer peer(io_, server_->port());
    co_await peer.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    co_await peer.read_until("first");
    peer.socket().close();
    co_await server_->drain(milliseconds(5'000));
  });
  EXPECT_TRUE(fired);
  EXPECT_TRUE(write_failed);
}

TEST_F(ServerTest, HandlerThatThrowsIsAnsweredWithoutItsWords) {
  start([](Exchange&) -> Task<void> {
    throw std::runtime_error("customer secret");
    co_return;
  });
  const auto answer = answer_to("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(answer, HasSubstr(R"("code":"internal_error")"));
  EXPECT_THAT(answer, Not(HasSubstr("secret")));
}

TEST_F(ServerTest, HandlerThatForgetsToAnswerIsAnsweredForIt) {
  start([](Exchange&) -> Task<void> { co_return; });
  EXPECT_THAT(answer_to("GET / HTTP/1.1\r\nHost: t\r\n\r\n"), StartsWith("HTTP/1.1 500 "));
}

TEST_F(ServerTest, AbandonedStreamNeverLooksComplete) {
  start([](Exchange& exchange) -> Task<void> {
    co_await exchange.begin_stream(200, {});
    co_await exchange.write("half");
  });
  const auto answer = answer_to("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
  EXPECT_TRUE(answer.ends_with("4\r\nhalf\r\n")) << answer;
}

TEST_F(ServerTest, HeadOfAStreamHasNoChunks) {
  start([](Exchange& exchange) -> Task<void> {
    co_await exchange.begin_stream(200, {});
    co_await exchange.write("x");
    co_await exchange.end_stream();
  });
  EXPECT_TRUE(answer_to("HEAD / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").ends_with("\r\n\r\n"));
}

TEST_F(ServerTest, SpeaksHttp10) {
  start([](Exchange& exchange) -> Task<void> {
    if (exchange.request().path == "/whole") co_return co_await echo(exchange);
    co_await exchange.begin_stream(200, {});
    co_await exchange.write("a");
    co_await exchange.write("b");
    co_await exchange.end_stream();
  });
  EXPECT_TRUE(answer_to("GET /whole HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nGET /whole? []"));
  const auto streamed = answer_to("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(streamed, Not(HasSubstr("chunked")));
  EXPECT_TRUE(streamed.ends_with("\r\n\r\nab")) << streamed;
  const auto kept = answer_to(
      "GET /whole HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /whole HTTP/1.0\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(kept, HasSubstr("connection: keep-alive\r\n"));
  EXPECT_THAT(kept, HasSubstr("[]HTTP/1.1 200 OK"));
}

TEST_F(ServerTest, HalfClosedClientStillGetsItsAnswer) {
  start(echo);
  run(io_, [&]() -> Task<void> {
    RawPeer peer(io_, server_->port());
    co_await peer.send("GET /half HTTP/1.1\r\nHost: t\r\n\r\n");
    peer.socket().shutdown(Socket::shutdown_send);
    EXPECT_THAT(co_await peer.read_to_end(), HasSubstr("GET /half? []"));
  });
}

TEST_F(ServerTest, HeaderValuesCannotSplitTheResponse) {
  start([](Exchange& exchange) -> Task<void> {
    auto response = text("ok");
    response.headers.add("x-bad", "a\r\nset-cookie: stolen");
    response.headers.add("content-length", "999");
    co_await exchange.respond(std::move(response));
  });
  const auto answer = answer_to("GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, Not(HasSubstr("stolen")));
  EXPECT_THAT(answer, HasSubstr("content-length: 2\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("content-length: 999")));
}

TEST_F(ServerTest, LargeBodiesPassBothWays) {
  start([](Exchange& exchange) -> Task<void> { co_await exchange.respond(text(exchange.take_body())); });
  std::string body;
  for (int i = 0; body.size() < 5'000'000; ++i) body += std::to_string(i) + ",";
  const auto answer =
      answer_to("POST / HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n\r\n" + body);
  EXPECT_TRUE(answer.ends_with(body));
}

TEST_F(ServerTest, DrainFinishesWhatIsInFlightAndClosesTheRest) {
  Timer* release = nullptr;
  start([&](Exchange& exchange) -> Task<void> {
    Timer wait(io_.get_executor(), SteadyTime::max());
    release = &wait;
    co_await wait.async_wait(use_tuple);
    co_await echo(exchange);
  });
  run(io_, [&]() -> Task<void> {
    RawPeer idle(io_, server_->port());
    RawPeer busy(io_, server_->port());
    co_await busy.send("GET /busy HTTP/1.1\r\nHost: t\r\n\r\n");
    while (!release || server_->connections() < 2) co_await asio::post(io_.get_executor(), use_task);
    bool drained = false;
    asio::co_spawn(io_.get_executor(), server_->drain(milliseconds(10'000)),
                   [&](std::exception_ptr) { drained = true; });
    EXPECT_EQ(co_await idle.read_to_end(), "");
    EXPECT_FALSE(drained);
    EXPECT_EQ(server_->in_flight(), 1u);
    release->cancel();
    const auto answer = co_await busy.read_to_end();
    EXPECT_THAT(answer, HasSubstr("connection: close\r\n"));
    EXPECT_THAT(answer, HasSubstr("GET /busy? []"));
    busy.socket().close();
    while (!drained) co_await asio::post(io_.get_executor(), use_task);
    EXPECT_EQ(server_->connections(), 0u);
    Socket late(io_.get_executor());
    const auto [error] =
        co_await late.async_connect(Tcp::endpoint(asio::ip::make_address("127.0.0.1"), server_->port()), use_tuple);
    EXPECT_EQ(error, asio::error::connection_refused);
  });
}

TEST_F(ServerTest, DrainCutsWhatIsNotDoneByItsDeadline) {
  bool cancelled = false;
  start([&](Exchange& exchange) -> Task<void> {
    Timer wait(io_.get_executor(), SteadyTime::max());
    CancelRegistration registration(&exchange.disconnect(), [&] {
      cancelled = true;
      wait.cancel();
    });
    co_await wait.async_wait(use_tuple);
  });
  run(io_, [&]() -> Task<void> {
    RawPeer peer(io_, server_->port());
    co_await peer.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    while (server_->in_flight() == 0) co_await asio::post(io_.get_executor(), use_task);
    co_await server_->drain(milliseconds(20));
    EXPECT_TRUE(cancelled);
    EXPECT_EQ(server_->connections(), 0u);
  });
}

TEST_F(ServerTest, DestroyingTheServerIsSafeWhileRequestsRun) {
  bool cancelled = false;
  start([&](Exchange& exchange) -> Task<void> {
    Timer wait(io_.get_executor(), SteadyTime::max());
    CancelRegistration registration(&exchange.disconnect(), [&] { wait.cancel(); });
    co_await wait.async_wait(use_tuple);
    cancelled = true;
    co_await exchange.respond(text("too late"));
  });
  run(io_, [&]() -> Task<void> {
    RawPeer peer(io_, server_->port());
    co_await peer.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    while (server_->in_flight() == 0) co_await asio::post(io_.get_executor(), use_task);
    server_.reset();
    EXPECT_EQ(co_await peer.read_to_end(), "");
    while (!cancelled) co_await asio::post(io_.get_executor(), use_task);
  });
}

TEST_F(ServerTest, EventLoopMayGoWhileConnectionsAreOpen) {
  // Nothing may be leaked or touched late: the sanitizers judge this one.
  auto io = std::make_unique<asio::io_context>(1);
  auto server = serve(*io, [](Exchange& exchange) -> Task<void> {
    Timer wait(co_await asio::this_coro::executor, SteadyTime::max());
    co_await wait.async_wait(use_tuple);
    co_await echo(exchange);
  });
  auto idle = std::make_unique<RawPeer>(*io, server->port());
  auto busy = std::make_unique<RawPeer>(*io, server->port());
  run(*io, [&]() -> Task<void> {
    co_await busy->send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    while (server->in_flight() == 0 || server->connections() < 2) co_await asio::post(io->get_executor(), use_task);
  });
  EXPECT_EQ(server->connections(), 2u);
  idle.reset();
  busy.reset();
  server.reset();
  io.reset();
}

TEST(Shards, ShareNothing) {
  // Two servers on one port, each with a client of its own on its own thread: the thread sanitizer judges this one.
  ServerOptions options;
  options.reuse_port = true;
  std::vector<std::unique_ptr<asio::io_context>> loops;
  std::vector<std::unique_ptr<Server>> servers;
  for (int i = 0; i < 2; ++i) {
    loops.push_back(std::make_unique<asio::io_context>(1));
    auto server = Server::create(*loops.back(), options, echo);
    ASSERT_TRUE(server);
    options.port = (*server)->port();
    servers.push_back(std::move(*server));
    servers.back()->start();
  }
  std::array<int, 2> answered{};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      auto client = Client::create(*loops[i], {});
      const auto ask = [](Client& c, std::uint16_t port, int& count) -> Task<void> {
        for (int n = 0; n < 50; ++n) {
          ClientRequest request;
          request.origin = local_url(port);
          request.target = "/t";
          auto response = co_await c.send(std::move(request));
          if (response && co_await (*response)->read_all(1'000) == "POST /t? []") ++count;
        }
      };
      asio::co_spawn(*loops[i], ask(*client, options.port, answered[i]), asio::detached);
      while (answered[i] < 50) loops[i]->run_one();
      client.reset();
      // The other thread's client may be served by this loop: it runs until both are done.
      asio::co_spawn(*loops[i], servers[i]->drain(milliseconds(10'000)),
                     [&, i](std::exception_ptr) { loops[i]->stop(); });
      loops[i]->run();
      servers[i].reset();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(answered, (std::array{50, 50}));
}

TEST(ServerCreate, NamesTheAddressThatIsTaken) {
  asio::io_context io{1};
  auto first = Server::create(io, {}, echo);
  ASSERT_TRUE(first);
  ServerOptions options;
  options.port = (*first)->port();
  const auto second = Server::create(io, options, echo);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::unavailable);
  EXPECT_THAT(second.error().detail, HasSubstr("address 127.0.0.1:" + std::to_string(options.port) + " is in use"));
}

TEST(ServerCreate, SharesAPortWhereAskedTo) {
  asio::io_context io{1};
  ServerOptions options;
  options.reuse_port = true;
  auto first = Server::create(io, options, echo);
  ASSERT_TRUE(first);
  options.port = (*first)->port();
  EXPECT_TRUE(Server::create(io, options, echo));
}

TEST(ServerCreate, NamesAHostThatIsNone) {
  asio::io_context io{1};
  ServerOptions options;
  options.host = "localhost:80";
  const auto server = Server::create(io, options, echo);
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().code, Errc::invalid_argument);
  EXPECT_THAT(server.error().detail, HasSubstr("localhost:80"));
}

}  // namespace
}  // namespace sb::http
