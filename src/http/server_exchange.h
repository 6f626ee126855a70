/// The server's side of one request. Private to src/http.
#pragma once

#include "http/server_connection.h"

namespace sb::http {

class ServerExchange final : public Exchange {
 public:
  explicit ServerExchange(ServerConnection& connection);
  ~ServerExchange() override;

  const Request& request() const override { return connection_.request_; }
  std::string take_body() override { return std::move(connection_.request_.body); }
  Task<Result<>> respond(Response response) override;
  Task<Result<>> begin_stream(int status, Headers headers) override;
  Task<Result<>> write(std::string_view bytes) override;
  Task<Result<>> end_stream() override;
  void abort() override;
  bool responded() const override { return state_ != State::fresh; }
  CancelSource& disconnect() override { return disconnect_; }
  int status_sent() const override { return status_; }
  std::size_t bytes_sent() const override { return bytes_sent_; }

  /// The answer is whole: the connection may carry another request.
  bool finished() const { return state_ == State::done; }
  bool streaming() const { return state_ == State::streaming; }

 private:
  enum class State : std::uint8_t { fresh, streaming, done };

  void build_head(int status, const Headers& headers);
  Task<Result<>> send(Parts parts);

  ServerConnection& connection_;
  CancelSource disconnect_;
  std::size_t bytes_sent_ = 0;
  int status_ = 0;
  State state_ = State::fresh;
  bool head_request_;
  bool body_allowed_ = true;
  bool chunked_ = false;
  bool head_pending_ = false;
};

}  // namespace sb::http
