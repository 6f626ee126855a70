/// One request over HTTP/2 (RFC 9113) and its response: bytes in, bytes out, no sockets and no clock. The only place
/// that knows nghttp2. Private to src/http.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "http/client.h"

struct nghttp2_session;

namespace sb::http {

class Http2Session {
 public:
  /// The request's first bytes are there to be taken; its body is borrowed. `header_bytes_max`: of the response's heads
  /// and trailers together. Errors: invalid_argument (a header has a name that HTTP/2 knows not).
  static Result<std::unique_ptr<Http2Session>> create(const ClientRequest& request, std::size_t header_bytes_max);
  ~Http2Session();
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  /// What is to be sent now; empty: nothing. Errors: upstream_invalid (what was fed is no HTTP/2, or no response).
  Result<std::string> take();
  /// Takes in what was read, however it is cut. Errors: upstream_invalid (reset; too many header bytes; frames that
  /// bring nothing, without end), unavailable (refused before anything was done).
  Result<> feed(std::span<const char> bytes);

  bool head_complete() const { return head_complete_; }
  bool ended() const { return ended_; }
  int status() const { return status_; }
  Headers take_headers() { return std::move(headers_); }
  const Headers& trailers() const { return trailers_; }
  /// What has come of the body since the last call: no more than was fed since.
  std::string take_body() { return std::exchange(body_, {}); }

 private:
  struct Callbacks;
  struct Delete {
    void operator()(nghttp2_session* session) const;
  };

  Http2Session(std::string_view body, std::size_t header_bytes_max)
      : request_body_(body), header_bytes_left_(header_bytes_max) {}
  Result<> submit(const ClientRequest& request);
  bool add_header(std::string_view name, std::string_view value);
  void end_of_headers();
  void stream_closed(std::uint32_t code);
  void break_off(Errc code, std::string why);

  std::unique_ptr<nghttp2_session, Delete> session_;
  std::string_view request_body_;  ///< not yet sent
  std::size_t header_bytes_left_;
  std::size_t fed_bytes_ = 0, body_bytes_ = 0;  ///< of all, and of the body
  Headers headers_, trailers_;
  std::string body_;
  std::optional<Error> fault_;
  int status_ = 0;
  int interim_count_ = 0;
  bool head_complete_ = false;
  bool ended_ = false;
};

}  // namespace sb::http
