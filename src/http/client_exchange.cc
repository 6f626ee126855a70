#include "http/client_exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ssl/host_name_verification.hpp>

#include "base/bytes.h"
#include "http/client_connect.h"

namespace sb::http {
namespace {

using std::chrono::milliseconds;

constexpr int kInterimMax = 8;  // 1xx heads before the real one
constexpr std::size_t kUnpackedPieceBytes = 64 * 1024;
/// Idle for less than this, a connection is believed alive without asking the system.
constexpr milliseconds kTrustIdle{5};

bool has_unsafe(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

/// RFC 9110 section 5.6.2. A method may be of anybody's making: a blank in it would begin the request's target.
bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || kMarks.contains(c);
  });
}

bool is_ours(std::string_view name) {
  return iequals(name, "host") || iequals(name, "content-length") || iequals(name, "connection") ||
         iequals(name, "transfer-encoding");
}

/// A pooled connection should have nothing to read: neither an end nor bytes nobody asked for.
bool still_quiet(Socket& socket) {
  char byte;
  error_code error;
  socket.receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, error);
  return error == asio::error::would_block || error == asio::error::try_again;
}

}  // namespace

ClientExchange::ClientExchange(std::shared_ptr<ClientShared> shared, ClientRequest request)
    : shared_(std::move(shared)),
      request_(std::move(request)),
      origin_(shared_->origin(request_.origin, request_.http2)),
      total_deadline_(SteadyClock::now() + request_.timeouts.total),
      deadline_(total_deadline_) {
  shared_->add(*this);
  ++origin_.users;
}

ClientExchange::~ClientExchange() {
  registration_.reset();
  shared_->remove(*this);
  if (waiting_) std::erase(origin_.waiting, this);
  if (connection_ && reusable()) {
    finish();
  } else {
    drop_connection();
  }
  --origin_.users;
}

Task<Result<>> ClientExchange::start() {
  if (shared_->closed) co_return fail(Errc::cancelled, "the HTTP client is shut down");
  if (request_.origin.tls && !shared_->tls()) co_return std::unexpected(shared_->tls().error());
  if (!is_token(request_.method)) co_return fail(Errc::invalid_argument, "the request's method is no token", "method");
  if (has_unsafe(request_.target) || request_.target.find(' ') != std::string::npos) {
    co_return fail(Errc::invalid_argument, "the request target holds a blank or line break", "target");
  }
  for (const auto& [name, value] : request_.headers) {
    if (has_unsafe(name) || has_unsafe(value)) {
      co_return fail(Errc::invalid_argument, "a request header holds a line break", "headers");
    }
  }
  registration_.emplace(request_.cancel, [this] { stop(Stop::cancelled); });
  if (stop_ != Stop::none) co_return std::unexpected(stopped("starting"));
  const auto& t = request_.timeouts;
  shared_->need_sweep(std::min({t.connect, t.first_byte, t.idle, t.total}));
  if (request_.http2) co_return co_await start_http2();
  build_head();
  for (bool retry = false;; retry = true) {
    SB_CO_CHECK(co_await acquire(retry));
    Error error;
    const auto outcome = co_await round_trip(error);
    if (outcome == Outcome::ok) co_return Result<>();
    drop_connection();
    // The origin closed an idle connection while our request was on its way: that is not an answer. Once, on a new
    // connection (RFC 9110 section 9.2.2, RFC 9112 section 9.3.1).
    if (outcome == Outcome::failed || retry || stop_ != Stop::none) co_return std::unexpected(std::move(error));
  }
}

void ClientExchange::build_head() {
  head_.reserve(512);
  head_.append(request_.method).append(" ").append(request_.target).append(" HTTP/1.1\r\nhost: ");
  head_.append(request_.origin.authority()).append("\r\n");
  for (const auto& [name, value] : request_.headers) {
    if (!is_ours(name)) head_.append(name).append(": ").append(value).append("\r\n");
  }
  const bool may_be_bare = request_.method == "GET" || request_.method == "HEAD" || request_.method == "DELETE";
  if (!request_.body.empty() || !may_be_bare) {
    fmt::format_to(std::back_inserter(head_), "content-length: {}\r\n", request_.body.size());
  }
  head_.append("\r\n");
}

