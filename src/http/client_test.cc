#include "http/client.h"

#include <gmock/gmock.h>

#include "http/test_support.h"

namespace sb::http {
namespace {

using namespace testing;
using ::testing::HasSubstr;

class ClientTest : public ::testing::Test {
 protected:
  Task<Result<std::string>> fetch(std::string path, std::string body = {}) {
    ClientRequest request;
    request.origin = local_url(server_->port());
    request.target = std::move(path);
    request.body = body;
    SB_CO_TRY(auto response, co_await client_->send(std::move(request)));
    co_return co_await response->read_all(1 << 20);
  }

  asio::io_context io_{1};
  std::unique_ptr<Server> server_;
  std::unique_ptr<Client> client_ = Client::create(io_, {});
};

TEST_F(ClientTest, ReusesItsConnection) {
  server_ = serve(io_, echo);
  run(io_, [&]() -> Task<void> {
    for (int i = 0; i < 5; ++i) {
      const auto answer = co_await fetch("/a?b", "body");
      EXPECT_EQ(answer.value(), "POST /a?b [body]");
    }
    EXPECT_EQ(server_->connections(), 1u);
  });
}

TEST_F(ClientTest, ReadsStreamsPieceByPiece) {
  server_ = serve(io_, [](Exchange& exchange) -> Task<void> {
    co_await exchange.begin_stream(200, {});
    for (int i = 0; i < 100; ++i) co_await exchange.write("piece " + std::to_string(i) + "\n");
    co_await exchange.end_stream();
  });
  run(io_, [&]() -> Task<void> {
    const auto answer = co_await fetch("/");
    EXPECT_TRUE(answer.has_value());
    EXPECT_TRUE(answer->ends_with("piece 99\n"));
    EXPECT_EQ(answer->size(), 90u * 9 + 10u * 8);
  });
}

}  // namespace
}  // namespace sb::http
