/// One request of a client and its response. Private to src/http.
#pragma once

#include <optional>

#include "http/client_shared.h"
#include "http/http2_session.h"
#include "http/inflate.h"
#include "http/wakeup.h"

namespace sb::http {

class ClientExchange final : public ClientResponse {
 public:
  ClientExchange(std::shared_ptr<ClientShared> shared, ClientRequest request);
  ~ClientExchange() override;

  /// Sends and waits for the head.
  Task<Result<>> start();

  int status() const override { return status_; }
  const Headers& headers() const override { return headers_; }
  const Headers& trailers() const override;
  Task<Result<std::string_view>> read_some() override;
  Task<Result<std::string>> read_all(std::size_t bytes_max) override;

  enum class Stop : std::uint8_t { none, timeout, cancelled };
  /// Ends the exchange from outside; what waits in it resumes with the matching error.
  void stop(Stop why);
  void sweep(SteadyTime now);

  // A waiting request is granted one of these by ClientShared.
  void grant(std::unique_ptr<ClientConnection> connection);
  void grant_slot();

  ClientExchange* next = nullptr;
  ClientExchange** link = nullptr;

 private:
  enum class Outcome : std::uint8_t { ok, stale, failed };

  Task<Result<>> acquire(bool fresh_only);
  Task<Result<>> wait_for_grant();
  Task<Result<>> connect();
  Task<Result<std::vector<Tcp::endpoint>>> resolve();
  Task<Result<>> handshake();
  Task<Outcome> round_trip(Error& error);
  Task<Outcome> read_head(Error& error);
  // client_http2.cc: the same over HTTP/2
  Task<Result<>> start_http2();
  Task<Result<std::string_view>> read_some_http2();
  /// Sends what the session has to say. Error: the connection is broken.
  Task<Result<>> flush_http2();
  /// Reads what comes, once, and answers it.
  Task<Result<>> exchange_http2(std::string_view doing);
  /// False: end of the stream, or an error; see stop_ and the parser.
  Task<bool> fill();
  void build_head();
  void drop_connection();
  void finish();
  bool reusable() const;
  void limit_phase(std::chrono::milliseconds limit);
  Error stopped(std::string_view doing) const;
  std::unexpected<Error> give_up(std::string_view why);
  Result<std::string_view> unpack(std::string_view packed);

  std::shared_ptr<ClientShared> shared_;
  ClientRequest request_;
  Origin& origin_;
  std::unique_ptr<ClientConnection> connection_;
  Wakeup wakeup_;
  Headers headers_;
  std::string head_;
  std::unique_ptr<Http2Session> http2_;
  std::string_view pending_;  ///< body bytes that lie in the connection's buffer
  std::unique_ptr<Inflater> inflater_;
  std::string unpacked_;
  std::string_view packed_;
  SteadyTime total_deadline_;
  SteadyTime deadline_;
  std::optional<Error> failure_;  ///< a broken body stays broken
  int status_ = 0;
  Stop stop_ = Stop::none;
  bool owns_slot_ = false;  ///< one of origin_.open is ours
  bool waiting_ = false;
  bool write_failed_ = false;
  bool truncated_ = false;
  bool ended_ = false;  ///< the body was read to its end
  std::optional<CancelRegistration> registration_;
};

}  // namespace sb::http
