#include "http/server_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <typeinfo>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/log.h"
#include "http/inflate.h"
#include "http/server_exchange.h"

namespace sb::http {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLingerTime{1'000};
constexpr std::size_t kRequestIdBytesMax = 128;
constexpr std::uint64_t kBodyReserveMax = 256 * 1024;
constexpr std::size_t kBehindBody =
    64;  // a JSON parser that reads whole vectors wants so much room (simdjson's padding)

// It goes into the log and to providers: nothing that could be an address, a number of a person, or a key in disguise.
bool is_sane_id(std::string_view id) {
  constexpr std::ptrdiff_t kDigitsMax = 6;  // of an id without letters; more could be a telephone or a card
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return !id.empty() && id.size() <= kRequestIdBytesMax &&
         std::ranges::all_of(id, [&](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_'; }) &&
         (std::ranges::any_of(id, is_letter) || std::ranges::count_if(id, is_digit) <= kDigitsMax);
}

bool has_dot_segment(std::string_view path) {
  if (path.find("/.") == std::string_view::npos) return false;
  for (const auto segment : split(path, '/')) {
    if (segment == "." || segment == "..") return true;
  }
  return false;
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

/// The shape that OpenAI's client libraries turn into their own exceptions.
std::string error_body(int status, std::string_view message) {
  std::string out = R"({"error":{"message":)";
  append_json_string(out, message);
  out += status < 500 ? R"(,"type":"invalid_request_error","param":null,"code":)"
                      : R"(,"type":"server_error","param":null,"code":)";
  switch (status) {
    case 408:
      out += R"("request_timeout")";
      break;
    case 413:
      out += R"("request_too_large")";
      break;
    case 414:
      out += R"("uri_too_long")";
      break;
    case 415:
      out += R"("unsupported_content_encoding")";
      break;
    case 431:
      out += R"("headers_too_large")";
      break;
    case 500:
      out += R"("internal_error")";
      break;
    case 501:
      out += R"("not_implemented")";
      break;
    case 505:
      out += R"("http_version_not_supported")";
      break;
    default:
      out += R"("malformed_request")";
  }
  return out + "}}";
}

}  // namespace

ServerConnection::ServerConnection(std::shared_ptr<ServerShared> shared, Socket socket)
    : shared_(std::move(shared)),
      link_(&shared_->first),
      stream_(std::move(socket)),
      parser_(MessageParser::Kind::request,
              ParserLimits{shared_->options.header_bytes_max, shared_->options.body_bytes_max}) {
  next = shared_->first;
  if (next) next->link_ = &next;
  shared_->first = this;
  ++shared_->connections;
}

ServerConnection::~ServerConnection() {
  *link_ = next;
  if (next) next->link_ = link_;
  if (--shared_->connections == 0) shared_->all_gone.notify();
}

Task<void> ServerConnection::run() {
  const auto self = shared_from_this();
  stream_.tune();
  error_code error;
  if (const auto peer = stream_.socket().remote_endpoint(error); !error) {
    peer_ = peer.address().is_v6() ? fmt::format("[{}]:{}", peer.address().to_string(), peer.port())
                                   : fmt::format("{}:{}", peer.address().to_string(), peer.port());
  }
  // The first head must come soon; later ones may wait for the idle limit.
  enter(Phase::idle, shared_->options.header_timeout);
  bool open = shared_->tls ? co_await handshake() : true;
  while (open && co_await receive()) {
    if (!read_pending_) in_.shrink();  // a long wait for the handler needs no large buffer
    start_read();
    open = co_await handle();
    if (!open) break;
    enter(Phase::idle, shared_->options.idle_timeout);
  }
  co_await close_gently();
}

Task<bool> ServerConnection::handshake() {
  phase_ = Phase::handshake;
  stream_.enable_tls(*shared_->tls);
  const auto [error] = co_await stream_.tls()->async_handshake(asio::ssl::stream_base::server, use_tuple);
  if (error) {
    broken_ = true;
    co_return false;
  }
  phase_ = Phase::idle;
  co_return true;
}

Task<bool> ServerConnection::receive() {
  request_ = {};
  parser_.reset();
  continue_sent_ = false;
  for (;;) {
    if (timed_out_) co_return co_await reject(408, "the request took too long to arrive");
    if (broken_) co_return false;
    if (!in_.empty()) {
      ParseError error{};
      if (!take_bytes(error)) co_return co_await reject(error.status, error.reason);
      if (parser_.complete()) break;
    }
    if (eof_ || (shared_->draining && !parser_.started())) co_return false;
    if (parser_.head_complete() && !continue_sent_ && !parser_.http_1_0() &&
        iequals(parser_.headers.get("expect"), "100-continue")) {
      continue_sent_ = true;
      if (!co_await write_rest({"HTTP/1.1 100 Continue\r\n\r\n"})) co_return false;
      continue;  // bytes may have come meanwhile
    }
    start_read();
    co_await wakeup_.wait();
  }
  if (const auto error = finish_request()) co_return co_await reject(error->status, error->reason);
  co_return true;
}

bool ServerConnection::take_bytes(ParseError& error) {
  if (phase_ == Phase::idle) enter(Phase::receiving, shared_->options.header_timeout);
  const bool in_head = !parser_.head_complete();
  const auto fed = parser_.feed(in_.data());
  if (!fed) {
    error = fed.error();
    return false;
  }
  if (in_head && parser_.head_complete()) {
    if (!parser_.complete()) enter(Phase::receiving, shared_->options.body_timeout);
    // What a client announces is not yet what it sends.
    if (const auto announced = parser_.content_length().value_or(0); announced > 0)
      request_.body.reserve(std::min<std::uint64_t>(announced, kBodyReserveMax) + kBehindBody);
  }
  request_.body.append(fed->body);
  in_.consume(fed->consumed);
  return true;
}

std::optional<ParseError> ServerConnection::finish_request() {
  request_.method = std::move(parser_.method);
  if (const auto error = take_target(parser_.target)) return error;
  request_.headers = std::move(parser_.headers);
  keep_alive_ = parser_.keep_alive();
  request_.peer = peer_;
  request_.tls = stream_.tls() != nullptr;
  return take_body();
}

std::optional<ParseError> ServerConnection::take_target(std::string_view target) {
  if (!target.starts_with('/')) {  // absolute form (RFC 9112 section 3.2.2): the Host field has said it already
    const auto scheme_end = target.find("://");
    if (scheme_end == std::string_view::npos) return ParseError{400, "the request target must start with /"};
    const auto path = target.find_first_of("/?", scheme_end + 3);
    target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
  }
  const auto question = target.find('?');
  auto path = percent_decode(target.substr(0, question));
  if (question == 0) path = "/";
  if (question != std::string_view::npos) request_.query = target.substr(question + 1);
  if (!path || has_control(*path) || target.find('#') != std::string_view::npos) {
    return ParseError{400, "the request target is malformed"};
  }
  if (has_dot_segment(*path)) return ParseError{400, "the request target must not contain . or .. segments"};
  request_.path = *std::move(path);
  return std::nullopt;
}

std::optional<ParseError> ServerConnection::take_body() {
  choose_id(request_.headers);
  const auto coding = request_.headers.get("content-encoding");
  if (coding.empty() || iequals(coding, "identity")) return std::nullopt;
  if (!iequals(coding, "gzip") && !iequals(coding, "x-gzip")) {
    return ParseError{415, "the only content encoding understood is gzip"};
  }
  auto plain = gunzip(request_.body, shared_->options.body_bytes_max);
  if (!plain) {
    return plain.error().code == Errc::too_large ? ParseError{413, "the unpacked body is too large"}
                                                 : ParseError{400, "the body is not valid gzip"};
  }
  request_.body = *std::move(plain);
  request_.headers.remove("content-encoding");
  if (request_.headers.has("content-length")) {
    request_.headers.set("content-length", std::to_string(request_.body.size()));
  }
  return std::nullopt;
}

void ServerConnection::choose_id(const Headers& headers) {
  const auto id = headers.get("x-request-id");
  request_.id = is_sane_id(id) ? std::string(id) : Uuid::v7(system_clock().now_us(), system_entropy()).to_string();
}

Task<bool> ServerConnection::reject(int status, std::string_view message) {
  keep_alive_ = false;
  timed_out_ = false;
  if (request_.id.empty()) choose_id(parser_.headers);
  Response response;
  response.status = status;
  response.headers.add("content-type", "application/json");
  response.body = error_body(status, message);
  ServerExchange exchange(*this);
  co_await exchange.respond(std::move(response));
  co_return false;
}

Task<bool> ServerConnection::handle() {
  enter(Phase::handling, milliseconds::max());
  ServerExchange exchange(*this);
  ++shared_->in_flight;
  std::string_view failure;
  try {
    co_await shared_->handler(exchange);
    if (!exchange.responded()) failure = "returned without an answer";
  } catch (const std::exception& e) {
    failure = typeid(e).name();  // the type only: a message may quote content
  } catch (...) {
    failure = "unknown exception";
  }
  --shared_->in_flight;
  if (!failure.empty()) {
    keep_alive_ = false;
    log_error("http.handler_failed", {{"request", request_.id}, {"reason", failure}});
    if (!exchange.responded() && !broken_) {
      Response response;
      response.status = 500;
      response.headers.add("content-type", "application/json");
      response.body = error_body(500, "the server could not answer this request; its log says why");
      co_await exchange.respond(std::move(response));
    }
  }
  if (!exchange.finished()) {  // cut in the middle: the client must see that
    exchange.abort();
    co_return false;
  }
  co_return keep_alive_ && !broken_ && !eof_;
}

Task<void> ServerConnection::close_gently() {
  // Closing with unread bytes in the socket makes the system send a reset, which can destroy an answer that the client
  // has not read yet (RFC 9112 section 9.6): say that we are done, then read what is still coming, for a short time.
  if (!broken_ && !eof_ && stream_.socket().is_open()) {
    enter(Phase::closing, kLingerTime);
    if (stream_.tls()) co_await close_tls();
    error_code ignored;
    stream_.socket().shutdown(Socket::shutdown_send, ignored);
    while (!eof_ && !broken_ && !timed_out_) {
      if (!read_pending_) in_.release();
      start_read();
      co_await wakeup_.wait();
    }
  }
  deadline_ = kNever;
  stream_.close();
}

/// Says properly that nothing more comes, so that the end cannot be mistaken for a cut (RFC 8446 section 6.1).
Task<void> ServerConnection::close_tls() {
  error_code ignored;
  stream_.socket().cancel(ignored);
  while (read_pending_) co_await wakeup_.wait();
  co_await stream_.tls()->async_shutdown(use_tuple);
  broken_ = true;  // what may still come is not worth reading: it is encrypted
}

struct ServerConnection::ReadDone {
  std::shared_ptr<ServerConnection> self;
  void operator()(error_code error, std::size_t size) { self->on_read(error, size); }
};

struct ServerConnection::Readable {
  std::shared_ptr<ServerConnection> self;
  void operator()(error_code error) { self->on_readable(error); }
};

void ServerConnection::start_read() {
  if (read_pending_ || eof_ || broken_) return;
  if (in_.empty() && !stream_.tls()) {  // it may be a long wait, of many connections: no memory is held for it
    in_.rest();
    read_pending_ = true;
    stream_.async_readable(Readable{shared_from_this()});
    return;
  }
  const auto room = in_.prepare();
  if (room.empty()) return;  // enough read ahead: the rest waits in the socket
  read_pending_ = true;
  stream_.async_read_some(room, ReadDone{shared_from_this()});
}

void ServerConnection::on_readable(error_code error) {
  std::size_t size = 0;
  if (!error) size = stream_.read_now(in_.prepare(), error);
  if (error != asio::error::would_block) return on_read(error, size);
  read_pending_ = false;
  start_read();
}

void ServerConnection::on_read(error_code error, std::size_t size) {
  read_pending_ = false;
  in_.filled(size);
  if (error) {
    eof_ = true;
    // A half-closed client may still read its answer; after anything else nobody does.
    if (error != asio::error::eof) broken_ = true;
    if (disconnect_) disconnect_->cancel();
  } else if (phase_ == Phase::handling) {
    start_read();  // a pipelined request must not blind us to a client that leaves
  }
  wakeup_.notify_inline();
}

Task<bool> ServerConnection::write_rest(Parts parts) {
  write_deadline_ = SteadyClock::now() + shared_->options.write_timeout;
  const bool written = co_await stream_.write_rest(parts);
  write_deadline_ = kNever;
  co_return written;
}

void ServerConnection::enter(Phase phase, milliseconds limit) {
  phase_ = phase;
  deadline_ = limit == milliseconds::max() ? kNever : SteadyClock::now() + limit;
}

void ServerConnection::sweep(SteadyTime now) {
  if (now >= write_deadline_) return kill();
  if (now < deadline_) return;
  deadline_ = kNever;
  if (phase_ != Phase::receiving) return kill();
  timed_out_ = true;
  wakeup_.notify();
}

void ServerConnection::drain() {
  if (phase_ == Phase::handshake || (phase_ == Phase::idle && in_.empty())) kill();
}

void ServerConnection::kill() {
  broken_ = true;
  deadline_ = write_deadline_ = kNever;
  stream_.close();
  if (disconnect_) disconnect_->cancel();
  wakeup_.notify();
}

}  // namespace sb::http
