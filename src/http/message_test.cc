#include "http/message.h"

#include <gtest/gtest.h>

#include "http/client.h"

namespace sb::http {
namespace {

TEST(Headers, NamesCompareWithoutCase) {
  Headers headers{{"Content-Type", "text/plain"}, {"X-A", "1"}, {"x-a", "2"}};
  EXPECT_EQ(headers.get("content-type"), "text/plain");
  EXPECT_EQ(headers.get("x-A"), "1");
  EXPECT_EQ(headers.get("missing"), "");
  headers.set("X-a", "3");
  EXPECT_EQ(headers.get("x-a"), "3");
  EXPECT_EQ(headers.size(), 2u);
  headers.remove("CONTENT-TYPE");
  EXPECT_FALSE(headers.has("content-type"));
}

TEST(PercentCodec, DecodesAndRefusesBrokenEscapes) {
  EXPECT_EQ(percent_decode("a%20b%2Fc"), "a b/c");
  EXPECT_EQ(percent_decode("a+b", true), "a b");
  EXPECT_EQ(percent_decode("a+b"), "a+b");
  EXPECT_EQ(percent_decode("%"), std::nullopt);
  EXPECT_EQ(percent_decode("%2"), std::nullopt);
  EXPECT_EQ(percent_decode("%2g"), std::nullopt);
}

TEST(PercentCodec, EveryByteSurvivesTheRoundTrip) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(percent_encode("a/ü~"), "a%2F%C3%BC~");
}

TEST(Request, FindsQueryParameters) {
  Request request;
  request.query = "a=1&b=x%20y+z&flag&bad=%zz";
  EXPECT_EQ(request.query_param("a"), "1");
  EXPECT_EQ(request.query_param("b"), "x y z");
  EXPECT_EQ(request.query_param("flag"), "");
  EXPECT_EQ(request.query_param("bad"), std::nullopt);
  EXPECT_EQ(request.query_param("c"), std::nullopt);
}

TEST(ReasonPhrase, KnowsCommonCodesAndSurvivesOthers) {
  EXPECT_EQ(reason_phrase(200), "OK");
  EXPECT_EQ(reason_phrase(429), "Too Many Requests");
  EXPECT_EQ(reason_phrase(299), "Unknown");
}

TEST(Url, TakesApartWhatItUnderstands) {
  const auto plain = Url::parse("http://Example.com");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->host, "example.com");
  EXPECT_EQ(plain->port, 80);
  EXPECT_EQ(plain->path, "");
  EXPECT_EQ(plain->authority(), "example.com");
  const auto full = Url::parse("https://api.example.com:8443/v1/");
  ASSERT_TRUE(full);
  EXPECT_TRUE(full->tls);
  EXPECT_EQ(full->path, "/v1");
  EXPECT_EQ(full->authority(), "api.example.com:8443");
  const auto v6 = Url::parse("http://[::1]:8080/x");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->authority(), "[::1]:8080");
  EXPECT_EQ(Url::parse("https://[::1]")->authority(), "[::1]");
}

TEST(Url, RefusesTheRest) {
  for (const auto* text : {"", "example.com", "ftp://x", "http://", "http://:80", "http://x:", "http://x:0",
                           "http://x:65536", "http://x:8a", "http://user:secret@x", "http://x/a?b", "http://x#f",
                           "http://[::1", "http://[::1]x", "http://[g]", "http://a b", "http://x/a b"}) {
    const auto url = Url::parse(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().code, Errc::invalid_argument);
    EXPECT_EQ(url.error().detail.find("secret"), std::string::npos);
  }
}

}  // namespace
}  // namespace sb::http
