/// A connected byte stream, plain or TLS, and the buffer that is read into. Private to src/http.
#pragma once

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>

#include "base/task.h"

namespace sb::http {

using boost::system::error_code;
using Tcp = asio::ip::tcp;
using Socket = asio::basic_stream_socket<Tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<Tcp, Executor>;
using Resolver = asio::ip::basic_resolver<Tcp, Executor>;
using SteadyClock = std::chrono::steady_clock;
using SteadyTime = SteadyClock::time_point;
using Timer = asio::basic_waitable_timer<SteadyClock, asio::wait_traits<SteadyClock>, Executor>;

inline constexpr auto use_tuple = asio::as_tuple(use_task);
inline constexpr SteadyTime kNever = SteadyTime::max();

/// Parts of one message that go out in one system call.
using Parts = std::array<std::string_view, 4>;

class Stream {
 public:
  using Tls = asio::ssl::stream<Socket&>;
  using IoResult = std::tuple<error_code, std::size_t>;

  explicit Stream(Socket socket) : socket_(std::move(socket)) {}

  Socket& socket() { return socket_; }
  Tls* tls() { return tls_.get(); }
  void enable_tls(asio::ssl::context& context) {
    tls_ = std::make_unique<Tls>(socket_, context);
    SSL_set_mode(tls_->native_handle(), SSL_MODE_RELEASE_BUFFERS);  // idle connections hold no record buffers
  }

  /// Packets go out as they are written, and a write that would wait says so.
  void tune() {
    error_code ignored;
    socket_.set_option(Tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
  }

  template <class Token>
  auto async_read_some(std::span<char> into, Token&& token) {
    const auto buffer = asio::buffer(into.data(), into.size());
    return tls_ ? tls_->async_read_some(buffer, std::forward<Token>(token))
                : socket_.async_read_some(buffer, std::forward<Token>(token));
  }

  /// Waits until there is something to read, without a buffer for it. REQUIRES: no TLS.
  template <class Token>
  auto async_readable(Token&& token) {
    return socket_.async_wait(Socket::wait_read, std::forward<Token>(token));
  }
  /// What is there. Error would_block: nothing after all. REQUIRES: no TLS.
  std::size_t read_now(std::span<char> into, error_code& error) {
    const std::size_t size = socket_.read_some(asio::buffer(into.data(), into.size()), error);
    if (error == asio::error::try_again) error = asio::error::would_block;
    return size;
  }

  enum class Sent : std::uint8_t { all, some, failed };
  /// Writes what the socket takes without waiting and cuts it off `parts`. TLS always leaves the work to write_rest.
  Sent write_now(Parts& parts) {
    if (tls_) return socket_.is_open() ? Sent::some : Sent::failed;
    error_code error;
    std::size_t sent = socket_.write_some(buffers(parts), error);
    if (error && error != asio::error::would_block && error != asio::error::try_again) return Sent::failed;
    if (error) return Sent::some;
    bool all = true;
    for (auto& part : parts) {
      const auto taken = std::min(sent, part.size());
      part.remove_prefix(taken);
      sent -= taken;
      all = all && part.empty();
    }
    return all ? Sent::all : Sent::some;
  }

  /// Waits until all of `parts` (borrowed) is with the system. False: the connection is broken.
  Task<bool> write_rest(Parts parts) {
    if (!tls_) {
      const auto [error, size] = co_await asio::async_write(socket_, buffers(parts), use_tuple);
      co_return !error;
    }
    // One record instead of one per part; large parts are written as they are.
    std::string joined;
    for (const auto part : parts) {
      if (joined.size() + part.size() <= kJoinedBytesMax) {
        joined += part;
        continue;
      }
      if (!co_await write_tls(joined)) co_return false;
      joined.clear();
      if (!co_await write_tls(part)) co_return false;
    }
    co_return co_await write_tls(joined);
  }

  void close() {
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  static constexpr std::size_t kJoinedBytesMax = 16 * 1024;

  static std::array<asio::const_buffer, 4> buffers(const Parts& parts) {
    return {asio::buffer(parts[0]), asio::buffer(parts[1]), asio::buffer(parts[2]), asio::buffer(parts[3])};
  }
  Task<bool> write_tls(std::string_view bytes) {
    if (bytes.empty()) co_return true;
    const auto [error, size] = co_await asio::async_write(*tls_, asio::buffer(bytes), use_tuple);
    co_return !error;
  }

  Socket socket_;
  std::unique_ptr<Tls> tls_;
};

/// What was read and not yet parsed. Small while a connection idles; larger while reads fill it.
class ReadBuffer {
 public:
  static constexpr std::size_t kSmall = 4 * 1024;
  static constexpr std::size_t kLarge = 64 * 1024;

  std::span<char> data() { return {bytes_.get() + begin_, end_ - begin_}; }
  bool empty() const { return begin_ == end_; }
  bool full() const { return end_ == capacity_ && begin_ == 0; }
  void consume(std::size_t size) { begin_ += size; }
  void filled(std::size_t size) {
    end_ += size;
    filled_up_ = end_ == capacity_;
  }

  /// Free room behind the data. Moves the data: views into it die. REQUIRES: no read in flight.
  std::span<char> prepare() {
    if (begin_ == end_) {
      begin_ = end_ = 0;
      if (!bytes_ || (filled_up_ && capacity_ == kSmall)) allocate(filled_up_ ? kLarge : kSmall);
    } else if (end_ == capacity_ && begin_ > 0) {
      std::memmove(bytes_.get(), bytes_.get() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    return {bytes_.get() + end_, capacity_ - end_};
  }

  /// Before a wait: a small buffer that holds nothing is given back. REQUIRES: no read in flight.
  void rest() {
    if (begin_ == end_ && capacity_ <= kSmall) bytes_.reset(), begin_ = end_ = capacity_ = 0;
  }

  /// Back to the small size, if nothing is held. REQUIRES: no read in flight.
  void shrink() {
    if (begin_ != end_) return;
    begin_ = end_ = 0;
    filled_up_ = false;
    if (capacity_ > kSmall) bytes_.reset(), capacity_ = 0;
  }
  void release() {
    bytes_.reset();
    begin_ = end_ = capacity_ = 0;
    filled_up_ = false;
  }

 private:
  void allocate(std::size_t size) {
    bytes_ = std::make_unique_for_overwrite<char[]>(size);
    capacity_ = size;
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool filled_up_ = false;
};

/// How often deadlines are looked at: one timer a shard instead of one a read. A quarter of the shortest limit, so
/// that a deadline is at most a quarter late, within bounds that cost nothing when idle.
inline std::chrono::milliseconds sweep_period(std::chrono::milliseconds shortest) {
  using std::chrono::milliseconds;
  return std::clamp(shortest / 4, milliseconds(5), milliseconds(250));
}

}  // namespace sb::http
