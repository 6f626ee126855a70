#include "http/http2_session.h"

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/bytes.h"

namespace sb::http {
namespace {

constexpr std::uint32_t kWindowBytes = 256 << 10;  // what may be under way; it is read as it comes
constexpr std::size_t kTakenBytes = 64 << 10;
constexpr std::size_t kFieldOverhead = 32;  // as RFC 9113 section 6.5.2 counts a field
constexpr int kHttp2InterimMax = 8;         // 1xx heads before the real one
// Frames have 9 bytes beside what they bring, and a server may ping: beyond this it keeps us busy.
constexpr std::size_t kFramingBytes = 1 << 20;
constexpr std::size_t kFramingShare = 16;  // for each byte of the body

bool is_of_http1(std::string_view name) {
  constexpr std::string_view kOurs[] = {"host",       "connection",       "content-length", "transfer-encoding",
                                        "keep-alive", "proxy-connection", "upgrade"};
  return std::ranges::find(kOurs, name) != std::end(kOurs);
}

nghttp2_nv field(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {  // nghttp2 copies them
    return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::string_view view(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

struct Http2Session::Callbacks {
  static int on_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name, std::size_t name_size,
                       const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* self) {
    return of(self).add_header(view(name, name_size), view(value, value_size)) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    if (frame->hd.stream_id == 0) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS) of(self).end_of_headers();
    const bool may_end = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (may_end && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) of(self).ended_ = true;
    return of(self).fault_ ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
  }
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t* data, std::size_t size,
                     void* self) {
    of(self).body_ += view(data, size);
    of(self).body_bytes_ += size;
    return 0;
  }
  static int on_close(nghttp2_session*, std::int32_t, std::uint32_t code, void* self) {
    of(self).stream_closed(code);
    return 0;
  }
  static ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t* into, std::size_t size, std::uint32_t* flags,
                           nghttp2_data_source*, void* self) {
    auto& left = of(self).request_body_;
    const auto count = std::min(size, left.size());
    std::memcpy(into, left.data(), count);
    left.remove_prefix(count);
    if (left.empty()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(count);
  }
  static Http2Session& of(void* self) { return *static_cast<Http2Session*>(self); }
};

void Http2Session::Delete::operator()(nghttp2_session* session) const {
  nghttp2_session_del(session);
}

Http2Session::~Http2Session() = default;

Result<std::unique_ptr<Http2Session>> Http2Session::create(const ClientRequest& request, std::size_t header_bytes_max) {
  std::unique_ptr<Http2Session> made(new Http2Session(request.body, header_bytes_max));
  nghttp2_session_callbacks* callbacks = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0) return fail(Errc::internal, "no memory for an HTTP/2 session");
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::on_close);
  nghttp2_session* session = nullptr;
  const int failed = nghttp2_session_client_new(&session, callbacks, made.get());
  nghttp2_session_callbacks_del(callbacks);
  if (failed != 0) return fail(Errc::internal, "no memory for an HTTP/2 session");
  made->session_.reset(session);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindowBytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(header_bytes_max)}};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kWindowBytes);
  SB_CHECK(made->submit(request));
  return made;
}

Result<> Http2Session::submit(const ClientRequest& request) {
  const std::string authority = request.origin.authority();
  std::vector<std::string> names;  // stay where they are until nghttp2 has copied them
  names.reserve(request.headers.size());
  std::vector<nghttp2_nv> fields = {field(":method", request.method),
                                    field(":scheme", request.origin.tls ? "https" : "http"),
                                    field(":authority", authority), field(":path", request.target)};
  for (const auto& [name, value] : request.headers) {
    std::string lower = to_lower(name);
    if (is_of_http1(lower)) continue;
    if (lower.starts_with(':') ||
        nghttp2_check_header_name(reinterpret_cast<const std::uint8_t*>(lower.data()), lower.size()) == 0)
      return fail(Errc::invalid_argument, "a request header has a name that HTTP/2 knows not", "headers");
    names.push_back(std::move(lower));
    fields.push_back(field(names.back(), value));
  }
  nghttp2_data_provider body{};
  body.read_callback = Callbacks::read_body;
  const auto stream = nghttp2_submit_request(session_.get(), nullptr, fields.data(), fields.size(),
                                             request_body_.empty() ? nullptr : &body, nullptr);
  if (stream < 0) return fail(Errc::internal, fmt::format("HTTP/2 request: {}", nghttp2_strerror(stream)));
  return {};
}

Result<std::string> Http2Session::take() {
  std::string taken;
  while (taken.size() < kTakenBytes) {
    const std::uint8_t* bytes = nullptr;
    const auto size = nghttp2_session_mem_send(session_.get(), &bytes);
    if (size < 0)
      return fail(Errc::upstream_invalid, fmt::format("HTTP/2: {}", nghttp2_strerror(static_cast<int>(size))));
    if (size == 0) break;
    taken += view(bytes, static_cast<std::size_t>(size));
  }
  // A response that is none ends with the reset that we sent of it: nothing more comes.
  if (fault_) return std::unexpected(*fault_);
  // Of what is against the protocol the other side alone is told; and then nothing more is read.
  if (!ended_ && nghttp2_session_want_read(session_.get()) == 0)
    return fail(Errc::upstream_invalid, "HTTP/2: what the server sent is against the protocol");
  return taken;
}

Result<> Http2Session::feed(std::span<const char> bytes) {
  const auto fed =
      nghttp2_session_mem_recv(session_.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (fault_) return std::unexpected(*fault_);
  if (ended_) return {};
  if (fed < 0) break_off(Errc::upstream_invalid, nghttp2_strerror(static_cast<int>(fed)));
  fed_bytes_ += bytes.size();
  if (fed_bytes_ - body_bytes_ > kFramingBytes + kFramingShare * body_bytes_)
    break_off(Errc::upstream_invalid, "the server sends frames that bring nothing");
  if (fault_) return std::unexpected(*fault_);
  return {};
}

bool Http2Session::add_header(std::string_view name, std::string_view value) {
  const auto size = name.size() + value.size() + kFieldOverhead;
  if (size > header_bytes_left_) {
    break_off(Errc::upstream_invalid, "the response has too many header bytes");
    return false;
  }
  header_bytes_left_ -= size;
  if (name == ":status") {
    std::from_chars(value.data(), value.data() + value.size(), status_);
  } else {
    (head_complete_ ? trailers_ : headers_).add(std::string(name), std::string(value));
  }
  return true;
}

void Http2Session::end_of_headers() {
  if (head_complete_) return;
  if (status_ >= 200) {
    head_complete_ = true;
  } else if (++interim_count_ > kHttp2InterimMax) {
    break_off(Errc::upstream_invalid, "interim responses instead of an answer");
  } else {
    headers_ = Headers();
  }
}

void Http2Session::stream_closed(std::uint32_t code) {
  if (ended_ || fault_) return;
  if (code == NGHTTP2_REFUSED_STREAM)
    return break_off(Errc::unavailable, "the server refused the request before it did anything");
  break_off(Errc::upstream_invalid, fmt::format("the stream was reset: {}", nghttp2_http2_strerror(code)));
}

void Http2Session::break_off(Errc code, std::string why) {
  if (!fault_) fault_.emplace(code, fmt::format("HTTP/2: {}", why));
}

}  // namespace sb::http
