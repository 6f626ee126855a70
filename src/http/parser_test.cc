#include "http/parser.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace sb::http {
namespace {

using namespace std::string_literals;

struct Seen {
  std::string method = {};
  std::string target = {};
  std::string body = {};
  std::size_t fields = 0;
  int status = 0;
  int error = 0;
  bool complete = false;
  bool operator==(const Seen&) const = default;
};

/// Feeds `text` in pieces of at most `piece` bytes until the message ends or is refused.
Seen parse(std::string text, std::size_t piece, MessageParser::Kind kind = MessageParser::Kind::request,
           ParserLimits limits = {}) {
  MessageParser parser(kind, limits);
  Seen seen;
  for (std::size_t at = 0; at < text.size() && !parser.complete();) {
    const auto size = std::min(piece, text.size() - at);
    const auto fed = parser.feed({text.data() + at, size});
    if (!fed) {
      return {.error = fed.error().status};  // what came before the fault is no part of the result
    }
    seen.body += fed->body;
    at += fed->consumed;
  }
  parser.finish();
  seen.complete = parser.complete();
  if (parser.head_complete()) {
    seen.method = parser.method;
    seen.target = parser.target;
    seen.fields = parser.headers.size();
    seen.status = parser.status;
  }
  return seen;
}

struct FramingCase {
  const char* name;
  std::string text;
  int error;  ///< 0: accepted
  std::string body = {};
};

/// Instead of the bytes of the struct, padding included.
void PrintTo(const FramingCase& c, std::ostream* out) {
  *out << c.name;
}

class RequestFraming : public ::testing::TestWithParam<FramingCase> {};

TEST_P(RequestFraming, IsAcceptedOrRefusedWhateverTheCut) {
  const auto& c = GetParam();
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, c.text.size()}) {
    const auto seen = parse(c.text, piece, MessageParser::Kind::request, {1024, 100});
    EXPECT_EQ(seen.error, c.error) << "pieces of " << piece;
    EXPECT_EQ(seen.complete, c.error == 0) << "pieces of " << piece;
    if (c.error == 0) EXPECT_EQ(seen.body, c.body);
  }
}

const std::string kPost = "POST / HTTP/1.1\r\nHost: t\r\n";

