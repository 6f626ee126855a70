// The client over HTTP/2, against servers that answer with prepared bytes, or not at all.
#include <gmock/gmock.h>

#include "http/test_support.h"

namespace sb::http {
namespace {

using namespace testing;
using ::testing::HasSubstr;

/// "LENGTH TYPE FLAGS STREAM payload" (RFC 9113 section 4.1).
std::string frame(char type, char flags, char stream, std::string_view payload) {
  std::string out = {'\0', '\0', static_cast<char>(payload.size()), type, flags, '\0', '\0', '\0', stream};
  return out.append(payload);
}

const std::string kSettings = frame(4, 0, 0, "");
/// ":status: 200" is 0x88 of HPACK's static table; flags: the headers' end.
const std::string kHead = frame(1, 4, 1, "\x88");
/// "a: b", neither indexed nor compressed; flags: the headers' end and the stream's.
const std::string kTrailers = frame(1, 5, 1, std::string_view("\0\1a\1b", 5));

class ClientHttp2 : public ::testing::Test {
 protected:
  ClientRequest request() {
    ClientRequest made;
    made.origin = local_url(acceptor_.local_endpoint().port());
    made.target = "/t";
    made.body = "q";
    made.http2 = true;
    made.timeouts.first_byte = made.timeouts.idle = milliseconds(200);
    return made;
  }
  /// Asks; the server says `said` at once and, unless it `stays`, leaves.
  Result<std::string> ask(std::string said, bool stays, std::size_t bytes_max = 1'000) {
    Result<std::string> told;
    run(io_, [&]() -> Task<void> {
      std::optional<RawPeer> peer;
      asio::co_spawn(
          io_.get_executor(),
          [&]() -> Task<void> {
            auto [error, socket] = co_await acceptor_.async_accept(use_tuple);
            peer.emplace(std::move(socket));
            opened_ = co_await peer->read_until("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
            co_await peer->send(std::move(said));
            if (!stays) peer->socket().shutdown(Socket::shutdown_send);
          },
          [](std::exception_ptr) {});
      auto response = co_await client_->send(request());
      if (!response) {
        told = std::unexpected(response.error());
        co_return;
      }
      status_ = (*response)->status();
      told = co_await (*response)->read_all(bytes_max);
      trailers_ = (*response)->trailers();
    });
    return told;
  }

  asio::io_context io_{1};
  Acceptor acceptor_{io_.get_executor(), Tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)};
  std::unique_ptr<Client> client_ = Client::create(io_, {});
  std::string opened_;
  Headers trailers_;
  int status_ = 0;
};

TEST_F(ClientHttp2, AsksWithPriorKnowledge) {
  const auto told = ask(kSettings + kHead + frame(0, 0, 1, "hel") + frame(0, 0, 1, "lo") + kTrailers, true);
  ASSERT_TRUE(told) << told.error().detail;
  EXPECT_EQ(*told, "hello");
  EXPECT_EQ(opened_, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  EXPECT_EQ(status_, 200);
  EXPECT_EQ(trailers_.get("a"), "b");
}

TEST_F(ClientHttp2, AnAnswerThatIsCutIsNone) {
  for (const auto& said : {std::string(), kSettings, kSettings + kHead, kSettings + kHead + frame(0, 0, 1, "hello")}) {
    const auto told = ask(said, false);
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error().code, Errc::upstream_invalid);
    EXPECT_THAT(told.error().detail, HasSubstr("was closed"));
  }
}

TEST_F(ClientHttp2, AServerThatHangsIsGivenUp) {
  for (const auto& said : {std::string(), kSettings + kHead, kSettings + kHead + frame(0, 0, 1, "hello")})
    EXPECT_EQ(ask(said, true).error().code, Errc::upstream_timeout);
}

TEST_F(ClientHttp2, AServerThatOnlyPingsIsGivenUp) {
  run(io_, [&]() -> Task<void> {
    std::optional<RawPeer> peer;
    bool over = false;
    asio::co_spawn(
        io_.get_executor(),
        [&]() -> Task<void> {
          auto [error, socket] = co_await acceptor_.async_accept(use_tuple);
          peer.emplace(std::move(socket));
          co_await peer->read_until("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
          co_await peer->send(kSettings + kHead);
          Timer pause(io_.get_executor());
          for (int i = 0; i < 100 && !over; ++i) {
            co_await peer->send(frame(6, 0, 0, "12345678"));
            pause.expires_after(milliseconds(50));
            co_await pause.async_wait(use_tuple);
          }
          peer->socket().close();
        },
        [](std::exception_ptr) {});
    auto response = co_await client_->send(request());
    EXPECT_TRUE(response);
    if (!response) co_return;
    const auto told = co_await (*response)->read_all(1'000);
    over = true;
    EXPECT_EQ(told.error().code, Errc::upstream_timeout);
  });
}

TEST_F(ClientHttp2, AServerOfHttp1IsToldApart) {
  const auto told = ask("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", true);
  EXPECT_EQ(told.error().code, Errc::upstream_invalid);
  EXPECT_THAT(told.error().detail, HasSubstr("against the protocol"));
}

TEST_F(ClientHttp2, ABodyHasALimit) {
  const auto told = ask(kSettings + kHead + frame(0, 0, 1, std::string(100, 'x')) + kTrailers, true, 99);
  EXPECT_EQ(told.error().code, Errc::too_large);
}

TEST_F(ClientHttp2, ACancelledRequestEndsAtOnce) {
  run(io_, [&]() -> Task<void> {
    CancelSource cancel;
    auto asked = request();
    asked.timeouts.first_byte = milliseconds(60'000);
    asked.cancel = &cancel;
    Timer soon(io_.get_executor(), milliseconds(20));
    soon.async_wait([&](error_code) { cancel.cancel(); });
    const auto told = co_await client_->send(std::move(asked));
    EXPECT_EQ(told.error().code, Errc::cancelled);
  });
}

}  // namespace
}  // namespace sb::http
