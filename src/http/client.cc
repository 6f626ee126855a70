#include "http/client.h"

#include <algorithm>

#include "http/client_exchange.h"
#include "http/tls.h"

namespace sb::http {

ClientShared::ClientShared(asio::io_context& io_context, ClientOptions o)
    : io(io_context), options(std::move(o)), resolver(io.get_executor()), write_turn(io), timer_(io.get_executor()) {}

Result<asio::ssl::context>& ClientShared::tls() {
  if (!tls_) tls_.emplace(client_tls(options.ca_file));
  return *tls_;
}

void ClientShared::add(ClientExchange& exchange) {
  exchange.next = first;
  exchange.link = &first;
  if (first) first->link = &exchange.next;
  first = &exchange;
}

void ClientShared::remove(ClientExchange& exchange) {
  *exchange.link = exchange.next;
  if (exchange.next) exchange.next->link = exchange.link;
}

std::unique_ptr<ClientConnection> ClientShared::take_idle(Origin& origin) {
  if (origin.idle.empty()) return nullptr;
  auto connection = std::move(origin.idle.back());
  origin.idle.pop_back();
  --idle_count_;
  connection->reused = true;
  return connection;
}

void ClientShared::give_back(Origin& origin, std::unique_ptr<ClientConnection> connection) {
  if (closed) return;
  connection->in.shrink();
  connection->idle_since = SteadyClock::now();
  connection->reused = true;
  if (!origin.waiting.empty()) {
    auto* waiter = origin.waiting.front();
    origin.waiting.pop_front();
    waiter->grant(std::move(connection));
    return;
  }
  origin.idle.push_back(std::move(connection));
  ++idle_count_;
  need_sweep(options.pool_idle);
}

void ClientShared::slot_free(Origin& origin) {
  if (!origin.waiting.empty() && !closed) {
    auto* waiter = origin.waiting.front();
    origin.waiting.pop_front();
    waiter->grant_slot();
    return;
  }
  --origin.open;
}

void ClientShared::need_sweep(std::chrono::milliseconds shortest) {
  const auto period = sweep_period(shortest);
  if (period < period_) {
    period_ = period;
    if (armed_) timer_.cancel();  // comes back through its handler with the new period
  }
  if (!armed_) arm();
}

void ClientShared::arm() {
  armed_ = true;
  timer_.expires_after(period_);
  timer_.async_wait([self = shared_from_this()](error_code) { self->sweep(); });
}

void ClientShared::sweep() {
  armed_ = false;
  if (closed) return;
  const auto now = SteadyClock::now();
  for (auto* exchange = first; exchange; exchange = exchange->next) exchange->sweep(now);
  for (auto& [key, origin] : origins) {
    const auto expired = [&](const auto& connection) { return now - connection->idle_since >= options.pool_idle; };
    const auto count = std::erase_if(origin.idle, expired);
    origin.open -= count;
    idle_count_ -= count;
  }
  std::erase_if(origins, [](const auto& entry) { return entry.second.open == 0 && entry.second.users == 0; });
  if (first || idle_count_ > 0) arm();
}

void ClientShared::shutdown() {
  closed = true;
  for (auto* exchange = first; exchange; exchange = exchange->next) exchange->stop(ClientExchange::Stop::cancelled);
  for (auto& [key, origin] : origins) {
    origin.open -= origin.idle.size();
    origin.idle.clear();
  }
  idle_count_ = 0;
  resolver.cancel();
  timer_.cancel();
}

namespace {

class ClientImpl final : public Client {
 public:
  ClientImpl(asio::io_context& io, ClientOptions options)
      : shared_(std::make_shared<ClientShared>(io, std::move(options))) {}
  ~ClientImpl() override { shared_->shutdown(); }

  Task<Result<std::unique_ptr<ClientResponse>>> send(ClientRequest request) override {
    auto exchange = std::make_unique<ClientExchange>(shared_, std::move(request));
    auto started = co_await exchange->start();
    if (!started) co_return std::unexpected(std::move(started).error());
    co_return std::unique_ptr<ClientResponse>(std::move(exchange));
  }

 private:
  std::shared_ptr<ClientShared> shared_;
};

}  // namespace

std::unique_ptr<Client> Client::create(asio::io_context& io, ClientOptions options) {
  return std::make_unique<ClientImpl>(io, std::move(options));
}

}  // namespace sb::http
