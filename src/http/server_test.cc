#include "http/server.h"

#include <gmock/gmock.h>

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

}  // namespace
}  // namespace sb::http
