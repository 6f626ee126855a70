#include "http/parser.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

namespace sb::http {
namespace {

constexpr std::size_t kFieldsMax = 256;
constexpr std::size_t kFieldsUsual = 16;
constexpr std::size_t kTargetBytesMax = 8 * 1024;  // RFC 9112 section 3 asks for at least 8000
/// A chunk of one byte costs five more; ten times as much framing as body is an attack, not a style.
constexpr std::uint64_t kOverheadPerBodyByte = 10;

bool valid_host(std::string_view host) {
  // RFC 3986 reg-name, IP literal and port, without the escapes nobody uses.
  return std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_' || c == ':' || c == '[' || c == ']' || c == '~';
  });
}

}  // namespace

struct ParserCallbacks {
  static MessageParser& self(llhttp_t* parser) { return *static_cast<MessageParser*>(parser->data); }

  static const llhttp_settings_t& settings() {
    static const llhttp_settings_t value = [] {
      llhttp_settings_t s;
      llhttp_settings_init(&s);
      s.on_method = [](llhttp_t* p, const char* at, std::size_t size) {
        self(p).method.append(at, size);
        return 0;
      };
      s.on_url = [](llhttp_t* p, const char* at, std::size_t size) {
        auto& parser = self(p);
        if (parser.target.size() + size > kTargetBytesMax) return parser.refuse(414, "the request target is too long");
        parser.target.append(at, size);
        return 0;
      };
      s.on_message_begin = [](llhttp_t* p) {
        self(p).headers.reserve(kFieldsUsual);
        return 0;
      };
      s.on_header_field = [](llhttp_t* p, const char* at, std::size_t size) { return self(p).on_field(at, size); };
      s.on_header_value = [](llhttp_t* p, const char* at, std::size_t size) { return self(p).on_value(at, size); };
      s.on_header_value_complete = [](llhttp_t* p) {
        auto& parser = self(p);
        if (!parser.head_complete_) {
          if (parser.headers.size() == kFieldsMax) return parser.refuse(431, "too many header fields");
          parser.headers.add(std::move(parser.field_name_), std::move(parser.field_value_));
        }
        parser.field_name_.clear();
        parser.field_value_.clear();
        return 0;
      };
      s.on_chunk_extension_name = [](llhttp_t* p, const char*, std::size_t size) { return self(p).on_overhead(size); };
      s.on_chunk_extension_value = s.on_chunk_extension_name;
      s.on_headers_complete = [](llhttp_t* p) { return self(p).on_head_complete(); };
      s.on_body = [](llhttp_t* p, const char* at, std::size_t size) { return self(p).on_body(at, size); };
      s.on_message_complete = [](llhttp_t* p) -> int {
        auto& parser = self(p);
        parser.complete_ = true;
        parser.keep_alive_ = llhttp_should_keep_alive(p) != 0;
        return HPE_PAUSED;  // what follows belongs to the next message
      };
      return s;
    }();
    return value;
  }
};

MessageParser::MessageParser(Kind kind, ParserLimits limits) : limits_(limits) {
  llhttp_init(&parser_, kind == Kind::request ? HTTP_REQUEST : HTTP_RESPONSE, &ParserCallbacks::settings());
  parser_.data = this;
}

void MessageParser::reset() {
  llhttp_reset(&parser_);
  method.clear();
  target.clear();
  headers = {};
  status = 0;
  expect_no_body = false;
  head_bytes_ = overhead_bytes_ = extra_bytes_ = 0;
  body_bytes_ = 0;
  field_name_.clear();
  field_value_.clear();
  refused_.reset();
  content_length_.reset();
  head_complete_ = complete_ = keep_alive_ = chunked_ = false;
}

std::expected<MessageParser::Fed, ParseError> MessageParser::feed(std::span<char> bytes) {
  body_begin_ = body_end_ = nullptr;
  std::size_t consumed = 0;
  while (consumed < bytes.size() && !complete_) {
    auto rest = bytes.subspan(consumed);
    // The head's limit is exact: no byte beyond it is looked at.
    if (!head_complete_) rest = rest.first(std::min(rest.size(), limits_.head_bytes_max - head_bytes_));
    if (rest.empty()) return std::unexpected(ParseError{431, "the header section is too large"});
    const bool in_head = !head_complete_;
    const auto body_before = body_bytes_;
    const auto taken = execute(rest);
    if (!taken) return std::unexpected(taken.error());
    consumed += *taken;
    if (in_head) {
      head_bytes_ += *taken;
    } else {
      overhead_bytes_ += *taken - (body_bytes_ - body_before);
      if (overhead_bytes_ > limits_.head_bytes_max + kOverheadPerBodyByte * body_bytes_) {
        return std::unexpected(ParseError{400, "more chunk framing than body"});
      }
    }
  }
  return Fed{consumed, std::string_view(body_begin_, static_cast<std::size_t>(body_end_ - body_begin_))};
}

