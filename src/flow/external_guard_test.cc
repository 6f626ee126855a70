#include "flow/external_guard.h"

#include <gtest/gtest.h>

#include "http/test_support.h"

namespace sb::flow {
namespace {

using namespace http::testing;

class ExternalGuardTest : public testing::Test {
 protected:
  // What the guard makes of a service that answers so.
  policy::CheckResult ask(int status, std::string body) {
    auto server = serve(io_, [&, status, body](http::Exchange& exchange) -> Task<void> {
      asked_ = exchange.request().body;
      http::Response response{status, {}, body};
      (void)co_await exchange.respond(std::move(response));
    });
    return ask_at("http://127.0.0.1:" + std::to_string(server->port()) + "/check");
  }
  policy::CheckResult ask_at(std::string url) {
    auto check = std::make_shared<policy::Check>();
    check->name = "outside";
    check->kind = policy::CheckKind::http;
    check->url = std::move(url);
    check->timeout_ms = 300;
    checks_.push_back(check);
    policy::CheckResult result;
    run(io_, [&]() -> Task<void> {
      std::vector<std::string> texts{"hello"};
      result = co_await guard_->ask(check, policy::Direction::inbound, std::move(texts));
    });
    return result;
  }

  asio::io_context io_;
  std::unique_ptr<http::Client> client_ = http::Client::create(io_, {});
  std::unique_ptr<ExternalGuard> guard_ = std::make_unique<ExternalGuard>(*client_, system_clock());
  std::vector<std::shared_ptr<policy::Check>> checks_;
  std::string asked_;
};

TEST_F(ExternalGuardTest, TheServiceDecides) {
  EXPECT_FALSE(ask(200, R"({"objects": false})").objects);
  EXPECT_EQ(asked_, R"({"check":"outside","direction":"inbound","texts":["hello"]})");
  const auto refused = ask(200, R"({"objects": true, "label": "toxic"})");
  EXPECT_TRUE(refused.objects);
  EXPECT_EQ(refused.complaint, "toxic");
  EXPECT_EQ(refused.label, "objected") << "a word of its own is not for the record";
}

TEST_F(ExternalGuardTest, WhatIsNoAnswerIsAnObjection) {
  for (const auto& [status, body] :
       std::vector<std::pair<int, std::string>>{{500, "{}"},
                                                {200, "yes"},
                                                {200, "{}"},
                                                {200, R"({"objects": "no"})"},
                                                {302, ""},
                                                {200, R"({"objects": true, "objects": false})"}}) {
    EXPECT_TRUE(ask(status, body).objects) << status << body;
  }
  EXPECT_EQ(ask(200, R"({"objects": true, "label": "he said ann@x.org"})").complaint, "")
      << "its words could quote the text";
}

TEST_F(ExternalGuardTest, AServiceThatKeepsFailingIsLeftAlone) {
  const std::string nowhere = "http://127.0.0.1:1/";
  std::string label;
  for (int i = 0; i < 6; ++i) {
    const auto result = ask_at(nowhere);
    EXPECT_TRUE(result.objects);
    label = result.label;
  }
  EXPECT_EQ(label, "not asked: it keeps failing");
}

}  // namespace
}  // namespace sb::flow