Task<Result<>> ClientExchange::acquire(bool fresh_only) {
  limit_phase(request_.timeouts.connect);
  while (!fresh_only) {
    auto idle = shared_->take_idle(origin_);
    if (!idle) break;
    owns_slot_ = true;
    connection_ = std::move(idle);
    if (SteadyClock::now() - connection_->idle_since < kTrustIdle || still_quiet(connection_->stream.socket())) {
      co_return Result<>();
    }
    drop_connection();
  }
  if (origin_.open < shared_->options.connections_per_origin_max) {
    ++origin_.open;
    owns_slot_ = true;
  } else {
    SB_CO_CHECK(co_await wait_for_grant());
    if (connection_) co_return Result<>();
  }
  auto connected = co_await connect();
  if (!connected) drop_connection();
  co_return connected;
}

Task<Result<>> ClientExchange::wait_for_grant() {
  if (origin_.waiting.size() >= shared_->options.waiting_per_origin_max) {
    co_return fail(Errc::unavailable, fmt::format("{}: all {} connections are busy and {} requests wait already",
                                                  request_.origin.authority(), origin_.open, origin_.waiting.size()));
  }
  origin_.waiting.push_back(this);
  waiting_ = true;
  while (waiting_ && stop_ == Stop::none) co_await wakeup_.wait();
  if (std::exchange(waiting_, false)) std::erase(origin_.waiting, this);
  if (stop_ == Stop::cancelled) co_return std::unexpected(stopped("waiting for a connection"));
  if (stop_ == Stop::timeout) {
    co_return fail(Errc::unavailable,
                   fmt::format("{}: all {} connections stayed busy for {} ms", request_.origin.authority(),
                               origin_.open, request_.timeouts.connect.count()));
  }
  co_return Result<>();
}

void ClientExchange::grant(std::unique_ptr<ClientConnection> connection) {
  connection_ = std::move(connection);
  grant_slot();
}

void ClientExchange::grant_slot() {
  owns_slot_ = true;
  waiting_ = false;
  wakeup_.notify();
}

Task<Result<>> ClientExchange::connect() {
  SB_CO_TRY(const auto endpoints, co_await resolve());
  error_code error = asio::error::host_not_found;
  for (const auto& endpoint : endpoints) {
    connection_ = std::make_unique<ClientConnection>(Socket(shared_->io.get_executor()),
                                                     shared_->options.response_header_bytes_max);
    std::tie(error) = co_await connection_->stream.socket().async_connect(endpoint, use_tuple);
    if (!error || stop_ != Stop::none) break;
  }
  if (stop_ == Stop::timeout) {
    co_return fail(Errc::unavailable, fmt::format("{}: not connected within {} ms", request_.origin.authority(),
                                                  request_.timeouts.connect.count()));
  }
  if (stop_ == Stop::cancelled) co_return std::unexpected(stopped("connecting"));
  if (error) {
    co_return fail(Errc::unavailable, fmt::format("{}: {}", request_.origin.authority(), error.message()));
  }
  connection_->stream.tune();
  if (request_.origin.tls) co_return co_await handshake();
  co_return Result<>();
}

Task<Result<std::vector<Tcp::endpoint>>> ClientExchange::resolve() {
  const auto& url = request_.origin;
  error_code error;
  if (const auto literal = asio::ip::make_address(url.host, error); !error) {
    co_return std::vector<Tcp::endpoint>{Tcp::endpoint(literal, url.port)};
  }
  // The resolver's thread cannot be interrupted: its answer may come after we have given up, to nobody.
  auto lookup = std::make_shared<Lookup>();
  lookup->waiter = &wakeup_;
  shared_->resolver.async_resolve(url.host, std::to_string(url.port), Lookup::Done{lookup});
  while (!lookup->done && stop_ == Stop::none) co_await wakeup_.wait();
  lookup->waiter = nullptr;
  if (stop_ == Stop::timeout) {
    co_return fail(Errc::unavailable, fmt::format("{}: its name was not resolved within {} ms", url.authority(),
                                                  request_.timeouts.connect.count()));
  }
  if (stop_ == Stop::cancelled) co_return std::unexpected(stopped("resolving the name"));
  if (lookup->error) {
    co_return fail(Errc::unavailable, fmt::format("{}: name lookup: {}", url.authority(), lookup->error.message()));
  }
  co_return std::move(lookup->endpoints);
}

