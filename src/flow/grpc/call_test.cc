#include "flow/grpc/call.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace sb::flow::grpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::shared_ptr<const Method> count_method(std::string_view name) {
  const auto proto = Proto::read(R"(syntax = "proto3";
    message N { int32 n = 1; }
    service Counter { rpc One(N) returns (N); rpc Many(N) returns (stream N); })");
  return *(*proto)->method("Counter", name);
}

HttpAnswer grpc_answer(std::string body, const char* status = "0") {
  HttpAnswer answer;
  answer.status = 200;
  answer.headers = {{"content-type", "application/grpc+proto"}};
  answer.trailers = {{"grpc-status", status}};
  answer.body = std::move(body);
  return answer;
}

const std::string kSeven = framed("\x08\x07"), kEight = framed("\x08\x08");

TEST(GrpcCall, AsksAsGrpcDoesOverHttp2) {
  const auto one = count_method("One");
  const json::value with{
      {"service", {{"host", "a.test"}, {"port", 50051}, {"authentication", {{"bearer", {{"token", "t"}}}}}}},
      {"arguments", {{"n", 7}}}};
  auto asked = question(with, *one);
  ASSERT_TRUE(asked) << asked.error().detail;
  EXPECT_EQ(asked->url, "https://a.test:50051/Counter/One");
  EXPECT_EQ(asked->method, "POST");
  EXPECT_TRUE(asked->http2);
  EXPECT_EQ(to_text(asked->headers), R"({"content-type":"application/grpc","te":"trailers","grpc-timeout":"60000m"})");
  EXPECT_EQ(asked->body, R"({"n":7})") << "policies read JSON";
  EXPECT_EQ(to_text(asked->authentication), R"({"bearer":{"token":"t"}})");
  asked->in_clear.emplace(HttpQuestion::InClear{asked->url, asked->headers, R"({"n":8})"});
  ASSERT_TRUE(put_message(*asked, *one));
  EXPECT_EQ(*asked->body, std::string_view("\0\0\0\0\2\x08\x07", 7));
  EXPECT_EQ(*asked->in_clear->body, std::string_view("\0\0\0\0\2\x08\x08", 7));
  const auto bare = question({{"service", {{"host", "a.test"}}}}, *count_method("Many"));
  EXPECT_EQ(bare->url, "https://a.test/Counter/Many");
  EXPECT_EQ(bare->body, "{}");
  EXPECT_EQ(bare->headers.at("grpc-timeout").as_string(), "600000m");
}

TEST(GrpcCall, ArgumentsThatExpressionsMadeAreLookedAt) {
  const auto one = count_method("One");
  for (const char* service :
       {R"({"host":""})", R"({"host":"a.test/x"})", R"({"host":"a.test:1"})", R"({"host":"u@a.test"})", R"({"host":7})",
        R"({"host":"a.test","port":0})", R"({"host":"a.test","port":65536})", R"({"host":"a.test","port":"1"})"}) {
    const auto refused = question({{"service", *parse_json(service)}}, *one);
    ASSERT_FALSE(refused) << service;
    EXPECT_EQ(refused.error().status, 400);
    EXPECT_EQ(refused.error().type, error_type("validation"));
  }
  EXPECT_FALSE(question({{"service", {{"host", "a.test"}}}, {"arguments", {1}}}, *one));
  auto asked = question({{"service", {{"host", "a.test"}}}, {"arguments", {{"n", "[EMAIL_1]"}}}}, *one);
  const auto refused = put_message(*asked, *one);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().detail, "the arguments are no N");
}

TEST(GrpcCall, MessagesAreCutAsTheirPrefixesSay) {
  const std::string body = framed("abc") + framed("") + framed(std::string(300, 'x'));
  const auto whole = messages_in(body, 3);
  ASSERT_TRUE(whole);
  EXPECT_THAT(*whole, ElementsAre("abc", "", std::string(300, 'x')));
  for (std::size_t cut = 0; cut < body.size(); ++cut) {
    const auto some = messages_in(std::string_view(body).substr(0, cut), 3);
    const bool between = cut == 0 || cut == 8 || cut == 13;
    EXPECT_EQ(some.has_value(), between) << cut;
    if (!some) EXPECT_EQ(some.error().detail, "the answer ends within a message");
  }
  EXPECT_EQ(messages_in(body, 2).error().code, Errc::too_large);
  EXPECT_THAT(messages_in(std::string_view("\1\0\0\0\0", 5), 1).error().detail, HasSubstr("compressed"));
  EXPECT_FALSE(messages_in(std::string_view("\0\xff\xff\xff\xff"
                                            "abc",
                                            8),
                           1))
      << "4 GiB that are not there";
}

