/// Framing of HTTP/1.1 messages (RFC 9112), strict: what two readers could understand differently is refused.
///
/// The only place that knows llhttp. No I/O, no clock; not thread-safe.
#pragma once

#include <llhttp.h>

#include <cstdint>
#include <expected>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/message.h"

namespace sb::http {

/// Why bytes are not a message we accept, as the status that tells the sender.
struct ParseError {
  int status;
  std::string_view reason;  ///< static text, no input in it
};

struct ParserLimits {
  std::size_t head_bytes_max = 32 * 1024;  ///< start line and fields as they came; trailers again as much
  std::size_t body_bytes_max = std::numeric_limits<std::size_t>::max();
};

/// Takes one message after another from a byte stream, however it is cut.
class MessageParser {
 public:
  enum class Kind : std::uint8_t { request, response };

  MessageParser(Kind kind, ParserLimits limits);
  MessageParser(const MessageParser&) = delete;
  MessageParser& operator=(const MessageParser&) = delete;

  struct Fed {
    std::size_t consumed;   ///< less than given only once the message is complete
    std::string_view body;  ///< de-chunked; lies within the bytes given
  };
  /// Bytes of the body are moved together within `bytes`, so that many small chunks come out as one piece.
  std::expected<Fed, ParseError> feed(std::span<char> bytes);
  /// The peer closed. True if that ends the message properly (a response without a length).
  bool finish();
  /// Ready for the next message.
  void reset();

  bool head_complete() const { return head_complete_; }
  bool complete() const { return complete_; }
  bool keep_alive() const { return keep_alive_; }  ///< valid once complete
  bool chunked() const { return chunked_; }
  bool http_1_0() const { return parser_.http_minor == 0; }
  bool started() const { return head_bytes_ > 0; }
  std::optional<std::uint64_t> content_length() const { return content_length_; }

  // Valid once head_complete(); may be moved away.
  std::string method;
  std::string target;
  int status = 0;
  Headers headers;

  /// Response to HEAD: the length in its head announces no body. Set before the head is fed, cleared by reset.
  bool expect_no_body = false;

 private:
  friend struct ParserCallbacks;
  std::expected<std::size_t, ParseError> execute(std::span<char> bytes);
  ParseError explain(llhttp_errno_t error) const;
  int refuse(int error_status, std::string_view reason);
  int on_head_complete();
  int on_body(const char* at, std::size_t size);
  int on_field(const char* at, std::size_t size);
  int on_value(const char* at, std::size_t size);
  int on_overhead(std::size_t size);

  llhttp_t parser_;
  ParserLimits limits_;
  std::size_t head_bytes_ = 0;
  std::size_t overhead_bytes_ = 0;  ///< all that is not body, behind the head
  std::size_t extra_bytes_ = 0;     ///< chunk extensions and trailers
  std::uint64_t body_bytes_ = 0;
  char* body_begin_ = nullptr;  ///< where this feed's body bytes are moved together
  char* body_end_ = nullptr;
  std::string field_name_;
  std::string field_value_;
  std::optional<ParseError> refused_;
  std::optional<std::uint64_t> content_length_;
  bool head_complete_ = false;
  bool complete_ = false;
  bool keep_alive_ = false;
  bool chunked_ = false;
};

}  // namespace sb::http
