#include "http/server_exchange.h"

#include <algorithm>
#include <charconv>

#include "base/bytes.h"
#include "base/log.h"

namespace sb::http {
namespace {

/// Fields that frame the message: the server's work alone.
bool is_framing_field(std::string_view name) {
  switch (name.size()) {  // most names differ in length already
    case 4:
      return iequals(name, "date");
    case 10:
      return iequals(name, "connection") || iequals(name, "keep-alive");
    case 14:
      return iequals(name, "content-length");
    case 17:
      return iequals(name, "transfer-encoding");
    default:
      return false;
  }
}

/// Cheaper than a format string, and on every answer's way.
void append_number(std::string& out, std::size_t number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, end.ptr);
}

/// A value with a line break would become a field of its own ("response splitting").
bool is_safe(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

std::unexpected<Error> client_gone() {
  return fail(Errc::cancelled, "the client closed the connection");
}

}  // namespace

ServerExchange::ServerExchange(ServerConnection& connection)
    : connection_(connection), head_request_(connection.request_.method == "HEAD") {
  connection_.disconnect_ = &disconnect_;
}

ServerExchange::~ServerExchange() {
  connection_.disconnect_ = nullptr;
}

void ServerExchange::build_head(int status, const Headers& headers) {
  status_ = status;
  body_allowed_ = status >= 200 && status != 204 && status != 304;
  auto& out = connection_.head_;
  out.clear();
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<std::size_t>(status));
  out.append(" ").append(reason_phrase(status)).append("\r\n");
  bool has_id = false;
  for (const auto& [name, value] : headers) {
    if (is_framing_field(name)) continue;
    if (!is_safe(name) || !is_safe(value)) {
      log_error("http.header_dropped", {{"request", connection_.request_.id}, {"status", status}});
      continue;
    }
    has_id = has_id || (name.size() == 12 && iequals(name, "x-request-id"));
    out.append(name).append(": ").append(value).append("\r\n");
  }
  if (!has_id) out.append("x-request-id: ").append(connection_.request_.id).append("\r\n");
  out.append("date: ").append(connection_.shared_->date()).append("\r\n");
}

Task<Result<>> ServerExchange::respond(Response response) {
  SB_ASSERT(state_ == State::fresh);
  state_ = State::done;
  if (connection_.shared_->draining) connection_.keep_alive_ = false;
  build_head(response.status, response.headers);
  auto& head = connection_.head_;
  if (body_allowed_) {
    head.append("content-length: ");
    append_number(head, response.body.size());
    head.append("\r\n");
  }
  head.append(connection_.keep_alive_ ? (connection_.parser_.http_1_0() ? "connection: keep-alive\r\n" : "")
                                      : "connection: close\r\n");
  head.append("\r\n");
  const bool with_body = body_allowed_ && !head_request_;
  Parts parts{head, with_body ? std::string_view(response.body) : std::string_view()};
  if (connection_.shared_->in_flight > 1) co_await connection_.shared_->write_turn.wait();
  if (connection_.broken_) co_return client_gone();
  bytes_sent_ += parts[0].size() + parts[1].size();
  const auto sent = connection_.stream_.write_now(parts);
  if (sent == Stream::Sent::all) co_return Result<>();
  if (sent == Stream::Sent::some && co_await connection_.write_rest(parts)) co_return Result<>();
  connection_.broken_ = true;
  co_return client_gone();
}

Task<Result<>> ServerExchange::begin_stream(int status, Headers headers) {
  SB_ASSERT(state_ == State::fresh);
  state_ = State::streaming;
  if (connection_.shared_->draining) connection_.keep_alive_ = false;
  chunked_ = !connection_.parser_.http_1_0();
  if (!chunked_) connection_.keep_alive_ = false;  // an HTTP/1.0 body of unknown length ends with the connection
  build_head(status, headers);
  auto& head = connection_.head_;
  if (body_allowed_ && chunked_) head.append("transfer-encoding: chunked\r\n");
  if (!connection_.keep_alive_) head.append("connection: close\r\n");
  head.append("\r\n");
  head_pending_ = true;
  co_return Result<>();
}

Task<Result<>> ServerExchange::write(std::string_view bytes) {
  SB_ASSERT(state_ == State::streaming);
  Parts parts{};
  char size_line[20];
  if (std::exchange(head_pending_, false)) parts[0] = connection_.head_;
  if (!bytes.empty() && body_allowed_ && !head_request_) {
    parts[2] = bytes;
    if (chunked_) {
      const auto end = std::to_chars(size_line, size_line + sizeof size_line - 2, bytes.size(), 16);
      end.ptr[0] = '\r';
      end.ptr[1] = '\n';
      parts[1] = {size_line, static_cast<std::size_t>(end.ptr + 2 - size_line)};
      parts[3] = "\r\n";
    }
  }
  co_return co_await send(parts);
}

Task<Result<>> ServerExchange::end_stream() {
  SB_ASSERT(state_ == State::streaming);
  Parts parts{};
  if (std::exchange(head_pending_, false)) parts[0] = connection_.head_;
  if (chunked_ && body_allowed_ && !head_request_) parts[1] = "0\r\n\r\n";
  auto sent = co_await send(parts);
  if (sent) state_ = State::done;
  co_return sent;
}

Task<Result<>> ServerExchange::send(Parts parts) {
  std::size_t size = 0;
  for (const auto part : parts) size += part.size();
  if (size > 0 && connection_.shared_->in_flight > 1) co_await connection_.shared_->write_turn.wait();
  if (connection_.broken_ || connection_.eof_) co_return client_gone();
  if (size == 0) co_return Result<>();
  bytes_sent_ += size;
  const auto sent = connection_.stream_.write_now(parts);
  if (sent == Stream::Sent::all) co_return Result<>();
  if (sent == Stream::Sent::some && co_await connection_.write_rest(parts)) co_return Result<>();
  connection_.broken_ = true;
  co_return client_gone();
}

void ServerExchange::abort() {
  state_ = State::streaming;  // never "done": the connection must not be used again
  error_code ignored;
  // A reset, because to an HTTP/1.0 client an orderly close would look like the end of the body.
  if (!chunked_) connection_.stream_.socket().set_option(asio::socket_base::linger(true, 0), ignored);
  connection_.kill();
}

}  // namespace sb::http