TEST(GrpcCall, AnswersAreJson) {
  EXPECT_EQ(answer_of(grpc_answer(kSeven), *count_method("One")), R"({"n":7})");
  const auto many = count_method("Many");
  EXPECT_EQ(answer_of(grpc_answer(kSeven + kEight), *many), R"([{"n":7},{"n":8}])");
  EXPECT_EQ(answer_of(grpc_answer(kSeven), *many), R"([{"n":7}])");
  EXPECT_EQ(answer_of(grpc_answer(""), *many), "[]");
}

TEST(GrpcCall, TheMessagesOfAStreamAreWeighedTogether) {
  std::string body;
  for (int i = 0; i < 10'000; ++i) body += kSeven;
  EXPECT_TRUE(answer_of(grpc_answer(body), *count_method("Many")));
  const auto proto = Proto::read(R"(syntax = "proto3"; message N { int32 n = 1; repeated N more = 2; }
                                    service Count { rpc Many(N) returns (stream N); })");
  ASSERT_TRUE(proto);
  std::string ten;
  for (int i = 0; i < 10; ++i) ten += std::string("\x12\0", 2);
  body.clear();
  for (int i = 0; i < 10'000; ++i) body += framed(ten);
  const auto told = answer_of(grpc_answer(body), **(*proto)->method("Count", "Many"));
  ASSERT_FALSE(told);
  EXPECT_THAT(told.error().detail, HasSubstr("too large"));
}

TEST(GrpcCall, WhatIsNoAnswerLeavesTheCallsEndOpen) {
  const auto one = count_method("One");
  auto no_status = grpc_answer(kSeven);
  no_status.trailers.clear();
  auto html = grpc_answer(kSeven);
  html.headers["content-type"] = "text/html";
  auto untyped = grpc_answer(kSeven);
  untyped.headers.clear();
  for (const auto& answer :
       {no_status, html, untyped, grpc_answer(kSeven, ""), grpc_answer(kSeven, "0x"), grpc_answer(kSeven, "-1"),
        grpc_answer(""), grpc_answer(kSeven + kEight), grpc_answer(kSeven.substr(0, 6)), grpc_answer(framed("\x08"))}) {
    const auto told = answer_of(answer, *one);
    ASSERT_FALSE(told) << answer.body;
    EXPECT_EQ(told.error().type, error_type("communication"));
    EXPECT_EQ(told.error().status, 502);
    EXPECT_FALSE(told.error().is_answer);
  }
}

TEST(GrpcCall, StatusesMeanWhatTheDslCallsThem) {
  struct Case {
    int status;
    const char* type;
    int http;
    bool is_answer;
  };
  for (const auto& [status, type, http, is_answer] :
       {Case{1, "communication", 499, false}, Case{2, "communication", 500, true}, Case{3, "validation", 400, true},
        Case{4, "timeout", 408, false}, Case{5, "communication", 404, true}, Case{6, "communication", 409, true},
        Case{7, "authorization", 403, true}, Case{8, "communication", 429, true}, Case{9, "communication", 400, true},
        Case{10, "communication", 409, true}, Case{11, "validation", 400, true}, Case{12, "communication", 501, true},
        Case{13, "communication", 500, true}, Case{14, "communication", 503, false},
        Case{15, "communication", 500, true}, Case{16, "authentication", 401, true},
        Case{17, "communication", 500, true}, Case{1'000'000, "communication", 500, true}}) {
    auto answer = grpc_answer("", fmt::format("{}", status).c_str());
    answer.trailers["grpc-message"] = "words of the service";
    const auto told = answer_of(answer, *count_method("One"));
    ASSERT_FALSE(told) << status;
    EXPECT_EQ(told.error().type, error_type(type)) << status;
    EXPECT_EQ(told.error().status, http) << status;
    EXPECT_EQ(told.error().is_answer, is_answer) << status;
    EXPECT_THAT(told.error().detail, HasSubstr(fmt::format("status {}", status)));
    EXPECT_EQ(told.error().detail.find("words"), std::string::npos);
  }
  HttpAnswer head_alone = grpc_answer("", "7");
  head_alone.headers["grpc-status"] = std::exchange(head_alone.trailers, {}).at("grpc-status");
  EXPECT_EQ(answer_of(head_alone, *count_method("One")).error().status, 403);
}

}  // namespace
}  // namespace sb::flow::grpc
