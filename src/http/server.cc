#include "http/server.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/log.h"
#include "http/server_connection.h"
#include "http/tls.h"

namespace sb::http {
namespace {

constexpr std::chrono::milliseconds kAcceptRetry{100};
constexpr std::chrono::milliseconds kRefusalTime{1'000};
constexpr std::size_t kRefusingMax = 256;
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

Result<Acceptor> listen(asio::io_context& io, const ServerOptions& options) {
  error_code error;
  const auto address = asio::ip::make_address(options.host, error);
  if (error) {
    return fail(Errc::invalid_argument,
                fmt::format("\"{}\" is not an IP address to listen on; use 127.0.0.1, 0.0.0.0 or ::", options.host),
                "host");
  }
  const Tcp::endpoint endpoint(address, options.port);
  const auto at = fmt::format(fmt::runtime(address.is_v6() ? "[{}]:{}" : "{}:{}"), options.host, options.port);
  Acceptor acceptor(io.get_executor());
  if (acceptor.open(endpoint.protocol(), error); error) {
    return fail(Errc::unavailable, fmt::format("cannot open a socket for {}: {}", at, error.message()));
  }
  acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (options.reuse_port) acceptor.set_option(ReusePort(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(options.backlog, error);
  if (error == asio::error::address_in_use) {
    return fail(Errc::unavailable,
                fmt::format("address {} is in use: stop the process that listens there or choose another port", at),
                "port");
  }
  if (error) return fail(Errc::unavailable, fmt::format("cannot listen on {}: {}", at, error.message()), "host");
  return acceptor;
}

const std::string& full_answer() {
  static const std::string answer = [] {
    constexpr std::string_view kBody =
        R"({"error":{"message":"the server has as many connections as it may; retry","type":"server_error",)"
        R"("param":null,"code":"overloaded"}})";
    return fmt::format(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n"
        "retry-after: 1\r\nconnection: close\r\n\r\n{}",
        kBody.size(), kBody);
  }();
  return answer;
}

/// Refuses a connection over the cap. Waits a moment for the client to close, because closing with its request unread
/// would reset the connection and destroy the answer; only a few are given that moment.
Task<void> refuse(std::shared_ptr<ServerShared> shared, std::shared_ptr<Socket> socket) {
  ++shared->refusing;
  error_code ignored;
  socket->non_blocking(true, ignored);
  if (!shared->tls) socket->write_some(asio::buffer(full_answer()), ignored);
  socket->shutdown(Socket::shutdown_send, ignored);
  Timer limit(shared->io.get_executor(), kRefusalTime);
  limit.async_wait([socket](error_code error) {
    error_code nothing;
    if (!error) socket->close(nothing);
  });
  char unread[512];
  for (error_code error; !error;)
    std::tie(error, std::ignore) = co_await socket->async_read_some(asio::buffer(unread), use_tuple);
  --shared->refusing;
}

Task<void> accept_loop(std::shared_ptr<ServerShared> shared, std::shared_ptr<Acceptor> acceptor) {
  Timer pause(shared->io.get_executor());
  while (acceptor->is_open()) {
    auto [error, socket] = co_await acceptor->async_accept(use_tuple);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      // Out of descriptors or memory: trying again at once would only spin.
      log_warn("http.accept_failed", {{"error", error.message()}});
      pause.expires_after(kAcceptRetry);
      co_await pause.async_wait(use_tuple);
      continue;
    }
    if (shared->connections >= shared->options.connections_max) {
      if (shared->refusing >= kRefusingMax) continue;
      auto refusal = refuse(shared, std::make_shared<Socket>(std::move(socket)));
      asio::co_spawn(shared->io.get_executor(), std::move(refusal), asio::detached);
      continue;
    }
    auto connection = std::make_shared<ServerConnection>(shared, std::move(socket));
    auto* raw = connection.get();
    auto life = raw->run();  // the coroutine holds the connection from its first step on
    asio::co_spawn(shared->io.get_executor(), std::move(life), [connection = std::move(connection)](auto) {});
  }
}

Task<void> sweep_loop(std::shared_ptr<ServerShared> shared, std::shared_ptr<Timer> timer) {
  const auto& o = shared->options;
  const auto period = sweep_period(std::min({o.header_timeout, o.body_timeout, o.idle_timeout, o.write_timeout}));
  for (;;) {
    timer->expires_after(period);
    const auto [error] = co_await timer->async_wait(use_tuple);
    if (error) co_return;
    const auto now = SteadyClock::now();
    for (auto* connection = shared->first; connection; connection = connection->next) connection->sweep(now);
  }
}

class ServerImpl final : public Server {
 public:
  ServerImpl(std::shared_ptr<ServerShared> shared, Acceptor acceptor)
      : shared_(std::move(shared)),
        acceptor_(std::make_shared<Acceptor>(std::move(acceptor))),
        sweeper_(std::make_shared<Timer>(shared_->io.get_executor())),
        port_(acceptor_->local_endpoint().port()) {}

  ~ServerImpl() override {
    stop_accepting();
    sweeper_->cancel();
    for (auto* connection = shared_->first; connection; connection = connection->next) connection->kill();
    shared_->all_gone.notify();
  }

  std::uint16_t port() const override { return port_; }
  std::size_t connections() const override { return shared_->connections; }
  std::size_t in_flight() const override { return shared_->in_flight; }

  void start() override {
    auto accepting = accept_loop(shared_, acceptor_);
    asio::co_spawn(shared_->io.get_executor(), std::move(accepting), asio::detached);
    auto sweeping = sweep_loop(shared_, sweeper_);
    asio::co_spawn(shared_->io.get_executor(), std::move(sweeping), asio::detached);
  }

  Task<void> drain(std::chrono::milliseconds deadline) override {
    // The Server may be destroyed while this waits: from here on only copies are touched.
    const auto shared = shared_;
    const auto sweeper = sweeper_;
    stop_accepting();
    shared->draining = true;
    for (auto* connection = shared->first; connection; connection = connection->next) connection->drain();
    auto cut = std::make_shared<Timer>(shared->io.get_executor(), deadline);
    cut->async_wait([shared, cut](error_code error) {
      if (error) return;
      log_warn("http.drain_cut", {{"connections", shared->connections}});
      for (auto* connection = shared->first; connection; connection = connection->next) connection->kill();
    });
    while (shared->connections > 0) co_await shared->all_gone.wait();
    cut->cancel();
    sweeper->cancel();
  }

 private:
  void stop_accepting() {
    error_code ignored;
    acceptor_->close(ignored);
  }

  std::shared_ptr<ServerShared> shared_;
  std::shared_ptr<Acceptor> acceptor_;
  std::shared_ptr<Timer> sweeper_;
  std::uint16_t port_;
};

}  // namespace

std::string_view ServerShared::date() {
  if (const auto now = std::time(nullptr); now != date_second_) {
    date_second_ = now;
    std::tm utc{};
    gmtime_r(&now, &utc);
    constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    date_ = fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays.at(static_cast<std::size_t>(utc.tm_wday)),
                        utc.tm_mday, kMonths.at(static_cast<std::size_t>(utc.tm_mon)), utc.tm_year + 1900, utc.tm_hour,
                        utc.tm_min, utc.tm_sec);
  }
  return date_;
}

Result<std::unique_ptr<Server>> Server::create(asio::io_context& io, ServerOptions options, Handler handler) {
  auto shared = std::make_shared<ServerShared>(io, std::move(options), std::move(handler));
  const auto& o = shared->options;
  if (!o.tls_certificate_file.empty()) {
    SB_TRY(auto tls, server_tls(o.tls_certificate_file, o.tls_key_file));
    shared->tls.emplace(std::move(tls));
  }
  SB_TRY(auto acceptor, listen(io, o));
  return std::make_unique<ServerImpl>(std::move(shared), std::move(acceptor));
}

}  // namespace sb::http