Task<Result<>> ClientExchange::handshake() {
  const auto& url = request_.origin;
  auto& stream = connection_->stream;
  stream.enable_tls(*shared_->tls());
  error_code error;
  asio::ip::make_address(url.host, error);
  // RFC 6066 section 3: no server name for literal addresses.
  if (error) SSL_set_tlsext_host_name(stream.tls()->native_handle(), url.host.c_str());
  if (request_.http2) {
    constexpr std::array<unsigned char, 3> kAlpn = {2, 'h', '2'};
    SSL_set_alpn_protos(stream.tls()->native_handle(), kAlpn.data(), kAlpn.size());
  }
  stream.tls()->set_verify_callback(asio::ssl::host_name_verification(url.host), error);
  std::tie(error) = co_await stream.tls()->async_handshake(asio::ssl::stream_base::client, use_tuple);
  if (stop_ == Stop::timeout) {
    co_return fail(Errc::unavailable,
                   fmt::format("{}: no TLS session within {} ms", url.authority(), request_.timeouts.connect.count()));
  }
  if (stop_ == Stop::cancelled) co_return std::unexpected(stopped("securing the connection"));
  if (error) co_return fail(Errc::unavailable, fmt::format("{}: TLS: {}", url.authority(), error.message()));
  if (request_.http2) {
    const unsigned char* chosen = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(stream.tls()->native_handle(), &chosen, &size);
    if (size == 0) co_return fail(Errc::unavailable, fmt::format("{}: TLS: it speaks no HTTP/2", url.authority()));
  }
  co_return Result<>();
}

Task<ClientExchange::Outcome> ClientExchange::round_trip(Error& error) {
  auto& connection = *connection_;
  connection.parser.reset();
  connection.parser.expect_no_body = request_.method == "HEAD";
  write_failed_ = false;
  limit_phase(request_.timeouts.idle);
  if (shared_->first != this || next) co_await shared_->write_turn.wait();
  if (stop_ != Stop::none) {
    error = stopped("sending the request");
    co_return Outcome::failed;
  }
  Parts parts{head_, request_.body};
  auto sent = connection.stream.write_now(parts);
  if (sent == Stream::Sent::some) {
    sent = co_await connection.stream.write_rest(parts) ? Stream::Sent::all : Stream::Sent::failed;
  }
  // A server may refuse before it has read everything: its answer is looked for all the same.
  write_failed_ = sent == Stream::Sent::failed;
  limit_phase(request_.timeouts.first_byte);
  co_return co_await read_head(error);
}

Task<ClientExchange::Outcome> ClientExchange::read_head(Error& error) {
  auto& connection = *connection_;
  auto& parser = connection.parser;
  for (int interim = 0; interim < kInterimMax;) {
    if (connection.in.empty()) {
      const bool no_byte_yet = !parser.started() && interim == 0;
      if (!co_await fill()) {
        error = stop_ != Stop::none
                    ? stopped("waiting for the response")
                    : Error(Errc::upstream_invalid,
                            fmt::format("{}: the connection was closed {}", request_.origin.authority(),
                                        no_byte_yet ? "without a response" : "within a response's head"));
        co_return no_byte_yet&& connection.reused ? Outcome::stale : Outcome::failed;
      }
    }
    const auto fed = parser.feed(connection.in.data());
    if (!fed) {
      error = Error(Errc::upstream_invalid,
                    fmt::format("{}: not an HTTP response: {}", request_.origin.authority(), fed.error().reason));
      co_return Outcome::failed;
    }
    connection.in.consume(fed->consumed);
    if (!parser.head_complete()) continue;
    if (parser.status >= 200) {
      pending_ = fed->body;
      status_ = parser.status;
      headers_ = std::move(parser.headers);
      if (iequals(headers_.get("content-encoding"), "gzip") && !parser.expect_no_body) {
        inflater_ = std::make_unique<Inflater>();
        headers_.remove("content-encoding");
        headers_.remove("content-length");
      }
      co_return Outcome::ok;
    }
    if (parser.status == 101) break;  // we asked for no other protocol
    ++interim;
    parser.reset();
    parser.expect_no_body = request_.method == "HEAD";
  }
  error = Error(Errc::upstream_invalid,
                fmt::format("{}: interim responses instead of an answer", request_.origin.authority()));
  co_return Outcome::failed;
}

Task<bool> ClientExchange::fill() {
  if (stop_ != Stop::none) co_return false;
  Stream& stream = connection_->stream;
  ReadBuffer& in = connection_->in;
  error_code error = asio::error::would_block;
  std::size_t size = 0;
  while (!stream.tls() && in.empty() && error == asio::error::would_block) {
    in.rest();  // an answer may be long in coming: no memory is held for it
    std::tie(error) = co_await stream.async_readable(use_tuple);
    if (!error) size = stream.read_now(in.prepare(), error);
  }
  if (error == asio::error::would_block)
    std::tie(error, size) = co_await stream.async_read_some(in.prepare(), use_tuple);
  in.filled(size);
  // Without TLS's own end, the end of the connection proves nothing about the body (RFC 9112 section 9.8).
  truncated_ = error == asio::ssl::error::stream_truncated;
  co_return !error && stop_ == Stop::none;
}

