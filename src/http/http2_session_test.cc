// Against nghttp2's other side, however its bytes are cut, and against what is no HTTP/2.
#include "http/http2_session.h"

#include <gmock/gmock.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <vector>

namespace sb::http {
namespace {

using ::testing::HasSubstr;

/// A server that answers the request on stream 1 when it is whole.
class Http2Peer {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  Http2Peer() {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name, std::size_t name_size,
                      const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* self) {
          static_cast<Http2Peer*>(self)->fields[std::string(name, name + name_size)].assign(value, value + value_size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks,
        [](nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t* data, std::size_t size, void* self) {
          static_cast<Http2Peer*>(self)->body.append(reinterpret_cast<const char*>(data), size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
          if (frame->hd.stream_id == 1 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
            static_cast<Http2Peer*>(self)->whole = true;
          return 0;
        });
    nghttp2_session_server_new(&session, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~Http2Peer() { nghttp2_session_del(session); }
  Http2Peer(const Http2Peer&) = delete;
  Http2Peer& operator=(const Http2Peer&) = delete;

  void hear(std::string_view bytes) {
    EXPECT_EQ(nghttp2_session_mem_recv(session, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }
  std::string say() {
    std::string said;
    const std::uint8_t* bytes = nullptr;
    for (ssize_t size; (size = nghttp2_session_mem_send(session, &bytes)) > 0;)
      said.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    return said;
  }
  void answer(const Fields& head, std::string content, Fields last) {
    answer_ = std::move(content);
    trailers_ = std::move(last);
    nghttp2_data_provider provider{};
    provider.source.ptr = this;
    provider.read_callback = [](nghttp2_session* of, std::int32_t stream, std::uint8_t* into, std::size_t size,
                                std::uint32_t* flags, nghttp2_data_source* source, void*) -> ssize_t {
      auto& self = *static_cast<Http2Peer*>(source->ptr);
      const auto count = std::min(size, self.answer_.size() - self.sent_);
      std::memcpy(into, self.answer_.data() + self.sent_, count);
      self.sent_ += count;
      if (self.sent_ < self.answer_.size()) return static_cast<ssize_t>(count);
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (self.trailers_.empty()) return static_cast<ssize_t>(count);
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const auto list = nv(self.trailers_);
      nghttp2_submit_trailer(of, stream, list.data(), list.size());
      return static_cast<ssize_t>(count);
    };
    const auto list = nv(head);
    nghttp2_submit_response(session, 1, list.data(), list.size(),
                            answer_.empty() && trailers_.empty() ? nullptr : &provider);
  }

  nghttp2_session* session = nullptr;
  std::map<std::string, std::string> fields;
  std::string body;
  bool whole = false;

 private:
  static std::vector<nghttp2_nv> nv(const Fields& list) {
    std::vector<nghttp2_nv> made;
    for (const auto& [name, value] : list)
      made.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                      reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
                      NGHTTP2_NV_FLAG_NONE});
    return made;
  }

  std::string answer_;
  Fields trailers_;
  std::size_t sent_ = 0;
};

ClientRequest http2_request(std::string_view body) {
  ClientRequest request;
  request.origin = *Url::parse("http://a.test:8080");
  request.target = "/shop/Place";
  request.headers = {{"TE", "trailers"}, {"connection", "close"}, {"host", "other.test"}, {"content-length", "7"}};
  request.body = body;
  return request;
}

std::unique_ptr<Http2Session> session_of(const ClientRequest& request, std::size_t header_bytes_max = 1'000) {
  auto session = Http2Session::create(request, header_bytes_max);
  EXPECT_TRUE(session) << session.error().detail;
  return *std::move(session);
}

/// Both sides talk until neither has anything to say; what comes back is the client's first error.
Result<> talk(Http2Session& session, Http2Peer& peer) {
  for (;;) {
    SB_TRY(const auto up, session.take());
    peer.hear(up);
    const auto down = peer.say();
    if (!down.empty()) SB_CHECK(session.feed(down));
    if (up.empty() && down.empty()) return {};
  }
}

TEST(Http2Session, CarriesARequestAndItsAnswer) {
  const std::string content(1'000'000, 'q');  // more than every window
  const auto session = session_of(http2_request(content));
  Http2Peer peer;
  ASSERT_TRUE(talk(*session, peer));
  EXPECT_TRUE(peer.whole);
  EXPECT_EQ(peer.body, content);
  EXPECT_THAT(peer.fields, ::testing::UnorderedElementsAre(
                               ::testing::Pair(":method", "POST"), ::testing::Pair(":scheme", "http"),
                               ::testing::Pair(":authority", "a.test:8080"), ::testing::Pair(":path", "/shop/Place"),
                               ::testing::Pair("te", "trailers")));
  EXPECT_FALSE(session->head_complete());
  const std::string reply(1'000'000, 'r');
  peer.answer({{":status", "200"}, {"x-a", "1"}}, reply, {{"grpc-status", "0"}});
  ASSERT_TRUE(talk(*session, peer));
  EXPECT_TRUE(session->head_complete());
  EXPECT_TRUE(session->ended());
  EXPECT_EQ(session->status(), 200);
  EXPECT_EQ(session->take_headers().get("x-a"), "1");
  EXPECT_EQ(session->take_body(), reply);
  EXPECT_EQ(session->trailers().get("grpc-status"), "0");
}

/// What a server says of an interim head, a head, a body and trailers.
std::string whole_answer(Http2Session& session) {
  Http2Peer peer;
  peer.hear(*session.take());
  std::string said = peer.say();
  const Http2Peer::Fields early = {{":status", "103"}, {"link", "x"}};
  const nghttp2_nv interim[] = {{reinterpret_cast<std::uint8_t*>(const_cast<char*>(early[0].first.data())),
                                 reinterpret_cast<std::uint8_t*>(const_cast<char*>(early[0].second.data())), 7, 3, 0}};
  nghttp2_submit_headers(peer.session, NGHTTP2_FLAG_NONE, 1, nullptr, interim, 1, nullptr);
  said += peer.say();
  peer.answer({{":status", "200"}}, "hello", {{"grpc-status", "5"}, {"grpc-message", "gone"}});
  return said + peer.say();
}

TEST(Http2Session, ReadsAnAnswerHoweverItIsCut) {
  const auto whole = whole_answer(*session_of(http2_request("q")));
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    const auto session = session_of(http2_request("q"));
    ASSERT_TRUE(session->take());
    ASSERT_TRUE(session->feed(std::span(whole).first(cut))) << cut;
    EXPECT_EQ(session->ended(), cut == whole.size()) << cut;
    ASSERT_TRUE(session->feed(std::span(whole).subspan(cut))) << cut;
    ASSERT_TRUE(session->ended()) << cut;
    EXPECT_EQ(session->status(), 200);
    EXPECT_TRUE(session->take_headers().empty()) << "an interim head is none";
    EXPECT_EQ(session->take_body(), "hello");
    EXPECT_EQ(session->trailers().get("grpc-message"), "gone");
  }
}

TEST(Http2Session, AnyByteThatIsAnotherDoesNoHarm) {
  const auto whole = whole_answer(*session_of(http2_request("q")));
  int refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int change : {0x01, 0x80, 0xff}) {
      std::string other = whole;
      other[at] = static_cast<char>(other[at] ^ change);
      const auto session = session_of(http2_request("q"));
      ASSERT_TRUE(session->take());
      for (const char& byte : other) {
        if (session->feed({&byte, 1}) && session->take()) continue;
        ++refused;
        break;
      }
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(Http2Session, WhatIsNoHttp2IsSaidToBeNone) {
  for (const std::string& garbage :
       {std::string("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n"), std::string(100, '\0'),
        std::string(100, '\xff'), std::string("\x15\x03\x01\x00\x02\x02\x46 and more of the same", 28)}) {
    const auto session = session_of(http2_request("q"));
    ASSERT_TRUE(session->take());
    ASSERT_TRUE(session->feed(garbage));
    const auto told = session->take();
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error().code, Errc::upstream_invalid);
  }
}

TEST(Http2Session, AResetIsTold) {
  const std::pair<std::uint32_t, Errc> kCases[] = {{NGHTTP2_REFUSED_STREAM, Errc::unavailable},
                                                   {NGHTTP2_INTERNAL_ERROR, Errc::upstream_invalid},
                                                   {NGHTTP2_NO_ERROR, Errc::upstream_invalid}};
  for (const auto& [code, expected] : kCases) {
    const auto session = session_of(http2_request("q"));
    Http2Peer peer;
    ASSERT_TRUE(talk(*session, peer));
    nghttp2_submit_rst_stream(peer.session, NGHTTP2_FLAG_NONE, 1, code);
    const auto told = talk(*session, peer);
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error().code, expected);
  }
  const auto session = session_of(http2_request("q"));
  Http2Peer peer;
  ASSERT_TRUE(talk(*session, peer));
  nghttp2_submit_goaway(peer.session, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0);  // 0: it did nothing
  EXPECT_EQ(talk(*session, peer).error().code, Errc::unavailable);
}

/// "LENGTH TYPE FLAGS STREAM payload" (RFC 9113 section 4.1).
std::string raw_frame(char type, char flags, char stream, std::string_view payload) {
  std::string out = {
      '\0',  static_cast<char>(payload.size() >> 8), static_cast<char>(payload.size()), type, flags, '\0', '\0', '\0',
      stream};
  return out.append(payload);
}
const std::string kRawSettings = raw_frame(4, 0, 0, "");
const std::string kRawHead = raw_frame(1, 4, 1, "\x88");  // ":status: 200"

/// What a client says in the end that hears `said`.
Result<> told_of(const std::string& said) {
  const auto session = session_of(http2_request("q"));
  SB_CHECK(session->take());
  SB_CHECK(session->feed(said));
  SB_CHECK(session->take());
  return {};
}

TEST(Http2Session, AResponseThatIsNoneIsToldAtOnce) {
  const std::string two_statuses = raw_frame(1, 4, 1, "\x88\x88");
  // "content-length: 3", which the index 28 of HPACK's static table names.
  const std::string three_bytes = raw_frame(1, 4, 1,
                                            "\x88\x0f\x0d\x01"
                                            "3");
  for (const auto& said :
       {two_statuses, three_bytes + raw_frame(0, 1, 1, "four"), three_bytes + raw_frame(0, 1, 1, "2"),
        raw_frame(1, 5, 1, "\x64"), kRawHead + raw_frame(1, 4, 1, "\x88")}) {
    const auto told = told_of(kRawSettings + said);
    ASSERT_FALSE(told) << "it is waited for until its time is up";
    EXPECT_EQ(told.error().code, Errc::upstream_invalid);
  }
}

TEST(Http2Session, NothingIsPushed) {
  const std::string promise("\0\0\0\2\x82\x86\x84\x41\1a", 11);
  for (const auto& said : {raw_frame(5, 4, 1, promise), kRawHead + raw_frame(5, 4, 1, promise)})
    EXPECT_FALSE(told_of(kRawSettings + said));
}

TEST(Http2Session, FramesThatBringNothingHaveALimit) {
  const std::string window = raw_frame(8, 0, 0, std::string_view("\0\0\0\1", 4)), empty = raw_frame(0, 0, 1, ""),
                    padded = raw_frame(0, 8, 1, std::string_view("\0", 1)), unknown = raw_frame(99, 0, 0, "x"),
                    priority = raw_frame(2, 0, 1, std::string_view("\0\0\0\0\1", 5)),
                    continued = raw_frame(9, 0, 1, ""), ping = raw_frame(6, 0, 0, "12345678"),
                    settings = raw_frame(4, 0, 0, "");
  for (const auto& [before, one] : {std::pair(kRawHead, window),
                                    {kRawHead, empty},
                                    {kRawHead, padded},
                                    {kRawHead, unknown},
                                    {kRawHead, priority},
                                    {kRawHead, ping},
                                    {kRawHead, settings},
                                    {raw_frame(1, 0, 1, "\x88"), continued}}) {
    const auto session = session_of(http2_request("q"));
    ASSERT_TRUE(session->take());
    ASSERT_TRUE(session->feed(kRawSettings + before));
    bool refused = false;
    std::size_t count = 0;
    for (; !refused && count < 400'000; ++count) refused = !session->feed(one) || !session->take();
    EXPECT_TRUE(refused) << int{one[3]};
  }
}

TEST(Http2Session, SmallFramesOfALongBodyAreFine) {
  const auto session = session_of(http2_request("q"));
  ASSERT_TRUE(session->take());
  ASSERT_TRUE(session->feed(kRawSettings + kRawHead));
  const std::string one = raw_frame(0, 0, 1, "x");
  std::size_t count = 0;
  for (; count < 300'000; ++count) {
    if (!session->feed(one) || !session->take()) break;
    (void)session->take_body();
  }
  EXPECT_EQ(count, 300'000U);
}

TEST(Http2Session, AnAnswerBeforeTheRequestIsWholeIsAnAnswer) {
  const std::string content(1'000'000, 'q');
  const auto session = session_of(http2_request(content));
  Http2Peer peer;
  peer.hear(*session->take());
  peer.answer({{":status", "413"}}, "", {});
  std::string said = peer.say();
  nghttp2_submit_rst_stream(peer.session, NGHTTP2_FLAG_NONE, 1, NGHTTP2_NO_ERROR);
  said += peer.say();
  ASSERT_TRUE(session->feed(said));
  EXPECT_TRUE(session->ended());
  EXPECT_EQ(session->status(), 413);
}

TEST(Http2Session, HeadersHaveALimit) {
  for (const bool in_trailers : {false, true}) {
    const auto session = session_of(http2_request("q"), 500);
    Http2Peer peer;
    ASSERT_TRUE(talk(*session, peer));
    Http2Peer::Fields head = {{":status", "200"}}, last = {{"grpc-status", "0"}};
    for (int i = 0; i < 10; ++i) (in_trailers ? last : head).emplace_back("x-a", std::string(30, 'a'));
    peer.answer(head, "x", last);
    const auto told = talk(*session, peer);
    ASSERT_FALSE(told);
    EXPECT_THAT(told.error().detail, HasSubstr("too many header bytes"));
  }
}

TEST(Http2Session, HeaderNamesAreThoseOfHttp) {
  for (const char* name : {":path", "", "a b", "a:b", "\xc3\xa4"}) {
    auto request = http2_request("");
    request.headers.add(name, "x");
    const auto session = Http2Session::create(request, 1'000);
    ASSERT_FALSE(session) << name;
    EXPECT_EQ(session.error().code, Errc::invalid_argument);
  }
}

}  // namespace
}  // namespace sb::http