std::expected<std::size_t, ParseError> MessageParser::execute(std::span<char> bytes) {
  const auto error = llhttp_execute(&parser_, bytes.data(), bytes.size());
  if (error == HPE_OK) return bytes.size();
  if (error == HPE_PAUSED && complete_) {
    return static_cast<std::size_t>(llhttp_get_error_pos(&parser_) - bytes.data());
  }
  return std::unexpected(refused_.value_or(explain(error)));
}

ParseError MessageParser::explain(llhttp_errno_t error) const {
  switch (error) {
    case HPE_INVALID_VERSION:
      // llhttp also says so of what follows the version, which is not a matter of versions.
      if (std::string_view(llhttp_get_error_reason(&parser_)) != "Invalid HTTP version") {
        return {400, "the start line is malformed"};
      }
      [[fallthrough]];
    case HPE_PAUSED_H2_UPGRADE:
      return {505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
    case HPE_INVALID_METHOD:
      return {400, "the method is not known"};
    case HPE_INVALID_URL:
      return {400, "the request target is malformed"};
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
      return {400, "Content-Length is malformed, repeated, or given together with Transfer-Encoding"};
    case HPE_INVALID_TRANSFER_ENCODING:
      return {400, "Transfer-Encoding is malformed, or given together with Content-Length"};
    case HPE_INVALID_CHUNK_SIZE:
      return {400, "a chunk of the body is malformed"};
    default:
      return {400, head_complete_ ? "the body's framing is malformed" : "the header section is malformed"};
  }
}

int MessageParser::refuse(int error_status, std::string_view reason) {
  refused_ = ParseError{error_status, reason};
  return HPE_USER;
}

int MessageParser::on_field(const char* at, std::size_t size) {
  if (head_complete_) return on_overhead(size);  // trailers are read past: nobody here needs one
  field_name_.append(at, size);
  return 0;
}

int MessageParser::on_value(const char* at, std::size_t size) {
  if (head_complete_) return on_overhead(size);
  field_value_.append(at, size);
  return 0;
}

int MessageParser::on_overhead(std::size_t size) {
  extra_bytes_ += size;
  return extra_bytes_ > limits_.head_bytes_max ? refuse(400, "trailers or chunk extensions are too large") : 0;
}

int MessageParser::on_head_complete() {
  status = parser_.status_code;
  chunked_ = (parser_.flags & F_CHUNKED) != 0;
  if (parser_.flags & F_CONTENT_LENGTH) content_length_ = parser_.content_length;
  // We never switch protocols, so that an Upgrade field is one more field we do not know (RFC 9110 section 7.8).
  parser_.upgrade = 0;

  std::size_t hosts = 0;
  std::size_t codings = 0;
  for (const auto& [name, value] : headers) {
    if (iequals(name, "host")) {
      ++hosts;
      if (!valid_host(value)) return refuse(400, "the Host field is malformed");
    } else if (iequals(name, "transfer-encoding")) {
      ++codings;
      if (!iequals(trim(value), "chunked")) return refuse(501, "the only transfer coding understood is chunked");
    }
  }
  const bool request = parser_.type == HTTP_REQUEST;
  if (parser_.http_major != 1 || parser_.http_minor > 1) {
    return refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  }
  if (codings > 1 || (codings == 1 && (http_1_0() || content_length_))) {
    return refuse(400, "Transfer-Encoding is repeated, of HTTP/1.0, or given together with Content-Length");
  }
  if (request) {
    if (hosts > 1 || (hosts == 0 && !http_1_0())) return refuse(400, "exactly one Host field is needed");
    if (parser_.method == HTTP_CONNECT) return refuse(501, "CONNECT is not supported");
  }
  if (content_length_.value_or(0) > limits_.body_bytes_max) return refuse(413, "the body is too large");
  head_complete_ = true;
  return expect_no_body ? 1 : 0;
}

int MessageParser::on_body(const char* at, std::size_t size) {
  body_bytes_ += size;
  if (body_bytes_ > limits_.body_bytes_max) return refuse(413, "the body is too large");
  // `at` lies within the mutable bytes that feed() was given, at or behind body_end_.
  if (!body_begin_) body_begin_ = body_end_ = const_cast<char*>(at);
  if (body_end_ != at) std::memmove(body_end_, at, size);
  body_end_ += size;
  return 0;
}

bool MessageParser::finish() {
  if (complete_) return true;
  if (!head_complete_) return false;
  llhttp_finish(&parser_);
  return complete_;
}

}  // namespace sb::http