INSTANTIATE_TEST_SUITE_P(
    Cases, RequestFraming,
    ::testing::Values(
        FramingCase{"plain_get", "GET / HTTP/1.1\r\nHost: t\r\n\r\n", 0},
        FramingCase{"content_length", kPost + "Content-Length: 3\r\n\r\nabc", 0, "abc"},
        FramingCase{"chunked", kPost + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", 0, "abc"},
        FramingCase{"chunk_extension", kPost + "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nab\r\n0\r\n\r\n", 0, "ab"},
        FramingCase{"trailer", kPost + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n", 0, "a"},
        FramingCase{"upgrade_is_ignored", kPost + "Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\na",
                    0, "a"},
        FramingCase{"http_1_0_without_host", "GET / HTTP/1.0\r\n\r\n", 0},
        FramingCase{"te_and_cl", kPost + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400},
        FramingCase{"cl_and_te", kPost + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        FramingCase{"two_lengths", kPost + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400},
        FramingCase{"same_length_twice", kPost + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
        FramingCase{"length_list", kPost + "Content-Length: 3, 3\r\n\r\nabc", 400},
        FramingCase{"signed_length", kPost + "Content-Length: +3\r\n\r\nabc", 400},
        FramingCase{"negative_length", kPost + "Content-Length: -3\r\n\r\nabc", 400},
        FramingCase{"hex_length", kPost + "Content-Length: 0x3\r\n\r\nabc", 400},
        FramingCase{"huge_length", kPost + "Content-Length: 99999999999999999999\r\n\r\nabc", 400},
        FramingCase{"te_twice", kPost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    400},
        FramingCase{"te_identity", kPost + "Transfer-Encoding: identity\r\n\r\n", 501},
        FramingCase{"te_gzip_chunked", kPost + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
        FramingCase{"te_chunked_gzip", kPost + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400},
        FramingCase{"te_misspelt", kPost + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
        FramingCase{"te_http_1_0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        FramingCase{"bad_chunk_size", kPost + "Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n", 400},
        FramingCase{"chunk_size_prefix", kPost + "Transfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n", 400},
        FramingCase{"chunk_size_overflow",
                    kPost + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nab\r\n0\r\n\r\n", 400},
        FramingCase{"chunk_size_space", kPost + "Transfer-Encoding: chunked\r\n\r\n2 \r\nab\r\n0\r\n\r\n", 400},
        FramingCase{"chunk_without_end", kPost + "Transfer-Encoding: chunked\r\n\r\n2\r\nabX0\r\n\r\n", 400},
        FramingCase{"chunk_bare_lf", kPost + "Transfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n", 400},
        FramingCase{"chunk_data_bare_lf", kPost + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\n0\r\n\r\n", 400},
        FramingCase{"obs_fold", "GET / HTTP/1.1\r\nHost: t\r\nX: a\r\n b\r\n\r\n", 400},
        FramingCase{"bare_lf_line", "GET / HTTP/1.1\nHost: t\r\n\r\n", 400},
        FramingCase{"bare_lf_field", "GET / HTTP/1.1\r\nHost: t\nX: y\r\n\r\n", 400},
        FramingCase{"bare_lf_end", "GET / HTTP/1.1\r\nHost: t\r\n\nX: y\r\n\r\n", 400},
        FramingCase{"bare_cr_field", "GET / HTTP/1.1\r\nHost: t\rX: y\r\n\r\n", 400},
        FramingCase{"space_before_colon", kPost + "Content-Length : 3\r\n\r\nabc", 400},
        FramingCase{"leading_space_field", "GET / HTTP/1.1\r\n Host: t\r\n\r\n", 400},
        FramingCase{"empty_field_name", "GET / HTTP/1.1\r\nHost: t\r\n: x\r\n\r\n", 400},
        FramingCase{"nul_in_value", "GET / HTTP/1.1\r\nHost: t\r\nX: a\0b\r\n\r\n"s, 400},
        FramingCase{"no_host", "GET / HTTP/1.1\r\n\r\n", 400},
        FramingCase{"two_hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        FramingCase{"bad_host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
        FramingCase{"host_with_user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400},
        FramingCase{"connect", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501},
        FramingCase{"http_2_preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        FramingCase{"http_2_version", "GET / HTTP/2.0\r\nHost: t\r\n\r\n", 505},
        FramingCase{"http_0_9", "GET /\r\n\r\n", 505},
        FramingCase{"version_1_2", "GET / HTTP/1.2\r\nHost: t\r\n\r\n", 505},
        FramingCase{"lower_case_method", "get / HTTP/1.1\r\nHost: t\r\n\r\n", 400},
        FramingCase{"unknown_method", "BREW / HTTP/1.1\r\nHost: t\r\n\r\n", 400},
        FramingCase{"tls_to_plain_port", std::string("\x16\x03\x01\x02\x00\x01", 6), 400},
        FramingCase{"body_too_large", kPost + "Content-Length: 101\r\n\r\n", 413},
        FramingCase{"chunks_too_large", kPost + "Transfer-Encoding: chunked\r\n\r\n65\r\n" + std::string(101, 'x'),
                    413},
        FramingCase{"head_too_large", "GET / HTTP/1.1\r\nHost: t\r\nX: " + std::string(1100, 'x') + "\r\n\r\n", 431},
        FramingCase{"blanks_too_many", "GET / HTTP/1.1\r\nHost: t\r\nX: " + std::string(1100, ' ') + "\r\n\r\n", 431},
        FramingCase{"endless_trailer",
                    kPost + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: " + std::string(1100, 'x'), 400},
        FramingCase{"endless_extension",
                    kPost + "Transfer-Encoding: chunked\r\n\r\n1;a=" + std::string(1100, 'x') + "\r\na\r\n0\r\n\r\n",
                    400}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(RequestTarget, LongerThanTheLimitIsNamedSo) {
  EXPECT_EQ(parse("GET /" + std::string(9'000, 'x') + " HTTP/1.1\r\nHost: t\r\n\r\n", 512).error, 414);
}

TEST(RequestFields, TooManyAreRefused) {
  std::string text = "GET / HTTP/1.1\r\nHost: t\r\n";
  for (int i = 0; i < 300; ++i) text += "a: b\r\n";
  EXPECT_EQ(parse(text + "\r\n", 4096).error, 431);
}

TEST(ResponseFraming, EndsWhereItsLengthSays) {
  using enum MessageParser::Kind;
  EXPECT_EQ(parse("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", 100, response).body, "ab");
  EXPECT_EQ(parse("HTTP/1.1 204 No Content\r\n\r\n", 100, response).complete, true);
  const auto to_close = parse("HTTP/1.1 200 OK\r\n\r\nall of it", 3, response);
  EXPECT_EQ(to_close.body, "all of it");
  EXPECT_TRUE(to_close.complete);
  EXPECT_FALSE(parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", 100, response).complete);
  EXPECT_FALSE(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 100, response).complete);
  EXPECT_NE(parse("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 100, response).error,
            0);
  EXPECT_NE(parse("<html>", 100, response).error, 0);
}

TEST(MessageParser, CutsNeverChangeTheResult) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SeededEntropy random(seed);
    std::string text =
        kPost + "X-Long: " + std::string(random.next_u64() % 50, 'v') + "\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (auto chunks = random.next_u64() % 8; chunks > 0; --chunks) {
      const auto size = 1 + random.next_u64() % 9;
      text += std::to_string(size) + "\r\n" + std::string(size, static_cast<char>('a' + chunks)) + "\r\n";
    }
    text += "0\r\n\r\n";
    if (random.next_u64() % 3 == 0) text[random.next_u64() % text.size()] = static_cast<char>(random.next_u64());
    const auto whole = parse(text, text.size());
    for (const std::size_t piece : {1, 2, 7, 16}) {
      ASSERT_EQ(parse(text, piece), whole) << "seed=" << seed << " piece=" << piece;
    }
  }
}

}  // namespace
}  // namespace sb::http
