// A request over HTTP/2. It has its connection to itself: what goes wrong there is about nothing else.
#include <fmt/format.h>

#include "http/client_exchange.h"

namespace sb::http {
namespace {

Error at(const Url& origin, const Error& error) {
  return Error(error.code, fmt::format("{}: {}", origin.authority(), error.detail));
}

}  // namespace

const Headers& ClientExchange::trailers() const {
  static const Headers none;
  return http2_ ? http2_->trailers() : none;
}

Task<Result<>> ClientExchange::start_http2() {
  SB_CO_CHECK(co_await acquire(true));
  SB_CO_TRY(http2_, Http2Session::create(request_, shared_->options.response_header_bytes_max));
  limit_phase(request_.timeouts.idle);
  SB_CO_CHECK(co_await flush_http2());
  limit_phase(request_.timeouts.first_byte);
  while (!http2_->head_complete()) SB_CO_CHECK(co_await exchange_http2("waiting for the response"));
  status_ = http2_->status();
  headers_ = http2_->take_headers();
  co_return Result<>();
}

Task<Result<>> ClientExchange::flush_http2() {
  while (!write_failed_) {
    const auto bytes = http2_->take();
    if (!bytes) co_return std::unexpected(at(request_.origin, bytes.error()));
    if (bytes->empty()) break;
    Parts parts{*bytes};
    auto sent = connection_->stream.write_now(parts);
    if (sent == Stream::Sent::some)
      sent = co_await connection_->stream.write_rest(parts) ? Stream::Sent::all : Stream::Sent::failed;
    if (stop_ != Stop::none) co_return std::unexpected(stopped("sending the request"));
    // A server may refuse before it has read everything: its answer is looked for all the same.
    write_failed_ = sent == Stream::Sent::failed;
  }
  co_return Result<>();
}

Task<Result<>> ClientExchange::exchange_http2(std::string_view doing) {
  auto& in = connection_->in;
  if (in.empty() && !co_await fill()) {
    if (stop_ != Stop::none) co_return std::unexpected(stopped(doing));
    co_return fail(Errc::upstream_invalid,
                   fmt::format("{}: the connection was closed while {}", request_.origin.authority(), doing));
  }
  const auto fed = http2_->feed(in.data());
  in.consume(in.data().size());
  if (!fed) co_return std::unexpected(at(request_.origin, fed.error()));
  if (http2_->ended()) co_return Result<>();
  co_return co_await flush_http2();
}

Task<Result<std::string_view>> ClientExchange::read_some_http2() {
  if (!ended_) limit_phase(request_.timeouts.idle);  // once: a server that does nothing but ping is idle
  for (;;) {
    if (failure_) co_return std::unexpected(*failure_);
    if (stop_ != Stop::none) co_return std::unexpected(stopped("reading the response"));
    unpacked_ = http2_->take_body();
    if (!unpacked_.empty()) co_return std::string_view(unpacked_);
    if (ended_) co_return std::string_view();
    if (http2_->ended()) {
      finish();
      co_return std::string_view();
    }
    if (auto more = co_await exchange_http2("reading the response"); !more) {
      if (stop_ != Stop::none) continue;
      failure_ = more.error();
      drop_connection();
    }
  }
}

}  // namespace sb::http