Task<Result<std::string_view>> ClientExchange::read_some() {
  if (http2_) co_return co_await read_some_http2();
  for (;;) {
    if (failure_) co_return std::unexpected(*failure_);
    if (stop_ != Stop::none) co_return std::unexpected(stopped("reading the response"));
    if (inflater_ && (!packed_.empty() || unpacked_.size() == kUnpackedPieceBytes)) {
      auto plain = unpack(packed_);
      if (!plain || !plain->empty()) co_return plain;
    }
    if (!pending_.empty()) {
      const auto piece = std::exchange(pending_, {});
      if (!inflater_) co_return piece;
      packed_ = piece;
      continue;
    }
    if (ended_) co_return std::string_view();
    auto& connection = *connection_;
    if (connection.parser.complete()) {
      if (inflater_ && !inflater_->finished()) {
        co_return give_up("the gzip body ends early");
      }
      finish();
      co_return std::string_view();
    }
    if (connection.in.empty()) {
      limit_phase(request_.timeouts.idle);
      if (!co_await fill()) {
        if (stop_ != Stop::none) continue;
        if (!truncated_ && connection.parser.finish()) continue;
        co_return give_up("the response was cut before its end");
      }
    }
    const auto fed = connection.parser.feed(connection.in.data());
    if (!fed) {
      co_return give_up(fed.error().reason);
    }
    connection.in.consume(fed->consumed);
    pending_ = fed->body;
  }
}

std::unexpected<Error> ClientExchange::give_up(std::string_view why) {
  failure_ = Error(Errc::upstream_invalid, fmt::format("{}: {}", request_.origin.authority(), why));
  drop_connection();
  return std::unexpected(*failure_);
}

Result<std::string_view> ClientExchange::unpack(std::string_view packed) {
  packed_ = packed;
  const auto unpacked = inflater_->next(packed_, unpacked_, kUnpackedPieceBytes);
  if (!unpacked) return give_up("the gzip body is damaged");
  return std::string_view(unpacked_);
}

Task<Result<std::string>> ClientExchange::read_all(std::size_t bytes_max) {
  std::string out;
  if (const auto length = connection_ ? connection_->parser.content_length() : std::nullopt; length && !inflater_) {
    if (*length <= bytes_max) out.reserve(*length);
  }
  for (;;) {
    SB_CO_TRY(const auto piece, co_await read_some());
    if (piece.empty()) co_return out;
    if (out.size() + piece.size() > bytes_max) {
      co_return fail(Errc::too_large,
                     fmt::format("{}: the response is longer than {} bytes", request_.origin.authority(), bytes_max));
    }
    out += piece;
  }
}

bool ClientExchange::reusable() const {
  return !http2_ && stop_ == Stop::none && !write_failed_ && connection_->parser.complete() &&
         connection_->parser.keep_alive() && connection_->in.empty() && connection_->stream.socket().is_open();
}

void ClientExchange::finish() {
  ended_ = true;
  deadline_ = kNever;
  if (!reusable()) return drop_connection();
  owns_slot_ = false;
  shared_->give_back(origin_, std::move(connection_));
}

void ClientExchange::drop_connection() {
  connection_.reset();
  if (std::exchange(owns_slot_, false)) shared_->slot_free(origin_);
}

void ClientExchange::limit_phase(milliseconds limit) {
  deadline_ = std::min(total_deadline_, SteadyClock::now() + limit);
}

void ClientExchange::sweep(SteadyTime now) {
  if (now >= deadline_) stop(Stop::timeout);
}

void ClientExchange::stop(Stop why) {
  if (stop_ != Stop::none || ended_) return;
  stop_ = why;
  deadline_ = kNever;
  if (connection_) connection_->stream.close();
  wakeup_.notify();
}

Error ClientExchange::stopped(std::string_view doing) const {
  if (stop_ == Stop::cancelled) return Error(Errc::cancelled, fmt::format("cancelled while {}", doing));
  return Error(Errc::upstream_timeout, fmt::format("{}: too slow while {}", request_.origin.authority(), doing));
}

}  // namespace sb::http
